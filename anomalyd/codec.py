"""Model dataclasses to plain JSON values and back; the one shape the store, API and sinks share.

A dataclass is an object with its fields' names, `Labels` an object of names to values, an enum its
value, a tuple an array. JSON has no NaN or infinities: NaN is null, infinities are `"+Inf"` and
`"-Inf"` as in Prometheus. In a field `float | None` NaN therefore reads back as None. Unknown keys
are ignored and absent ones take the field's default, so that a newer side can talk to an older.

Coders are built once per type. Numpy scalars become plain numbers; arrays (`Samples`, `Batch`) do
not travel: TypeError.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Callable, Mapping
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin

import msgspec

from anomalyd.model import Labels

T = TypeVar("T")
Coder = Callable[[Any], Any]

_UNIONS = (Union, types.UnionType)
_INFINITIES = {"+Inf": math.inf, "-Inf": -math.inf}


class CodecError(ValueError):
    """What in a document does not fit, as `coverage.matched: 'x' is not a whole number`."""

    def __init__(self, what: str, path: tuple[str, ...] = ()) -> None:
        super().__init__(f"{'.'.join(path)}: {what}" if path else what)
        self.what = what
        self.path = path


def to_dict(value: Any) -> dict[str, Any]:
    """A dataclass instance as plain JSON values. Raises TypeError for what is not one."""
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        raise TypeError(f"{type(value).__name__} is not a dataclass")
    return cast(dict[str, Any], _encode_by_type(value))


def from_dict(kind: type[T], data: object) -> T:
    """The dataclass `kind` that `to_dict` wrote. Raises CodecError naming the field."""
    return cast(T, _decoder(cast(Any, kind))(data))


def dumps(value: Any) -> str:
    return msgspec.json.encode(to_dict(value)).decode()


def loads(kind: type[T], text: str | bytes) -> T:
    """Raises CodecError when `text` is not JSON or not a `kind`."""
    try:
        data = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise CodecError(f"not JSON: {error}") from error
    return from_dict(kind, data)


@cache
def _encoder(hint: Any) -> Coder:
    """The function that makes a value of type `hint` plain."""
    if hint is float:
        return _encode_float
    if hint is Labels:
        return dict
    if isinstance(hint, type) and issubclass(hint, Enum):
        return lambda value: value.value
    if hint in (str, int, bool):
        return cast(Coder, hint)
    if get_origin(hint) is tuple:
        item = _encoder(get_args(hint)[0])
        return lambda value: [item(each) for each in value]
    if get_origin(hint) in _UNIONS:
        options = [option for option in get_args(hint) if option is not types.NoneType]
        return _nullable(_encoder(options[0]) if len(options) == 1 else _encode_by_type)
    if dataclasses.is_dataclass(hint):
        coders = [(name, _encoder(inner)) for name, inner in _fields(hint).items()]
        return lambda value: {name: coder(getattr(value, name)) for name, coder in coders}
    raise TypeError(f"{hint} has no JSON form")


@cache
def _decoder(hint: Any) -> Coder:
    """The function that reads a value of type `hint`; it raises CodecError."""
    if hint is float:
        return _decode_float
    if hint is Labels:
        return _decode_labels
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _enum_decoder(hint)
    if hint in (str, int, bool):
        return _scalar_decoder(hint)
    if get_origin(hint) is tuple:
        return _tuple_decoder(_decoder(get_args(hint)[0]))
    if get_origin(hint) in _UNIONS:
        options = [option for option in get_args(hint) if option is not types.NoneType]
        optional = len(options) < len(get_args(hint))
        inner = _decoder(options[0]) if len(options) == 1 else _union_decoder(options)
        return _nullable(inner) if optional else inner
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _dataclass_decoder(hint)
    raise TypeError(f"{hint} has no JSON form")


def _fields(kind: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _encode_float(value: float) -> float | str | None:
    if math.isfinite(value):
        return float(value)
    return None if math.isnan(value) else ("+Inf" if value > 0 else "-Inf")


def _encode_by_type(value: Any) -> Any:
    kind: Any = type(value)
    return _encoder(kind)(value)


def _nullable(coder: Coder) -> Coder:
    return lambda value: None if value is None else coder(value)


def _decode_float(data: Any) -> float:
    if data is None:
        return math.nan
    if isinstance(data, (float, int)) and not isinstance(data, bool):
        return float(data)
    if isinstance(data, str) and data in _INFINITIES:
        return _INFINITIES[data]
    raise CodecError(f"{data!r} is not a number")


def _decode_labels(data: Any) -> Labels:
    if not isinstance(data, Mapping) or not all(isinstance(v, str) for v in data.values()):
        raise CodecError(f"{data!r} is not an object of label names and values")
    return Labels.of(data)


def _enum_decoder(kind: type[Enum]) -> Coder:
    def decode(data: Any) -> Enum:
        try:
            return kind(data)
        except ValueError:
            known = ", ".join(str(member.value) for member in kind)
            raise CodecError(f"{data!r} is not one of {known}") from None

    return decode


def _scalar_decoder(kind: type) -> Coder:
    name = {str: "text", int: "a whole number", bool: "true or false"}[kind]

    def decode(data: Any) -> Any:
        if type(data) is not kind:
            raise CodecError(f"{data!r} is not {name}")
        return data

    return decode


def _tuple_decoder(item: Coder) -> Coder:
    def decode(data: Any) -> tuple[Any, ...]:
        if not isinstance(data, (list, tuple)):
            raise CodecError(f"{data!r} is not an array")
        return tuple(_within(str(i), item, each) for i, each in enumerate(data))

    return decode


def _union_decoder(options: list[Any]) -> Coder:
    """Of several dataclasses, the first whose required fields are all there."""
    required = [
        (
            {f.name for f in dataclasses.fields(option) if f.default is dataclasses.MISSING},
            _decoder(option),
        )
        for option in options
    ]

    def decode(data: Any) -> Any:
        if isinstance(data, Mapping):
            for names, decoder in required:
                if names <= data.keys():
                    return decoder(data)
        raise CodecError(f"{data!r} is none of {', '.join(o.__name__ for o in options)}")

    return decode


def _dataclass_decoder(kind: type) -> Coder:
    coders = {name: _decoder(hint) for name, hint in _fields(kind).items()}
    missing = dataclasses.MISSING
    required = {
        field.name
        for field in dataclasses.fields(kind)
        if field.default is missing and field.default_factory is missing
    }

    def decode(data: Any) -> Any:
        if not isinstance(data, Mapping):
            raise CodecError(f"{data!r} is not an object")
        absent = sorted(required - data.keys())
        if absent:
            raise CodecError("is required", (absent[0],))
        return kind(**{n: _within(n, c, data[n]) for n, c in coders.items() if n in data})

    return decode


def _within(place: str, coder: Coder, data: Any) -> Any:
    try:
        return coder(data)
    except CodecError as error:
        raise CodecError(error.what, (place, *error.path)) from None
