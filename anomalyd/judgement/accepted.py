"""What runs that were accepted as good teach about staging: a `Transfer` for the runs to come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from anomalyd.baseline import noise as scatter
from anomalyd.baseline.curves import row_medians
from anomalyd.baseline.persistence import persistence
from anomalyd.baseline.rates import burstiness, dispersion, upper_rate
from anomalyd.baseline.transfer import OFFSET, SLOPE, Transfer
from anomalyd.detectors.base import Context
from anomalyd.judgement.context import Reference
from anomalyd.judgement.noise import noise_of
from anomalyd.judgement.record import Record
from anomalyd.model import Floats, Kind, Rows

LEAST_WINDOWS = 8
"""Of a run, in which a series must have been seen to count."""

BETWEEN: Mapping[Kind, float] = {kind: 0.25 * sd for kind, sd in OFFSET.items()}
"""What runs of one staging are taken to differ by before any was seen."""

OF_BEFORE, OF_KIND = 2.0, 6.0
"""Degrees of freedom that `BETWEEN`, and the kind's common sd, count for."""

WIDEN = 1.2
"""Sds estimated from few runs are too small as often as too large: cautious."""

MOVED = 0.2
"""Log load away from the run's own by less, or by less than three sds of its jitter, is as likely
noise of the load as a load that differs, and would pull every slope towards that of the noise."""

LEAST_SLOPE_SD = 0.02


@dataclass(frozen=True, slots=True)
class _Runs:
    """residual, load, variance: float64[n, t] of all runs laid end to end, a column of NaN between
    any two; of: intp[t], the run of each column, -1 between. variance: of an innovation, as
    production has it."""

    residual: Floats
    load: Floats
    noise: Floats
    sampling: Floats
    bad: Floats
    total: Floats
    of: Rows


def learn(reference: Reference, records: Sequence[Record], window: float) -> Transfer | None:
    """The transfer that `records` of accepted runs show, None if they show nothing.

    Per series: each run's offset is the median of its residuals less the common slope; their mean
    is what is expected of the next run, and the sd between runs, shrunk towards that of the kind,
    is what the next run may differ by. Scale and autocorrelation of the noise are those of the
    runs' own windows.
    """
    rows = np.flatnonzero(reference.partner >= 0)
    parts = [_contexts(reference, record, rows, window) for record in records]
    parts = [contexts for contexts in parts if len(contexts) >= LEAST_WINDOWS]
    if not parts or not rows.size:
        return None
    runs = _joined(parts, len(rows))
    centre = float(np.median(runs.load[0][runs.of >= 0]))
    x = runs.load - centre
    slope, slope_sd = _slopes(runs, x)
    level = runs.residual - slope[:, np.newaxis] * x
    offsets = _offsets(level, runs.of, len(parts))
    of_rows = reference.kinds
    kinds = [of_rows[row] for row in rows]
    mean, offset = _between(offsets, kinds, reference.sizes(rows))
    noise = noise_of(parts, mean, slope, centre, kinds)
    burst = burstiness(runs.bad, runs.total)
    learned = {
        "mean": mean + reference.assumed(rows),
        "slope": slope,
        "offset": offset,
        "slope_sd": slope_sd,
        "noise": noise.scale,
        "phi": noise.phi,
        "wander": noise.wander,
        "sure": noise.windows,
        "bad_ratio": _bad_ratio(runs),
        "burst": np.where(np.isfinite(runs.total).any(axis=1), burst, np.nan),
    }
    partner, n = reference.partner[rows], reference.series
    spread = {name: np.full(n, np.nan) for name in learned}
    for name, values in learned.items():
        spread[name][partner] = values
    most = max(
        load
        for record in records
        for load, judged in zip(record.loads, record.judged, strict=True)
        if judged
    )
    return Transfer(runs=len(parts), centre=centre, most_load=most, **spread)


def _contexts(reference: Reference, record: Record, rows: Rows, window: float) -> list[Context]:
    judged = [t for t, judged in enumerate(record.judged) if judged]
    values, counts = record.matrix(rows), record.matrix(rows, counts=True)
    answered = np.ones(len(rows), dtype=bool)
    loads = [reference.loads_of(record.loads[: t + 1], window, rows) for t in judged]
    return [
        reference.context(
            record.times[t],
            window,
            values[t],
            counts[t],
            loads[i],
            reference.bands(loads[i], rows, record.times[t]),
            answered,
            rows,
        )
        for i, t in enumerate(judged)
    ]


