"""Attributes as they are read: of a resource all scalars, of a span those that name what it does.

Semantic conventions: OpenTelemetry 1.x, and their older names that SDKs still send.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from anomalyd.model import Labels
from anomalyd.protobuf import DecodeError
from anomalyd.sources.otlp.messages import KeyValue, Resource

ROUTES: Final = ("http.route", "rpc.method")
PEERS: Final = (
    "peer.service",
    "service.peer.name",
    "db.system.name",
    "db.system",
    "messaging.system",
)
"""The first that is there wins."""

SLOTS: Final[Mapping[str, int]] = {key: slot for slot, key in enumerate((*ROUTES, *PEERS))}
OPERATION_SLOTS: Final = len(ROUTES)
VALUE_BYTES: Final = 1024
"""A resource's attribute that is longer is left out; a span's makes the span too long."""

_REMEMBERED, _REMEMBERED_BYTES = 16_384, 512
_METHODS = frozenset(
    ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"]
)
_NO_LABEL = re.compile(r"[^a-zA-Z0-9_]")

_SPREAD, _16_BITS = np.uint64(0x9E3779B97F4A7C15), np.uint64(48)
"""Multiplicative hashing (Knuth, TAOCP 3, 6.4)."""
_BEGUN = np.zeros(1 << 16, dtype=bool)
"""By hash, how the keys of SLOTS begin, of which each has eight bytes and more."""
_BEGUN[np.frombuffer(b"".join(key.encode()[:8] for key in SLOTS), "<u8") * _SPREAD >> _16_BITS] = (
    True
)

Fact = tuple[int, str] | None
"""(slot, text) of an attribute that names what a span does; None of any other."""


def may_be_asked_for(begun: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Whether a key may be one of SLOTS, by its first eight bytes."""
    return _BEGUN.take((begun * _SPREAD >> _16_BITS).view(np.int64))


class KnownFacts:
    """What attributes say, by their bytes: known ones cost one lookup."""

    def __init__(self) -> None:
        self._known: dict[bytes, Fact] = {}

    def of(self, raw: bytes) -> Fact:
        """Of a serialised KeyValue. One that is none says nothing."""
        try:
            return self._known[raw]
        except KeyError:
            fact = _fact(raw)
        if len(raw) <= _REMEMBERED_BYTES:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[raw] = fact
        return fact


def _fact(raw: bytes) -> Fact:
    try:
        pair = KeyValue.FromString(raw)
    except DecodeError:
        return None
    slot = SLOTS.get(pair.key.decode(errors="replace"))
    text = scalar(pair.value) if slot is not None else ""
    return (slot, text) if slot is not None and text else None


def scalar(value: Any) -> str:
    """An AnyValue as a label has it; '' of an array, a map, bytes or nothing."""
    for kind, write in _WRITTEN.items():
        if value.HasField(kind):
            return write(getattr(value, kind))
    return ""


def written_bool(value: bool) -> str:
    return "true" if value else "false"


_WRITTEN: dict[str, Callable[[Any], str]] = {
    "string_value": lambda text: text.decode(errors="replace"),
    "int_value": str,
    "bool_value": written_bool,
    "double_value": repr,
}


def resource_labels(raw: bytes) -> Labels:
    """Of a serialised Resource. Raises DecodeError."""
    found = Resource.FromString(raw)
    return labels((p.key.decode(errors="replace"), scalar(p.value)) for p in found.attributes)


def pair(raw: bytes) -> tuple[str, str]:
    """(key, value as a label has it) of a serialised KeyValue. Raises DecodeError."""
    found = KeyValue.FromString(raw)
    return found.key.decode(errors="replace"), scalar(found.value)


def labels(pairs: Any) -> Labels:
    """Attributes as labels: what no label name may hold becomes an underscore."""
    named = {
        _NO_LABEL.sub("_", key): value for key, value in pairs if key and len(value) <= VALUE_BYTES
    }
    return Labels.of(named)


def operation(name: str, text: str) -> str:
    """What a span does, by its name and its route or RPC method.

    Names made by the conventions hold both the method and the route; of others the method is kept.
    """
    if text in name:
        return name
    method = next((word for word in name.split(" ", 2)[:2] if word in _METHODS), "")
    return f"{method} {text}" if method and text.startswith("/") else text
