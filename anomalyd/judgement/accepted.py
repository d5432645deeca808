"""What runs that were accepted as good teach about staging: a `Transfer` for the runs to come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from anomalyd.baseline import noise as scatter
from anomalyd.baseline.curves import row_medians, sorted_quantiles
from anomalyd.baseline.persistence import persistence
from anomalyd.baseline.rates import burstiness, dispersion, upper_rate
from anomalyd.baseline.scales import NOISE_FLOOR
from anomalyd.baseline.transfer import SHIFT, SLOPE, Transfer
from anomalyd.detectors.base import Context
from anomalyd.judgement import between
from anomalyd.judgement.context import Reference
from anomalyd.judgement.noise import bounded, noise_of
from anomalyd.judgement.record import Record
from anomalyd.model import Floats, Kind, Rows

LEAST_WINDOWS = 8
"""Of a run, in which a series must have been seen to count."""

MOVED = 0.2
"""Log load away from the run's own by less, or by less than three sds of its jitter, is as likely
noise of the load as a load that differs, and would pull every slope towards that of the noise."""

LEAST_SLOPE_SD = 0.02

ABSURD = 4.0
"""Times as many bad requests as chance would make of the usual ratio, in one window."""


@dataclass(frozen=True, slots=True)
class Line:
    """How residuals go with load in all runs alike, float64[n] each: slope in log load, shift per
    unit of steepness, their sds about these, and the covariance of both."""

    slope: Floats
    shift: Floats
    slope_sd: Floats
    shift_sd: Floats
    both: Floats

    def at(self, load: Floats, steepness: Floats) -> Floats:
        """float64[n] or float64[n, t] as `load` is."""
        more = (slice(None),) + (np.newaxis,) * (load.ndim - 1)
        return self.slope[more] * load + self.shift[more] * steepness


@dataclass(frozen=True, slots=True)
class _Runs:
    """float64[n, t] of all runs laid end to end, a column of NaN between any two, as in `Context`;
    of: intp[t], the run of each column, -1 between."""

    residual: Floats
    load: Floats
    steepness: Floats
    noise: Floats
    sampling: Floats
    bad: Floats
    total: Floats
    of: Rows


@dataclass(frozen=True, slots=True)
class Levels:
    """What runs laid side by side show of `rows` (intp[n], those with a partner).

    centre: float64[n], the load that they are laid about; level: float64[n, t], residuals less the
    common line; offsets: float64[n, runs], of each run. sizes: float64[n], what 100% is in the
    residual's scale.
    """

    rows: Rows
    kinds: Sequence[Kind]
    sizes: Floats
    parts: Sequence[Sequence[Context]]
    runs: _Runs
    centre: Floats
    steepness: Floats
    line: Line
    level: Floats
    offsets: Floats


def levels(reference: Reference, records: Sequence[Record], window: float) -> Levels | None:
    """Of the records that were judged for long enough, None where they show nothing."""
    rows = np.flatnonzero(reference.partner >= 0)
    parts = [_contexts(reference, record, rows, window) for record in records]
    parts = [contexts for contexts in parts if len(contexts) >= LEAST_WINDOWS]
    if not parts or not rows.size:
        return None
    runs = _joined(parts, len(rows))
    loads = _loads(records)
    usual = float(np.median(loads)) if loads else 1.0
    centre = reference.position(usual, rows)
    steepness = row_medians(runs.steepness)
    runs = replace(runs, steepness=runs.steepness - steepness[:, np.newaxis])
    x = runs.load - centre[:, np.newaxis]
    sizes = reference.sizes(rows)
    line = _line(runs, x, sizes)
    level = runs.residual - line.at(x, runs.steepness)
    offsets = _offsets(level, runs.of, len(parts))
    of_rows = reference.kinds
    kinds = [of_rows[row] for row in rows]
    return Levels(rows, kinds, sizes, parts, runs, centre, steepness, line, level, offsets)


def learn(reference: Reference, records: Sequence[Record], window: float) -> Transfer | None:
    """The transfer that `records` of accepted runs show, None if they show nothing.

    Per series: each run's offset is the median of its residuals less the common slope; their mean
    is what is expected of the next run, and the sd between runs, shrunk towards that of the kind,
    is what the next run may differ by. Scale and autocorrelation of the noise are those of the
    runs' own windows.
    """
    known = levels(reference, records, window)
    if known is None:
        return None
    rows, kinds, sizes, parts = known.rows, known.kinds, known.sizes, known.parts
    runs, line, level, offsets = known.runs, known.line, known.level, known.offsets
    centre, steepness = known.centre, known.steepness
    mean, offset = between.next_run(offsets, kinds, sizes)

    def expected(context: Context) -> Floats:
        return mean + line.at(context.load - centre, context.steepness - steepness)

    noise = bounded(noise_of(parts, expected, kinds), _own(level, offsets, runs), window)
    calm = _without_absurd(runs)
    burst = burstiness(calm.bad, calm.total)
    learned = {
        "mean": mean + reference.assumed(rows),
        "steepness": steepness,
        "slope": line.slope,
        "shift": line.shift,
        "offset": offset,
        "slope_sd": line.slope_sd,
        "shift_sd": line.shift_sd,
        "slope_with_shift": line.both,
        "noise": np.maximum(noise.scale, _least_noise(runs, kinds, sizes)),
        "phi": noise.phi,
        "wander": noise.wander,
        "sure": noise.windows,
        "bad_ratio": _bad_ratio(calm),
        "burst": np.where(np.isfinite(runs.total).any(axis=1), burst, np.nan),
    }
    partner, n = reference.partner[rows], reference.series
    spread = {name: np.full(n, np.nan) for name in learned}
    for name, values in learned.items():
        spread[name][partner] = values
    loads = _loads(records)
    usual = float(np.median(loads)) if loads else 1.0
    most = loads[-LEAST_WINDOWS] if len(loads) >= LEAST_WINDOWS else 0.0
    return Transfer(runs=len(parts), centre=float(np.log(usual)), most_load=most, **spread)


def _loads(records: Sequence[Record]) -> list[float]:
    """Of the windows that were judged, in order of size."""
    windows = [one for record in records for one in zip(record.loads, record.judged, strict=True)]
    return sorted(load for load, judged in windows if judged and np.isfinite(load))


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
        laid("residual"), laid("load"), laid("steepness"), laid("noise"), laid("sampling"),
        laid("bad"), laid("total"), np.concatenate(of).astype(np.intp),
    )  # fmt: skip


def _line(runs: _Runs, x: Floats, sizes: Floats) -> Line:
    """Least squares within runs, each at its own level, with `SLOPE` and `SHIFT` as prior sds.

    x: load less its centre. sizes: float64[n], what 100% is in the residual's scale.
    """
    y, load, steep = runs.residual.copy(), x.copy(), runs.steepness.copy()
    for run in range(int(runs.of.max()) + 1):
        at = runs.of == run
        y[:, at] -= row_medians(y[:, at])[:, np.newaxis]
        for one in (load, steep):
            one[:, at] -= np.mean(one[:, at], axis=1, keepdims=True)
    sd = np.maximum(scatter.spread(y), 1e-9)
    y = np.clip(y, -3 * sd[:, np.newaxis], 3 * sd[:, np.newaxis])
    jitter = scatter.spread(np.diff(x, axis=1)) / np.sqrt(2)
    moved = np.maximum(MOVED, 3 * jitter)[:, np.newaxis]
    known = np.isfinite(y) & (np.abs(load) > moved)
    phi = persistence(y, 1, 1.0, np.zeros(len(y)), 1).phi
    variance = sd**2 * (1 + phi) / (1 - phi)

    def product(one: Floats, other: Floats) -> Floats:
        return np.where(known, one * other, 0.0).sum(axis=1) / variance

    a = product(load, load) + 1 / (SLOPE * sizes) ** 2
    b = product(load, steep)
    c = product(steep, steep) + 1 / SHIFT**2
    determinant = a * c - b * b
    of_load, of_steep = product(load, y), product(steep, y)
    return Line(
        slope=(c * of_load - b * of_steep) / determinant,
        shift=(a * of_steep - b * of_load) / determinant,
        slope_sd=np.sqrt(c / determinant + (LEAST_SLOPE_SD * sizes) ** 2),
        shift_sd=np.sqrt(a / determinant),
        both=-b / determinant,
    )


def _offsets(level: Floats, of: Rows, runs: int) -> Floats:
    """float64[n, runs], NaN for runs that hardly showed the series."""
    offsets = np.full((len(level), runs), np.nan)
    for run in range(runs):
        part = level[:, of == run]
        enough = np.isfinite(part).sum(axis=1) >= LEAST_WINDOWS
        offsets[enough, run] = row_medians(part[enough])
    return offsets


def _own(level: Floats, offsets: Floats, runs: _Runs) -> Floats:
    """float64[n, t]: residuals about each run's own level, in scales of production's noise."""
    of_run = np.where(runs.of >= 0, offsets[:, runs.of], np.nan)
    return (level - of_run) / np.maximum(runs.noise, 1e-12)


def _least_noise(runs: _Runs, kinds: Sequence[Kind], sizes: Floats) -> Floats:
    """float64[n]: half of what is believed of production's least noise, in scales of its noise; a
    few quiet runs prove no less."""
    floor = np.array([NOISE_FLOOR[kind] for kind in kinds]) * sizes
    return 0.5 * floor / np.maximum(row_medians(runs.noise), 1e-12)


def _without_absurd(runs: _Runs) -> _Runs:
    """Counts without those of windows in which errors were far above what they were in nine of ten:
    a lost connection, a sample that nobody sent."""
    ratio = np.sort(runs.bad / np.where(runs.total > 0, runs.total, np.nan), axis=1)
    calm = runs.bad <= sorted_quantiles(ratio, (0.9,))[0][:, np.newaxis] * runs.total
    bad, total = (np.where(calm, one, 0.0).sum(axis=1) for one in (runs.bad, runs.total))
    usual = bad / np.maximum(total, 1)
    mean = usual[:, np.newaxis] * runs.total
    absurd = runs.bad > ABSURD * (mean + 3 * np.sqrt(mean) + 1)
    return replace(
        runs, bad=np.where(absurd, np.nan, runs.bad), total=np.where(absurd, np.nan, runs.total)
    )


def _bad_ratio(runs: _Runs) -> Floats:
    total = np.where(np.isfinite(runs.total), runs.total, 0.0)
    bad = np.where(np.isfinite(runs.bad), runs.bad, 0.0)
    events = total.sum(axis=1)
    rate = np.where(events > 0, bad.sum(axis=1) / np.maximum(events, 1), np.nan)
    return np.where(events > 0, upper_rate(rate, events / dispersion(bad, total)), np.nan)
