"""What was seen of every series of a run, beside what production leads us to expect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import NormalDist

import numpy as np

from anomalyd.baseline.seasons import named
from anomalyd.detectors.base import Context
from anomalyd.judgement import power
from anomalyd.judgement.anomalies import Anomalies
from anomalyd.judgement.band import Band
from anomalyd.judgement.context import Reference
from anomalyd.judgement.course import Course
from anomalyd.judgement.seen import MOSTLY, Numbers, Seen, asked_of, effect_of, of_anomaly, state_of
from anomalyd.judgement.silences import Silence, silenced
from anomalyd.model import LOAD_SIGNAL, Coverage, Finding, Floats, Rows
from anomalyd.signals.table import SignalTable

CHUNK = 2000
"""Rows whose power is computed at once, so that a large run needs little memory."""

POWER_WINDOWS = 240
"""Windows, the latest, that power is worked out of: a longer run can show at least as much."""

IN_PART = 0.5
"""Of what was seen whole: more than that cannot be made up for by what was seen in part."""

DOUBTED = 0.1
"""Good runs that may be left in doubt for what staging differs by: a bound of Bonferroni's."""

FIRED = ("fired", "explained")

NOT_JUDGED = "no window of the run was judged"
SENT_NOTHING = "production has it, staging sent nothing"


def _share_of_few(contexts: Sequence[Context], values: Floats) -> Floats:
    """Of the windows in which each row had a value, float64[n]; 0 for a row without any."""
    if not contexts:
        return np.zeros(values.shape[1])
    seen = np.isfinite(values)
    few = np.stack([context.few for context in contexts]) & seen
    return np.asarray(few.sum(axis=0) / np.maximum(seen.sum(axis=0), 1))


def _usual_difference(contexts: Sequence[Context], n: int, series: int) -> Floats:
    """What nine of ten good runs differ from production by at most, all through, at the loads of
    this one, in any of their series, in the residual's scale: float64[n]. series: how many."""
    if not contexts:
        return np.zeros(n)
    variance = np.median([context.difference for context in contexts], axis=0)
    sds = NormalDist().inv_cdf(1 - DOUBTED / max(series, 1))
    return np.asarray(sds * np.sqrt(np.where(np.isfinite(contexts[0].noise), variance, 0.0)))


