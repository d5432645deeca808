"""Facts that somebody listed in a file, for each environment: YAML, JSON or TOML.

[{kind: cpu-limit, place: pricing/app, staging: 500m, production: 2}]
[{side: staging, kind: version, place: cart, value: v2}, …]
{staging: [{kind: …, place: …, value: …}], production: […]}
{staging: {cpu-limit: {pricing/app: 500m}}, production: {cpu-limit: {pricing/app: 2}}}
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from anomalyd.facts import Fact
from anomalyd.model import Environment
from anomalyd.parity.asking import Collected
from anomalyd.parity.files import MOST_BYTES, MOST_SETTINGS, as_text
from anomalyd.parity.formats import FormatError, read
from anomalyd.parity.kinds import BY_NAME, Part
from anomalyd.parity.quantity import quantity
from anomalyd.parity.secrets import Mask

_PLACES = ("place", "where", "name", "key", "path", "subject", "metric", "service", "target")
_VALUES = ("value", "is", "says")
_KINDS = ("kind", "type", "category")
_SIDES = ("side", "environment", "env")
_NUMERIC = ("cpu-", "memory-", "resource-", "replicas", "hpa-", "targets", "pool", "data")
_ALIASES = {
    "stage": Environment.STAGING,
    "stg": Environment.STAGING,
    "prod": Environment.PRODUCTION,
    "prd": Environment.PRODUCTION,
    **{one.value: one for one in Environment},
}


class GivenError(Exception):
    """One sentence: what is wrong with a list of facts."""


def collect(path: Path, mask: Mask) -> tuple[Collected, Collected]:
    """Staging's facts and production's. Raises GivenError."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise GivenError(f"{path}: is larger than {MOST_BYTES} bytes")
        documents = read(path, path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise GivenError(f"{path}: cannot be read: {error.strerror}") from error
    except (FormatError, UnicodeDecodeError) as error:
        raise GivenError(f"{path}: {error}; write facts as JSON, YAML or TOML") from error
    sides = {side: Collected(side, offered=_all(), listed=True) for side in Environment}
    found = [fact for document in documents for fact in _facts(document, str(path), mask)]
    if not found:
        raise GivenError(
            f"{path}: holds no facts; write a list like "
            "[{kind: cpu-limit, place: pricing/app, staging: 500m, production: 2}]"
        )
    for fact in found:
        sides[fact.side].facts.append(fact)
    return sides[Environment.STAGING], sides[Environment.PRODUCTION]


def _all() -> set[Part]:
    """Whatever the kind of a fact, a list of both environments' facts offers it."""
    return {Part.GIVEN, *(kind.part for kind in BY_NAME.values())}


def _facts(document: Any, found: str, mask: Mask) -> Iterator[Fact]:
    if isinstance(document, list):
        for one in document:
            yield from _entry(one, found, mask)
        return
    if not isinstance(document, Mapping):
        raise GivenError(f"{found}: {as_text(document)[:60]} is no list of facts")
    sides = {key: _ALIASES.get(str(key).lower()) for key in document}
    if not any(sides.values()):
        for key in ("facts", "differences", "drift"):
            if key in document:
                yield from _facts(document[key], found, mask)
                return
        yield from _both(document, (), found, mask)
        return
    for key, side in sides.items():
        if side is not None:
            yield from _side(side, document[key], found, mask)


def _side(side: Environment, told: Any, found: str, mask: Mask) -> Iterator[Fact]:
    """Facts of one environment: a list of them, or settings by kind and place."""
    if isinstance(told, list):
        for one in told:
            yield _fact(side, one, _value(one, found), found, mask)
        return
    for keys, value in _leaves(told, ()):
        yield _made(side, _split(keys), value, found, mask)


def _entry(one: Any, found: str, mask: Mask) -> Iterator[Fact]:
    """One item of a list: a fact of a side that it names, or of both at once."""
    if not isinstance(one, Mapping):
        raise GivenError(f"{found}: {as_text(one)[:60]} is no fact; write kind, place and values")
    named = next((str(one[key]).lower() for key in _SIDES if key in one), "")
    if named in _ALIASES:
        yield _fact(_ALIASES[named], one, _value(one, found), found, mask)
        return
    sides = {key: side for key in one if (side := _ALIASES.get(str(key).lower()))}
    if not sides:
        raise GivenError(f"{found}: {dict(one)} says nothing of staging or production")
    for key, side in sides.items():
        if one[key] is not None:
            yield _fact(side, one, one[key], found, mask)


def _both(node: Mapping[Any, Any], keys: tuple[str, ...], found: str, mask: Mask) -> Iterator[Fact]:
    """`{cpu-limit: {pricing: {staging: 500m, production: 2}}}`."""
    for key, below in node.items():
        if not isinstance(below, Mapping):
            raise GivenError(f"{found}: {key} says nothing of staging or production")
        sides = {name: side for name in below if (side := _ALIASES.get(str(name).lower()))}
        here = (*keys, str(key))
        if not sides:
            yield from _both(below, here, found, mask)
        for name, side in sides.items():
            if below[name] is not None:
                yield _made(side, _split(here), below[name], found, mask)


def _fact(side: Environment, one: Any, value: Any, found: str, mask: Mask) -> Fact:
    if not isinstance(one, Mapping):
        raise GivenError(f"{found}: {as_text(one)[:60]} is no fact; write kind, place and value")
    kind = next((str(one[key]) for key in _KINDS if key in one), "given")
    taken = {*_KINDS, *_SIDES, *_VALUES, *_ALIASES, "number", "found", "reason", "note", "unit"}
    places = [str(one[key]) for key in _PLACES if key in one]
    places += [f"{k}={as_text(v)}" for k, v in one.items() if k not in {*taken, *_PLACES}]
    return _made(side, (kind, " ".join(places) or kind), value, found, mask)


def _made(side: Environment, what: tuple[str, str], value: Any, found: str, mask: Mask) -> Fact:
    kind, place = what
    text, _ = mask.value([kind, *place.replace(".", " ").split()], as_text(value))
    return Fact(
        kind, place, side, text, found, place.split("/")[0].split(" ")[0], _number(kind, value)
    )


def _number(kind: str, value: Any) -> float:
    if isinstance(value, bool):
        return math.nan
    if isinstance(value, int | float):
        return float(value)
    return quantity(value) if isinstance(value, str) and kind.startswith(_NUMERIC) else math.nan


def _value(one: Any, found: str) -> Any:
    if isinstance(one, Mapping):
        for key in _VALUES:
            if key in one:
                return one[key]
        return "present"
    raise GivenError(f"{found}: {as_text(one)[:60]} is no fact; write kind, place and value")


def _split(keys: tuple[str, ...]) -> tuple[str, str]:
    """Kind and place of a setting by its keys; a single key is the place."""
    return (keys[0], " ".join(keys[1:])) if len(keys) > 1 else ("given", " ".join(keys))


def _leaves(node: Any, keys: tuple[str, ...], left: list[int] | None = None) -> Iterator[Any]:
    left = [MOST_SETTINGS] if left is None else left
    left[0] -= 1
    if left[0] < 0:
        raise GivenError(f"holds more than {MOST_SETTINGS} facts")
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _leaves(value, (*keys, str(key)), left)
    else:
        yield keys, node
