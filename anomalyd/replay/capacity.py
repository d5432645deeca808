"""How much capacity staging has for each unit of production's, read off its cpu."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from anomalyd.baseline.lookup import Lookup
from anomalyd.model import Floats
from anomalyd.replay.infer import Columns
from anomalyd.replay.windows import Windows

USE_OF_CPU = re.compile(r"cpu")

GRID = np.linspace(np.log(0.05), np.log(8.0), 180)
"""Log ratios that are tried."""

MOST_WINDOWS = 60

UNLIKELY = 0.02
"""Misfit that a ratio e-fold away from 1 must make up for: where cpu hardly moves with load, all
ratios fit alike."""


def capacity_ratio(lookup: Lookup, columns: Columns, runs: Sequence[Windows]) -> float:
    """The ratio κ at which staging's cpu at load L looks most like production's at L / κ.

    The least median absolute deviation over windows and services, so that one service with a
    fault of its own does not move it. 1.0 where no recording shows a share of cpu.
    """
    at = [
        i for i, one in enumerate(columns.series) if USE_OF_CPU.search(one.signal) and not one.total
    ]
    rows = lookup.match([columns.series[i].key for i in at])
    at, rows = [i for i, row in zip(at, rows, strict=True) if row >= 0], rows[rows >= 0]
    if not at or not lookup.conditioned:
        return 1.0
    loads = np.concatenate([run.load for run in runs])
    values = np.concatenate([run.values[:, at] for run in runs])
    known = np.flatnonzero((loads > 0) & np.isfinite(values).any(axis=1))
    known = known[:: max(1, len(known) // MOST_WINDOWS)]
    if not known.size:
        return 1.0
    seen = np.stack([lookup.transform(values[t], rows) for t in known])
    misfit = [_misfit(lookup, loads[known] / np.exp(log), seen, rows) for log in GRID]
    cost = np.array(misfit) + UNLIKELY * GRID**2
    return float(np.exp(GRID[int(np.argmin(cost))]))


def _misfit(lookup: Lookup, loads: Floats, seen: Floats, rows: Floats) -> float:
    expected = np.stack([lookup.at(float(load), rows).location for load in loads])
    return float(np.nanmedian(np.abs(seen - expected)))
