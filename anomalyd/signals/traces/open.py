"""Spans whose traces may not be complete yet: a bounded store, columns in order of arrival."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from anomalyd.model import Floats, Rows
from anomalyd.spans import Flags, Ids, Nanoseconds

_MIX_HIGH, _MIX_LOW = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
"""Odd constants of 64-bit multiplicative hashing (golden ratio; xxHash's second prime)."""

_PLACES = 2**19


@dataclass(frozen=True, slots=True)
class Columns:
    """Spans under way, [n] each. trace: a hash of the trace id. start, duration: ns. service and
    node: numbers of `Services`; node -1 where what is called is not named. series: of
    `Operations` for what serves a request, else -1. arrived: unix seconds. told: its call is
    counted. parked: looked at before, kept because the request it belongs to has not ended."""

    trace: Ids
    span: Ids
    parent: Ids
    start: Nanoseconds
    duration: Nanoseconds
    kind: NDArray[np.uint8]
    failed: Flags
    weight: Floats
    service: NDArray[np.int32]
    series: NDArray[np.int32]
    node: NDArray[np.int32]
    arrived: Floats
    told: Flags
    parked: Flags

    def __len__(self) -> int:
        return len(self.span)

    def take(self, which: Rows) -> Columns:
        return Columns(*(getattr(self, name).take(which) for name in _NAMES))

    @staticmethod
    def together(parts: Sequence[Columns]) -> Columns:
        if len(parts) == 1:
            return parts[0]
        return Columns(*(np.concatenate([getattr(p, name) for p in parts]) for name in _NAMES))


_NAMES = tuple(field.name for field in fields(Columns))

_TYPES = ("u8", "u8", "u8", "i8", "i8", "u1", "?", "f8", "i4", "i4", "i4", "f8", "?", "?")

_TOGETHER = 2**14
"""Spans that are joined at once: their columns stay in the processor's cache."""


def trace_hash(trace: Ids) -> Ids:
    """uint64[n] of uint64[n, 2]."""
    mixed = trace[:, 0] * _MIX_HIGH
    mixed += trace[:, 1]
    mixed *= _MIX_LOW
    return mixed ^ (mixed >> np.uint64(29))


def _none() -> Columns:
    """No spans, of the types that spans have."""
    return Columns(*(np.zeros(0, dtype=kind) for kind in _TYPES))


class OpenSpans:
    """Spans wait until nothing more came of their trace for `hold` seconds, or they are `patience`
    seconds old. When a trace was last heard of is kept per hash of its id: two that share one
    wait for each other.
    """

    def __init__(self, hold: float, patience: float) -> None:
        """`hold`, `patience` in seconds."""
        self._hold, self._patience = hold, patience
        self._parts: list[Columns] = []
        self._heard: Floats = np.full(_PLACES, -np.inf)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, spans: Columns, now: float) -> None:
        self._parts.append(spans)
        self._count += len(spans)
        self._heard[_place(spans.trace)] = now

    def due(self, now: float) -> Iterator[Columns]:
        """Take out what is due at `now`, traces whole and some thousand spans at once; math.inf
        takes everything.

        Parked spans come along when their trace is due anew, or are too old: those are to be
        dropped by the caller, which may give others back with `park`.
        """
        held, which = self._due(now)
        parts = min(len(which) // _TOGETHER, 255) + 1
        if parts == 1:
            yield held.take(which)
            return
        # A trace's part is told by the middle of its hash: both ends serve elsewhere.
        middle = (held.trace[which] >> np.uint64(20)) & np.uint64(0xFFFF)
        part = (middle * np.uint64(parts) >> np.uint64(16)).astype(np.uint8)
        which = which[np.argsort(part, kind="stable")]
        for some in np.split(which, np.cumsum(np.bincount(part, minlength=parts))[:-1]):
            yield held.take(some)

    def _due(self, now: float) -> tuple[Columns, Rows]:
        """Spans that have waited, and which of them are due; the others are kept."""
        old = [part for part in self._parts if part.arrived[0] <= now - self._hold]
        if not old:
            return _none(), np.zeros(0, dtype=np.intp)
        self._parts = [part for part in self._parts if part.arrived[0] > now - self._hold]
        held = Columns.together(old)
        place = _place(held.trace)
        waiting = held.arrived > now - self._patience
        due = ((self._heard[place] <= now - self._hold) | ~waiting) & ~held.parked
        if held.parked.any():
            stirred = np.zeros(_PLACES, dtype=bool)
            stirred[place[due]] = True
            due |= held.parked & (stirred[place] | ~waiting)
        self._count -= int(np.count_nonzero(due))
        if not due.all():
            self._parts.insert(0, held.take(np.flatnonzero(~due)))
        return held, np.flatnonzero(due)

    def park(self, spans: Columns) -> None:
        """Give back spans that were due but whose request has not ended."""
        if len(spans):
            spans.parked[:] = True
            self._parts.insert(0, spans)
            self._count += len(spans)


def _place(trace: Ids) -> Rows:
    return (trace & np.uint64(_PLACES - 1)).astype(np.intp)
