"""How far a run is from a pinned one at the same load, however small each accepted step was.

What accepted runs teach follows staging, so many small steps in one direction never fail one by
one. The golden run stands still: what is worse than it by more than `creep` in all fails.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from anomalyd.baseline import noise as scatter
from anomalyd.baseline.curves import row_medians
from anomalyd.baseline.rates import dispersion
from anomalyd.baseline.transfer import Golden
from anomalyd.detectors.base import Context, Mask
from anomalyd.judgement import accepted, between
from anomalyd.judgement.band import Band
from anomalyd.judgement.context import Reference
from anomalyd.judgement.course import Course
from anomalyd.judgement.record import Record
from anomalyd.judgement.settings import Settings
from anomalyd.model import Finding, Floats, Rows
from anomalyd.signals.table import SignalTable
from anomalyd.units import format_effect, format_value

DETECTOR = "golden"
"""What found it, in a finding."""

CHUNK = 2000
"""Rows at once, so that a large run needs little memory."""

MOST_PHI = 0.95

OF_A_MEDIAN = np.pi / 2
"""Variance of a median of normal values over that of their mean."""


def golden(
    reference: Reference, run: str, pinned: Record, others: Sequence[Record], window: float
) -> Golden | None:
    """What the pinned run showed, None where that is nothing. others: the accepted
    runs, it among them, in order."""
    alone = accepted.learn(reference, [pinned], window)
    known = accepted.levels(reference, others or [pinned], window)
    if alone is None or known is None:
        return None
    sds = np.full(reference.series, np.nan)
    sds[reference.partner[known.rows]] = between.successive(known.offsets, known.kinds, known.sizes)
    return Golden(run, alone, sds)


@dataclass(frozen=True, slots=True)
class Crept:
    """A series that is too far from the golden run; in its signal's unit, medians over the run."""

    observed: float
    expected: float
    low: float
    high: float


class Creep:
    """Compares finished courses with a golden run; changes nothing.

    reference: as the golden run alone would have it.
    """

    def __init__(
        self, table: SignalTable, reference: Reference, golden: Golden, settings: Settings
    ) -> None:
        self._table, self._reference, self._golden = table, reference, golden
        self._window, self._bound = settings.window, settings.creep
        self._chance = settings.false_fail

    def marked(self, course: Course, findings: Sequence[Finding]) -> list[Finding]:
        """The findings, those that crept too far as fired."""
        crept = self._of(course)
        return [
            self._told(one, crept[one.series])
            if one.series in crept and one.state in ("ok", "weak")
            else one
            for one in findings
        ]

    def _told(self, finding: Finding, crept: Crept) -> Finding:
        if finding.absolute:
            effect = crept.observed - crept.expected
        else:
            effect = crept.observed / crept.expected - 1 if crept.expected else math.nan
        unit = finding.unit
        return replace(
            finding,
            state="fired",
            observed=crept.observed,
            expected=crept.expected,
            low=crept.low,
            high=crept.high,
            effect=effect,
            pass_at=crept.expected * (1 + self._bound),
            detector=DETECTOR,
            note=(
                f"crept to {format_value(crept.observed, unit)} "
                f"({format_effect(effect, finding.absolute)}) from "
                f"{format_value(crept.expected, unit)} of the golden run {self._golden.run} at the "
                f"same load; {self._bound:.0%} in all are allowed (judgement.creep)"
            ),
        )

    def _of(self, course: Course) -> dict[str, Crept]:
        found: dict[str, Crept] = {}
        deciding = course.deciding
        z = NormalDist().inv_cdf(1 - self._chance / max(len(deciding), 1))
        for start in range(0, len(deciding), CHUNK):
            found |= self._among(course, deciding[start : start + CHUNK], z)
        return found

    def _among(self, course: Course, rows: Rows, z: float) -> dict[str, Crept]:
        windows = [t for t, judged in enumerate(course.record.judged) if judged]
        if len(windows) < accepted.LEAST_WINDOWS:
            return {}
        values = course.record.matrix(rows)[windows]
        contexts, bands = self._seen(course, windows, rows, values)
        too_far = self._far(contexts, rows, z) | self._failing(contexts, rows, z)
        return {
            self._table.keys[rows[i]]: _crept(values[:, i], bands, i)
            for i in map(int, np.flatnonzero(too_far))
        }

    def _seen(
        self, course: Course, windows: Sequence[int], rows: Rows, values: Floats
    ) -> tuple[list[Context], list[Band]]:
        record, reference = course.record, self._reference
        counts = record.matrix(rows, counts=True)[windows]
        answered = np.ones(len(rows), dtype=bool)
        loads = [reference.loads_of(record.loads[: t + 1], self._window, rows) for t in windows]
        times = [record.times[t] for t in windows]
        bands = [reference.bands(at, rows, t) for at, t in zip(loads, times, strict=True)]
        contexts = [
            reference.context(
                times[i], self._window, values[i], counts[i], loads[i], bands[i], answered, rows
            )
            for i in range(len(windows))
        ]
        return contexts, bands

    def _far(self, contexts: Sequence[Context], rows: Rows, z: float) -> Mask:
        """bool[n]: rows whose level is beyond the bound, and farther from the golden run's than
        chance brings: what was measured of both, and what two runs differ by anyway."""
        first = contexts[0]
        residual = np.stack([context.residual for context in contexts], axis=1)
        seen = np.isfinite(residual).sum(axis=1)
        level = row_medians(residual)
        phi = np.clip(first.phi, 0.0, MOST_PHI)
        of_noise = scatter.spread(residual) ** 2 * OF_A_MEDIAN * (1 + phi) / (1 - phi)
        of_load = np.median([c.difference - c.offset**2 for c in contexts], axis=0)
        measured = 2 * of_noise / np.maximum(seen, 1) + np.maximum(of_load, 0.0)
        by_chance = self._golden.between[self._reference.partner[rows]]
        bound = self._reference.largest(rows, float(np.log1p(self._bound)))
        most = np.maximum(bound, z * np.sqrt(measured + 2 * by_chance**2))
        worse = np.where(first.sign == 0, np.abs(level), first.sign * level)
        return np.asarray((seen >= accepted.LEAST_WINDOWS) & (worse > most))

    def _failing(self, contexts: Sequence[Context], rows: Rows, z: float) -> Mask:
        """bool[n]: ratios of counts that are surely above the golden run's."""
        bad, total = (
            np.nan_to_num(np.stack([getattr(c, name) for c in contexts], axis=1))
            for name in ("bad", "total")
        )
        events = total.sum(axis=1) / dispersion(bad, total)
        rate = bad.sum(axis=1) / np.maximum(total.sum(axis=1), 1)
        known = self._golden.transfer.bad_ratio[self._reference.partner[rows]]
        allowed = known * (1 + self._bound) + contexts[0].tolerate
        sd = np.sqrt(rate * (1 - rate) / np.maximum(events, 1))
        return np.asarray((events > 0) & (rate - z * sd > allowed))


def _crept(values: Floats, bands: Sequence[Band], i: int) -> Crept:
    there = [int(t) for t in np.flatnonzero(np.isfinite(values))]
    of = (
        float(np.median([getattr(bands[t], name)[i] for t in there]))
        for name in ("expected", "low", "high")
    )
    return Crept(float(np.median(values[there])), *of)
