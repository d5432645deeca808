"""How much capacity staging has for each unit of production's, read off its cpu."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from anomalyd.baseline.curves import row_medians
from anomalyd.baseline.lines import GoesOn
from anomalyd.baseline.lookup import Lookup
from anomalyd.baseline.noise import MAD
from anomalyd.detectors.base import Mask
from anomalyd.model import Floats, Rows
from anomalyd.replay.infer import Columns
from anomalyd.replay.windows import Windows

USE_OF_CPU = re.compile(r"cpu")

GRID = np.linspace(np.log(0.05), np.log(8.0), 180)
"""Log ratios that are tried."""

LEAST_WINDOWS, MOST_WINDOWS = 4, 60

UNLIKELY = 0.5
"""Prior sd of the log ratio: where cpu hardly moves with load, all ratios fit alike."""

SETTLED, SETTLED_SECONDS = 0.15, 75.0
"""Log load that has moved by less than this for so long is no ramp, in which rates lag."""

OFFSET, MOST_OFFSET = 0.15, 2.5
"""Prior sd of a service's own constant difference, in log cpu; beyond so many sds it is at fault
and tells nothing."""

NOISE, LASTING = 0.06, 60
"""Sd of log cpu within a run, and for how many windows a deviation lasts: what bends the
curve otherwise than production's stays."""


def capacity_ratio(lookup: Lookup, columns: Columns, runs: Sequence[Windows]) -> float:
    """The ratio κ at which staging's cpu at load L looks most like production's at L / κ.

    Likeliest, with a constant difference for each service, so that both the level of cpu and how
    it goes with load count, and one service with a fault of its own does not. 1.0 where
    no recording shows a share of cpu.
    """
    at = [
        i for i, one in enumerate(columns.series) if USE_OF_CPU.search(one.signal) and not one.total
    ]
    rows = lookup.match([columns.series[i].key for i in at])
    at, rows = [i for i, row in zip(at, rows, strict=True) if row >= 0], rows[rows >= 0]
    if not at or not lookup.conditioned:
        return 1.0
    loads = np.concatenate([run.load for run in runs])
    times = np.concatenate([run.ends for run in runs])
    values = np.concatenate([run.values[:, at] for run in runs])
    held = np.concatenate([_held(run) for run in runs])
    there = (loads > 0) & np.isfinite(values).any(axis=1)
    known = np.flatnonzero(there & held if (there & held).sum() >= LEAST_WINDOWS else there)
    known = known[:: max(1, len(known) // MOST_WINDOWS)]
    if not known.size:
        return 1.0
    seen = np.stack([lookup.transform(values[t], rows) for t in known])
    cost = [
        _cost(lookup, loads[known] / np.exp(log), times[known], seen, rows)
        + (log / UNLIKELY) ** 2 / 2
        for log in GRID
    ]
    return float(np.exp(GRID[int(np.argmin(cost))]))


def _held(run: Windows) -> Mask:
    """bool[w]: windows up to which the load has not moved much for `SETTLED_SECONDS`."""
    load = np.log(np.where(run.load > 0, run.load, np.nan))
    length = max(2, round(SETTLED_SECONDS / run.width))
    if len(load) < length:
        return np.isfinite(load)
    moved = np.ptp(np.lib.stride_tricks.sliding_window_view(load, length), axis=1)
    return np.concatenate([np.zeros(length - 1, dtype=bool), moved < SETTLED])


def _cost(lookup: Lookup, loads: Floats, times: Floats, seen: Floats, rows: Rows) -> float:
    """Minus the log likelihood of `seen`, float64[t, services], at these loads per capacity: a
    constant difference for each service, and what is left, by medians."""
    at = zip(loads.tolist(), times.tolist(), strict=True)
    line = [GoesOn.ALONG_A_LINE] * len(rows)
    expected = np.stack([lookup.at(load, rows, time, line).location for load, time in at])
    away = (seen - expected).T
    offset = row_medians(away)
    within = row_medians(np.abs(away - offset[:, np.newaxis])) * MAD
    constant = np.minimum((offset / OFFSET) ** 2, MOST_OFFSET**2)
    lasting = np.isfinite(away).sum(axis=1) / LASTING * (within / NOISE) ** 2
    return float(np.nansum(constant + lasting) / 2)
