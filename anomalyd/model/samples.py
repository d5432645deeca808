"""What sources hand over, and what signals hand on: arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Samples:
    """What a scrape hands over: many per row, any order.

    rows: intp[n] into a raw series table; timestamps: float64[n], unix seconds; values: float64[n].
    """

    rows: Rows
    timestamps: Floats
    values: Floats


@dataclass(frozen=True, slots=True)
class Batch:
    """What `signals` hands on: one tick, unique rows of the signal table, one value each.

    time: the tick, aligned to `step`, unix seconds. values: float64[n] over (time - window, time].
    counts: float64[n], events behind each value (requests), NaN where not known.
    answered: names of the signals that were evaluated; a signal whose query failed is not among
    them, so that a telemetry failure is not taken for an absent series.
    duplicates: (row, what was left out) where several series claimed one row.
    """

    time: float
    rows: Rows
    values: Floats
    counts: Floats
    answered: frozenset[str]
    duplicates: tuple[tuple[int, str], ...] = ()

    def __post_init__(self) -> None:
        ascending = bool((self.rows[1:] > self.rows[:-1]).all())
        if not ascending and len(np.unique(self.rows)) != len(self.rows):
            raise ValueError("rows of a Batch must be unique")
