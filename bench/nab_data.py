"""Labelled streams on disk, and copies of them that differ but have the same anomalies."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anomalyd.commands import score as command
from bench.nab_score import Floats, Labels


@dataclass(frozen=True)
class File:
    """One labelled stream: float64[n] unix seconds and values; windows from and to a time."""

    name: str
    times: Floats
    values: Floats
    spans: tuple[tuple[float, float], ...]

    @property
    def labels(self) -> Labels:
        """The windows in rows; one without any row is left out."""
        inside = (np.flatnonzero((self.times >= a) & (self.times <= b)) for a, b in self.spans)
        windows = sorted((int(rows[0]), int(rows[-1])) for rows in inside if len(rows))
        return Labels(len(self.times), tuple(windows))


def load(folder: Path) -> list[File]:
    """Every `data/<group>/<file>.csv` with its windows of `windows.json`, in order of name."""
    windows = json.loads((folder / "windows.json").read_text(encoding="utf-8"))
    paths = sorted((folder / "data").glob("*/*.csv"))
    return [_file(path, windows[f"{path.parent.name}/{path.name}"]) for path in paths]


def _file(path: Path, windows: Sequence[Sequence[str]]) -> File:
    with path.open(encoding="utf-8", newline="") as lines:
        rows = list(command.read(lines, str(path)))
    spans = tuple((command.moment(a), command.moment(b)) for a, b in windows)
    times, values = (np.array([getattr(row, key) for row in rows]) for key in ("time", "value"))
    return File(f"{path.parent.name}/{path.name}", times, values, spans)


def thinned(file: File) -> File:
    """Every second row."""
    return File(file.name, file.times[1::2], file.values[1::2], file.spans)


def paired(file: File) -> File:
    """The mean of every two rows, at the time of the second."""
    values = file.values[: len(file.values) // 2 * 2].reshape(-1, 2).mean(axis=1)
    return File(file.name, file.times[1::2], values, file.spans)


def logarithm(file: File) -> File:
    """The log of the value, begun a fifth of the typical size above the least of them."""
    known = file.values[np.isfinite(file.values)]
    start = min(known.min(), 0.0) - 0.2 * np.median(np.abs(known)) - 1e-3
    return File(file.name, file.times, np.log(file.values - start), file.spans)


COPIES = {"every second row": thinned, "pairs averaged": paired, "logarithm": logarithm}
"""A detector that was fitted to the streams as they are does worse on these."""
