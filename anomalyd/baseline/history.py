"""Production's past as a fit wants it, from the rows that are stored: pure, asks nobody."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomalyd.baseline.rows import Rows, RowStore, Stored
from anomalyd.model import LOAD_SIGNAL, Floats, Signal
from anomalyd.query import parse_labels
from anomalyd.signals.identity import Canonical


@dataclass(frozen=True, slots=True)
class Request:
    """One signal's rows: its values and, where known, the counts behind them."""

    signal: Signal
    value: Stored
    count: Stored | None = None


@dataclass(frozen=True, slots=True)
class SignalHistory:
    """keys: `signal{labels}`, canonical; values, counts: float32[S, T], NaN where not known.

    answered: bool[T], whether production was asked at that time and answered.
    """

    signal: Signal
    keys: list[str]
    values: NDArray[np.float32]
    counts: NDArray[np.float32]
    answered: NDArray[np.bool_]

    def at(self, times: NDArray[np.bool_]) -> SignalHistory:
        """The same at a choice of times: bool[T]."""
        return SignalHistory(
            self.signal,
            self.keys,
            self.values[:, times],
            self.counts[:, times],
            self.answered[times],
        )


@dataclass(frozen=True, slots=True)
class History:
    """times: float64[T]; load: float64[T], offered load per unit of capacity, NaN where unknown.

    meta: start, end, step, window, queries (signal → text), gaps (share of signal × time that was
    not answered), duplicates (series that had a canonical key in common with a larger one).
    """

    times: Floats
    load: Floats
    signals: dict[str, SignalHistory]
    meta: dict[str, Any] = field(default_factory=dict)


def load_history(
    store: RowStore,
    requests: Sequence[Request],
    start: float,
    end: float,
    canonical: Canonical,
    capacity: Stored | float = 1.0,
) -> History:
    """What is stored of [start, end), under canonical keys, load per unit of capacity.

    Times at which nothing was answered are left out. `canonical` is without a run label. All
    requests have one step and window. Raises ValueError where they have not or there are none.
    """
    steps = {(request.value.step, request.value.window) for request in requests}
    if len(steps) != 1:
        raise ValueError("a history needs requests of one step and one window")
    ((step, window),) = steps
    start, end = aligned(start, end, step)
    times: Floats = start + step * np.arange(max(0, round((end - start) / step)), dtype=np.float64)
    load = np.full(len(times), np.nan)
    signals: list[SignalHistory] = []
    duplicates: list[str] = []
    for request in requests:
        history = _signal_history(store, request, start, end, canonical, duplicates)
        if request.signal.name == LOAD_SIGNAL:
            load = _one(history.values) / _capacity(store, capacity, start, end)
        else:
            signals.append(history)
    answered = np.array([history.answered for history in signals], dtype=np.bool_)
    kept: NDArray[np.bool_] = np.zeros(len(times), dtype=np.bool_)
    for one in signals:
        kept |= one.answered
    meta = {
        "start": start,
        "end": end,
        "step": step,
        "window": window,
        "queries": {request.signal.name: request.value.query for request in requests},
        "gaps": float(1.0 - answered.mean()) if answered.size else 1.0,
        "duplicates": duplicates,
    }
    chosen = {one.signal.name: one if kept.all() else one.at(kept) for one in signals}
    return History(times[kept], load[kept], chosen, meta)


def _signal_history(
    store: RowStore,
    request: Request,
    start: float,
    end: float,
    canonical: Canonical,
    duplicates: list[str],
) -> SignalHistory:
    rows = store.read(request.value, start, end)
    counted = store.read(request.count, start, end) if request.count else None
    counts = _joined(rows, counted)
    places: dict[str, list[int]] = {}
    for place, raw in enumerate(rows.keys):
        labels = parse_labels(raw.encode())
        if request.value.origin != "scrape":
            labels = canonical.of(request.signal, labels)
        places.setdefault(f"{request.signal.name}{labels}", []).append(place)
    keys = sorted(places)
    values = np.full((len(keys), len(rows.times)), np.nan, dtype=np.float32)
    events = np.full_like(values, np.nan)
    for row, key in enumerate(keys):
        weight = np.nan_to_num(counts[places[key]]).sum(axis=1)
        for rank in np.lexsort((np.array([rows.keys[p] for p in places[key]]), -weight)):
            place = places[key][rank]
            fresh = np.isfinite(rows.values[place])
            if (fresh & np.isfinite(values[row])).any():
                duplicates.append(f"{key} also as {rows.keys[place]}")
            fresh &= np.isnan(values[row])
            values[row, fresh] = rows.values[place, fresh]
            events[row, fresh] = counts[place, fresh]
    return SignalHistory(request.signal, keys, values, events, rows.answered)


def _joined(rows: Rows, counted: Rows | None) -> NDArray[np.float32]:
    """Counts in the order of the values' series; NaN where not known."""
    counts = np.full_like(rows.values, np.nan)
    if counted is not None:
        places = {key: place for place, key in enumerate(counted.keys)}
        for row, key in enumerate(rows.keys):
            if key in places:
                counts[row] = counted.values[places[key]]
    return counts


def _one(values: NDArray[np.float32]) -> Floats:
    """The only series there should be; where there are several, their sum."""
    total: Floats = np.nansum(values.astype(np.float64), axis=0)
    total[~np.isfinite(values).any(axis=0)] = np.nan
    return total


def _capacity(
    store: RowStore, capacity: Stored | float, start: float, end: float
) -> Floats | float:
    if not isinstance(capacity, Stored):
        return capacity
    found = _one(store.read(capacity, start, end).values)
    return np.where(found > 0, found, np.nan)


def aligned(start: float, end: float, step: float) -> tuple[float, float]:
    """Multiples of the step, inside [start, end]."""
    return math.ceil(start / step - 1e-9) * step, math.floor(end / step + 1e-9) * step
