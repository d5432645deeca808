"""The verdict of a run and everything that led to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from anomalyd.detectors.absence import PATIENCE
from anomalyd.explain import wording
from anomalyd.judgement.anomalies import Anomalies
from anomalyd.judgement.context import Reference
from anomalyd.judgement.course import Course
from anomalyd.judgement.findings import Findings, coverage_of
from anomalyd.judgement.phases import phases
from anomalyd.judgement.silences import Silence
from anomalyd.model import Coverage, Finding, Incident, Outcome, Verdict
from anomalyd.signals.table import SignalTable

REASONS = 8


class JudgeSettings(Protocol):
    """Read from `pipeline.Settings`."""

    @property
    def window(self) -> float: ...
    @property
    def false_fail(self) -> float: ...
    @property
    def coverage(self) -> float: ...
    @property
    def shadow(self) -> bool: ...


class Judge:
    """Decides a finished course; changes nothing."""

    def __init__(
        self,
        table: SignalTable,
        reference: Reference,
        settings: JudgeSettings,
        silences: Sequence[Silence],
    ) -> None:
        self._reference, self._settings = reference, settings
        self._findings = Findings(table, reference, settings.window, silences)

    def verdict(
        self, course: Course, anomalies: Anomalies, incidents: Sequence[Incident]
    ) -> Verdict:
        findings = self._findings.of(course, anomalies)
        coverage = coverage_of(findings)
        outcome, reasons = self._decide(course, findings, coverage)
        record = course.record
        return Verdict(
            run_id=course.run.id,
            outcome=outcome,
            reasons=tuple(reasons),
            reference="production" if self._reference.known else "none",
            budget=self._settings.false_fail,
            coverage=coverage,
            findings=tuple(findings),
            incidents=tuple(incidents),
            integrity=course.integrity.entries(),
            phases=phases(
                record.times,
                record.loads,
                self._settings.window,
                course.run.active_at or course.run.started_at,
            ),
            shadow=self._settings.shadow,
        )

    def _decide(
        self, course: Course, findings: Sequence[Finding], coverage: Coverage
    ) -> tuple[Outcome, list[str]]:
        """Precedence: a fail decided by what was seen > invalid > inconclusive > pass."""
        fired = sorted((f for f in findings if f.state == "fired"), key=lambda f: -f.evidence)
        if fired:
            return Outcome.FAIL, [wording.reason(finding) for finding in fired[:REASONS]]
        broken = [e for e in course.integrity.entries() if e.breaks_run]
        if broken:
            return Outcome.INVALID, [f"telemetry was broken: {entry.detail}" for entry in broken]
        doubts = self._doubts(course, findings, coverage)
        if doubts:
            return Outcome.INCONCLUSIVE, doubts
        return Outcome.PASS, [
            f"{coverage.judged} signal series of {coverage.production_series} in production were "
            f"judged over {sum(course.record.judged)} windows; none was worse than tolerated"
        ]

    def _doubts(self, course: Course, findings: Sequence[Finding], coverage: Coverage) -> list[str]:
        """Why a run that did not fail has not shown that it is good either."""
        if not self._reference.known:
            return ["there is no baseline to judge by; fit one with `anomalyd baseline fit`"]
        if not any(course.record.judged):
            return ["no window could be judged: the run was too short, or no load was seen"]
        doubts = [f"{f.series} was {f.note}" for f in findings if f.state == "weak" and f.note]
        silent = course.integrity.last_empty
        if silent >= PATIENCE:
            doubts.append(f"nothing at all arrived from staging in the last {silent} windows")
        if coverage.ratio < self._settings.coverage:
            doubts.append(
                f"{coverage.powered} of {coverage.production_series} series of production could "
                f"have shown a change that matters; {self._settings.coverage:.0%} are required"
            )
            doubts += wording.too_weak(findings)
        blind = _blind_services(findings)
        if blind:
            doubts.append(f"nothing could be shown of {', '.join(blind)}")
        return doubts[:REASONS]


def _blind_services(findings: Sequence[Finding]) -> list[str]:
    known = {f.service for f in findings if f.service and f.state not in ("unmatched", "silenced")}
    shown = {f.service for f in findings if f.state in ("ok", "fired")}
    return sorted(known - shown)
