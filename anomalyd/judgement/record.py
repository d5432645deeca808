"""What a run looked like, window by window: the ground of its findings, plots and replays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

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

    @property
    def judged_loads(self) -> list[float]:
        return [load for load, there in zip(self.loads, self.judged, strict=True) if there]

    def dump(self) -> dict[str, NDArray[np.generic]]:
        """Arrays for a file: ragged columns are laid end to end, `known` tells their lengths."""
        return {
            "times": np.array(self.times),
            "loads": np.array(self.loads),
            "judged": np.array(self.judged, dtype=bool),
            "known": np.array([len(column) for column in self.values], dtype=np.int64),
            "values": np.concatenate([*self.values, np.zeros(0, np.float32)]),
            "counts": np.concatenate([*self.counts, np.zeros(0, np.float32)]),
        }

    @classmethod
    def load(cls, arrays: Mapping[str, NDArray[Any]]) -> Record:
        ends = np.cumsum(arrays["known"])[:-1]
        empty = not len(arrays["known"])
        return cls(
            times=arrays["times"].tolist(),
            loads=arrays["loads"].tolist(),
            judged=arrays["judged"].tolist(),
            values=[] if empty else list(np.split(arrays["values"], ends)),
            counts=[] if empty else list(np.split(arrays["counts"], ends)),
        )

    def only(self, kept: Rows) -> Record:
        """The same windows with only those rows, which are ascending, as rows 0, 1, …"""
        self.values = [column[kept[kept < len(column)]] for column in self.values]
        self.counts = [column[kept[kept < len(column)]] for column in self.counts]
        return self

    def matrix(self, rows: Rows, *, counts: bool = False) -> Floats:
        """float64[windows, len(rows)] of values (or counts), NaN where absent."""
        columns = self.counts if counts else self.values
        out = np.full((len(columns), len(rows)), np.nan)
        for at, column in enumerate(columns):
            known = rows < len(column)
            out[at, known] = column[rows[known]]
        return out
