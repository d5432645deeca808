"""OTLP in JSON: ids in hexadecimal, enums as integers, 64-bit integers as text or number.

Fields that are not read are passed over. A field that is null is one that is not there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Generic, TypeVar

import msgspec
import numpy as np
from msgspec import Meta, Raw, Struct
from numpy.typing import NDArray

from anomalyd.model import Labels
from anomalyd.sources.otlp.attributes import SLOTS, Fact, labels, written_bool
from anomalyd.sources.otlp.columns import (
    PARENT_ID,
    SPAN_ID,
    TRACE_ID,
    UNREADABLE,
    Columns,
    Facts,
)
from anomalyd.sources.otlp.objects import ids, rows_of

Nanoseconds = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Kind = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
S = TypeVar("S")

_ERROR = 2
_NO_RESOURCE = Raw(b"{}")


class _Pair(Struct, gc=False):
    key: str = ""
    value: Raw = Raw(b"{}")


class _Value(Struct, rename="camel", gc=False):
    string_value: str | None = None
    int_value: int | None = None
    bool_value: bool | None = None
    double_value: float | None = None


class _Status(Struct, gc=False):
    code: int | None = None


class Span(Struct, rename="camel", gc=False):
    trace_id: str | None = None
    span_id: str | None = None
    trace_state: str | None = None
    parent_span_id: str | None = None
    name: str | None = None
    kind: Kind | None = None
    start_time_unix_nano: Nanoseconds | None = None
    end_time_unix_nano: Nanoseconds | None = None
    attributes: list[_Pair] | None = None
    status: _Status | None = None


class _ScopeSpans(Struct, Generic[S]):
    spans: list[S] | None = None


class _ResourceSpans(Struct, Generic[S], rename="camel"):
    resource: Raw = _NO_RESOURCE
    scope_spans: list[_ScopeSpans[S]] | None = None


class _Traces(Struct, Generic[S], rename="camel"):
    resource_spans: list[_ResourceSpans[S]] | None = None


class _Resource(Struct):
    attributes: list[_Pair] | None = None


_TRACES = msgspec.json.Decoder(_Traces[Span], strict=False)
_RAW_TRACES = msgspec.json.Decoder(_Traces[Raw], strict=False)
_SPAN = msgspec.json.Decoder(Span, strict=False)
_VALUE = msgspec.json.Decoder(_Value, strict=False)
_PAIR = msgspec.json.Decoder(_Pair)
_RESOURCE = msgspec.json.Decoder(_Resource | None)


def parse(body: bytes) -> _Traces[Span | None]:
    """A span that does not fit is None. Raises what msgspec does where the rest does not fit."""
    try:
        return _TRACES.decode(body)  # type: ignore[return-value]
    except msgspec.ValidationError:
        one_by_one = _RAW_TRACES.decode(body)
    for resource in one_by_one.resource_spans or ():
        for scope in resource.scope_spans or ():
            scope.spans = [_span(raw) for raw in scope.spans or ()]  # type: ignore[misc]
    return one_by_one  # type: ignore[return-value]


def _span(raw: Raw) -> Span | None:
    try:
        return _SPAN.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def columns(found: Sequence[Span | None]) -> Columns:
    spans = [span if span is not None else Span() for span in found]
    fault = np.array([UNREADABLE if span is None else 0 for span in found], dtype=np.uint8)
    pairs = [
        (i, pair)
        for i, span in enumerate(spans)
        for pair in span.attributes or ()
        if pair.key in SLOTS
    ]
    which, said = rows_of([(pair.key, bytes(pair.value)) for _, pair in pairs])
    names, texts = rows_of([span.name or "" for span in spans])
    return Columns(
        trace=_ids([span.trace_id or "" for span in spans], 16, fault, TRACE_ID),
        span=_ids([span.span_id or "" for span in spans], 8, fault, SPAN_ID)[:, 0],
        parent=_ids([span.parent_span_id or _ROOT for span in spans], 8, fault, PARENT_ID)[:, 0],
        start=np.array([span.start_time_unix_nano or 0 for span in spans], dtype=np.uint64),
        end=np.array([span.end_time_unix_nano or 0 for span in spans], dtype=np.uint64),
        kind=np.array([span.kind or 0 for span in spans], dtype=np.int32),
        failed=np.array(
            [span.status is not None and span.status.code == _ERROR for span in spans], dtype=bool
        ),
        names=names,
        texts=texts,
        fault=fault,
        states={i: span.trace_state for i, span in enumerate(spans) if span.trace_state},
        facts=Facts(np.array([i for i, _ in pairs], np.intp), which, list(map(_fact, said))),
    )


_ROOT = "0" * 16


def _ids(given: list[str], size: int, fault: NDArray[np.uint8], place: int) -> NDArray[np.uint64]:
    """As `ids`; all at once where all are right."""
    try:
        at_once = bytes.fromhex("".join(given))
    except ValueError:
        at_once = b""
    if len(at_once) == size * len(given) and set(map(len, given)) <= {2 * size}:
        return np.frombuffer(at_once, ">u8").reshape(-1, size // 8).astype(np.uint64)
    return ids([_bytes(one) for one in given], size, fault, place)


def _bytes(hexadecimal: str) -> bytes:
    try:
        return bytes.fromhex(hexadecimal) if " " not in hexadecimal else b""
    except ValueError:
        return b""


def _fact(pair: tuple[str, bytes]) -> Fact:
    text = _scalar(pair[1])
    return (SLOTS[pair[0]], text) if text else None


def _scalar(raw: bytes) -> str:
    """An AnyValue as a label has it; '' of an array, a map, bytes or nothing."""
    try:
        value = _VALUE.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""
    if value.string_value is not None:
        return value.string_value
    if value.int_value is not None:
        return str(value.int_value)
    if value.bool_value is not None:
        return written_bool(value.bool_value)
    return "" if value.double_value is None else repr(value.double_value)


def resource_labels(raw: bytes) -> Labels:
    """Of a resource. Raises what msgspec does where it is none."""
    found = _RESOURCE.decode(raw)
    pairs = found.attributes if found is not None else None
    return labels((pair.key, _scalar(bytes(pair.value))) for pair in pairs or ())


def json_pair(raw: bytes) -> tuple[str, str]:
    """(key, value as a label has it) of a KeyValue. Raises what msgspec does where it is none."""
    found = _PAIR.decode(raw)
    return found.key, _scalar(bytes(found.value))