class Findings:
    """Reads a finished course; changes nothing."""

    def __init__(
        self,
        table: SignalTable,
        reference: Reference,
        window: float,
        silences: Sequence[Silence],
    ) -> None:
        self._table, self._reference, self._window = table, reference, window
        self._silences = silences
        self._stretches: dict[str, Numbers] = {}

    def of(self, course: Course, anomalies: Anomalies) -> list[Finding]:
        table, reference = self._table, self._reference
        load = {i for i, s in enumerate(table.signals) if s.name == LOAD_SIGNAL}
        rows = np.array(
            [r for r in course.rows if table.signal_index[r] not in load], dtype=np.intp
        )
        partnered = rows[reference.partner[rows] >= 0]
        found: list[Finding] = []
        for start in range(0, len(partnered), CHUNK):
            found += self._judged(course, anomalies, partnered[start : start + CHUNK])
        found += self._missing(partnered)
        series = [(f.signal, f.labels) for f in found]
        last = course.record.times[-1] if course.record.times else 0.0
        quiet, why = silenced(self._silences, series, last)
        found = [
            self._silenced(f, reason) if hush and f.state != "fired" else f
            for f, hush, reason in zip(found, quiet, why, strict=True)
        ]
        unmatched = rows[reference.partner[rows] < 0]
        return found + [self._plain(int(r), "unmatched") for r in unmatched]

    def over_its_stretch(self, finding: Finding) -> Finding:
        """With the numbers of its worst quarter of the run, where it has those of one window."""
        numbers = self._stretches.get(finding.series)
        if numbers is None:
            return finding
        effect = (numbers.observed - numbers.expected) / numbers.expected
        return replace(
            finding,
            observed=numbers.observed,
            expected=numbers.expected,
            low=numbers.low,
            high=numbers.high,
            effect=effect,
        )

    def _judged(self, course: Course, anomalies: Anomalies, rows: Rows) -> list[Finding]:
        windows = [t for t, judged in enumerate(course.record.judged) if judged]
        values = course.record.matrix(rows)[windows]
        counts = course.record.matrix(rows, counts=True)[windows]
        past = course.record.loads
        loads = [self._reference.loads_of(past[: t + 1], self._window, rows) for t in windows]
        times = [course.record.times[t] for t in windows]
        bands = [
            self._reference.bands(one, rows, time) for one, time in zip(loads, times, strict=True)
        ]
        contexts = self._contexts(course, windows, rows, values, counts, loads, bands)
        threshold = np.full(len(rows), course.log_threshold)
        largest = self._reference.largest(rows, power.LARGEST_LOG)
        mde = power.detectable(contexts[-POWER_WINDOWS:], threshold, largest)
        fired = np.array([int(r) in course.anomalies for r in rows], dtype=bool)
        share = np.full(len(rows), np.nan)
        if fired.any() and contexts:
            taken = [c.take(np.flatnonzero(fired)) for c in contexts]
            share[fired] = power.passing_share(taken, threshold[fired])
        usual = _usual_difference(contexts, len(rows), len(course.deciding))
        seen = Seen(values, bands, mde, usual, share, _share_of_few(contexts, values) > MOSTLY)
        return [self._finding(course, anomalies, seen, i, int(r)) for i, r in enumerate(rows)]

    def _contexts(
        self,
        course: Course,
        windows: Sequence[int],
        rows: Rows,
        values: Floats,
        counts: Floats,
        loads: Sequence[Floats],
        bands: Sequence[Band],
    ) -> list[Context]:
        record, answered = course.record, np.ones(len(rows), dtype=bool)
        return [
            self._reference.context(
                record.times[t],
                self._window,
                values[i],
                counts[i],
                loads[i],
                bands[i],
                answered,
                rows,
            )
            for i, t in enumerate(windows)
        ]

    def _finding(
        self, course: Course, anomalies: Anomalies, seen: Seen, i: int, row: int
    ) -> Finding:
        """Of `row`, which is the i-th of those seen."""
        signal = self._table.signals[self._table.signal_index[row]]
        base = self._plain(row, "ok")
        mde, usual = (self._reference.as_effect(row, one[i]) for one in (seen.shift, seen.usual))
        anomaly = course.anomalies.get(row)
        numbers = of_anomaly(anomaly) if anomaly is not None else seen.typical(i)
        if numbers is None:
            return self._without_values(course, base, mde)
        worst = seen.worst_stretch(i) if anomaly is not None else None
        if worst is not None:
            self._stretches[base.series] = worst
        effect = effect_of(signal, numbers.observed, numbers.expected)
        state, note = "fired", ""
        if anomaly is None:
            state, note = state_of(signal, effect, mde, usual, bool(seen.sparse[i]))
        return replace(
            base,
            state=state,
            observed=numbers.observed,
            expected=numbers.expected,
            low=numbers.low,
            high=numbers.high,
            effect=effect,
            evidence=float(anomalies.peak[row]),
            threshold=course.log_threshold,
            mde=mde,
            pass_at=self._reference.passing(numbers.observed, numbers.expected, row, seen.share[i]),
            windows=int(np.isfinite(seen.values[:, i]).sum()),
            extrapolated=seen.extrapolated(i),
            detector=anomaly.detector if anomaly is not None else "",
            note=note,
            hour=self._hour(course, seen.by_the_hour(i)),
        )

    @staticmethod
    def _hour(course: Course, moved: Sequence[bool]) -> str:
        """The hour of the middle one of the judged windows whose band the hour moved."""
        judged = zip(course.record.times, course.record.judged, strict=True)
        times = [time for time, there in judged if there]
        found = [time for time, there in zip(times, moved, strict=True) if there]
        return named(found[len(found) // 2]) if found else ""

    @staticmethod
    def _without_values(course: Course, base: Finding, mde: float) -> Finding:
        """Nothing came while it was judged; of a run that never was, nothing can be missed."""
        if any(course.record.judged):
            return replace(base, state="missing", mde=mde, note=SENT_NOTHING)
        return replace(base, state="weak", mde=mde, note=NOT_JUDGED)

    def _plain(self, row: int, state: str) -> Finding:
        signal = self._table.signals[self._table.signal_index[row]]
        return Finding(
            signal=signal.name,
            labels=self._table.labels[row],
            service=self._table.services[row],
            kind=signal.kind,
            unit=signal.unit,
            state=state,
            absolute=bool(signal.tolerate.absolute),
            detect=asked_of(signal),
            query=self._reference.query(signal.name),
        )

    @staticmethod
    def _silenced(finding: Finding, reason: str) -> Finding:
        return replace(finding, state="silenced", note=reason)

    def _missing(self, partnered: Rows) -> list[Finding]:
        """Series of production that have no row at all in staging."""
        signals = {signal.name: signal for signal in self._table.signals}
        found = []
        for key in self._reference.without_row(partnered):
            name, labels = key
            signal = signals.get(name)
            if signal is not None and name != LOAD_SIGNAL:
                found.append(
                    Finding(
                        signal=name,
                        labels=labels,
                        service=signal.service(labels),
                        kind=signal.kind,
                        unit=signal.unit,
                        state="missing",
                        absolute=bool(signal.tolerate.absolute),
                        note=SENT_NOTHING,
                    )
                )
        return found


def coverage_of(findings: Sequence[Finding]) -> Coverage:
    def named(state: str) -> tuple[str, ...]:
        return tuple(sorted(f.series for f in findings if f.state == state))

    of_production = [f for f in findings if f.state not in ("unmatched", "silenced", "sparse")]
    judged = [f for f in of_production if f.windows > 0 or f.state in FIRED]
    powered = sum(f.state in ("ok", *FIRED) for f in judged)
    in_part = sum(min(1.0, f.detect / f.mde) for f in judged if _shows_more(f))
    return Coverage(
        production_series=len(of_production),
        matched=sum(f.state != "missing" for f in of_production),
        judged=len(judged),
        powered=powered,
        missing=named("missing"),
        unmatched=named("unmatched"),
        silenced=named("silenced"),
        in_part=min(in_part, IN_PART * powered),
    )


def _shows_more(finding: Finding) -> bool:
    """Whether it could have shown a change, though a larger one than was asked for."""
    return finding.state == "weak" and not finding.note and 0 < finding.mde < np.inf
