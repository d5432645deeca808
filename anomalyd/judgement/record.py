"""What a run looked like, window by window: the ground of its findings, plots and replays."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from anomalyd.model import Floats, Rows


@dataclass(slots=True)
class Record:
    """One run's windows, in order; NaN load: not known. values, counts: float32[rows then known]
    each, later rows absent. judged: whether evidence advanced there."""

    times: list[float] = field(default_factory=list)
    loads: list[float] = field(default_factory=list)
    judged: list[bool] = field(default_factory=list)
    values: list[NDArray[np.float32]] = field(default_factory=list)
    counts: list[NDArray[np.float32]] = field(default_factory=list)

    def add(self, time: float, load: float, values: Floats, counts: Floats) -> None:
        self.times.append(time)
        self.loads.append(load)
        self.values.append(values.astype(np.float32))
        self.counts.append(counts.astype(np.float32))

    def matrix(self, rows: Rows, *, counts: bool = False) -> Floats:
        """float64[windows, len(rows)] of values (or counts), NaN where absent."""
        columns = self.counts if counts else self.values
        out = np.full((len(columns), len(rows)), np.nan)
        for at, column in enumerate(columns):
            known = rows < len(column)
            out[at, known] = column[rows[known]]
        return out