def _joined(parts: Sequence[Sequence[Context]], n: int) -> _Runs:
    nothing = np.full((n, 1), np.nan)

    def laid(name: str) -> Floats:
        columns: list[Floats] = []
        for part in parts:
            columns += [np.stack([getattr(c, name) for c in part], axis=1), nothing]
        return np.concatenate(columns, axis=1)

    of = [np.append(np.full(len(part), i), -1) for i, part in enumerate(parts)]
    return _Runs(
        laid("residual"), laid("load"), laid("noise"), laid("sampling"), laid("bad"),
        laid("total"), np.concatenate(of).astype(np.intp),
    )  # fmt: skip


def _slopes(runs: _Runs, x: Floats) -> tuple[Floats, Floats]:
    """Slope of the residual in load common to all runs, shrunk towards 0, and its sd."""
    y, away = runs.residual.copy(), x.copy()
    for run in range(int(runs.of.max()) + 1):
        at = runs.of == run
        y[:, at] -= row_medians(y[:, at])[:, np.newaxis]
        away[:, at] -= np.mean(x[:, at], axis=1, keepdims=True)
    sd = np.maximum(scatter.spread(y), 1e-9)[:, np.newaxis]
    y = np.clip(y, -3 * sd, 3 * sd)
    jitter = scatter.spread(np.diff(x, axis=1)) / np.sqrt(2)
    moved = np.maximum(MOVED, 3 * jitter)[:, np.newaxis]
    known = np.isfinite(y) & (np.abs(away) > moved)
    away = np.where(known, away, 0.0)
    inflation = (1 + _phi_of(y)) / (1 - _phi_of(y))
    variance = sd[:, 0] ** 2 * inflation
    square = (away**2).sum(axis=1)
    precision = square / variance + 1 / SLOPE**2
    slope = (away * np.where(known, y, 0.0)).sum(axis=1) / variance / precision
    return slope, np.maximum(np.sqrt(1 / precision), LEAST_SLOPE_SD)


def _phi_of(y: Floats) -> Floats:
    return persistence(y, 1, 1.0, np.zeros(len(y)), 1).phi


def _offsets(level: Floats, of: Rows, runs: int) -> Floats:
    """float64[n, runs], NaN for runs that hardly showed the series."""
    offsets = np.full((len(level), runs), np.nan)
    for run in range(runs):
        part = level[:, of == run]
        enough = np.isfinite(part).sum(axis=1) >= LEAST_WINDOWS
        offsets[enough, run] = row_medians(part[enough])
    return offsets


def _between(offsets: Floats, kinds: Sequence[Kind], sizes: Floats) -> tuple[Floats, Floats]:
    """(mean of the next run, its sd) per series: float64[n] each, NaN without any run. sizes:
    float64[n], what 100% is in the residual's scale."""
    known = np.isfinite(offsets)
    seen = known.sum(axis=1)
    mean = np.where(seen > 0, np.nansum(offsets, axis=1) / np.maximum(seen, 1), np.nan)
    free = np.maximum(seen - 1, 0)
    square = np.where(known, ((offsets - mean[:, np.newaxis]) / sizes[:, np.newaxis]) ** 2, 0.0)
    square = square.sum(axis=1)
    variance = np.full(len(offsets), np.nan)
    for kind in set(kinds):
        at = np.array([k is kind for k in kinds])
        before = BETWEEN[kind] ** 2
        common = (square[at].sum() + OF_BEFORE * before) / (free[at].sum() + OF_BEFORE)
        variance[at] = (square[at] + OF_KIND * common) / (free[at] + OF_KIND)
    more = 1 + 1 / np.maximum(seen, 1)
    return mean, np.where(seen > 0, WIDEN * sizes * np.sqrt(variance * more), np.nan)


def _bad_ratio(runs: _Runs) -> Floats:
    total = np.where(np.isfinite(runs.total), runs.total, 0.0)
    bad = np.where(np.isfinite(runs.bad), runs.bad, 0.0)
    events = total.sum(axis=1)
    rate = np.where(events > 0, bad.sum(axis=1) / np.maximum(events, 1), np.nan)
    return np.where(events > 0, upper_rate(rate, events / dispersion(bad, total)), np.nan)
