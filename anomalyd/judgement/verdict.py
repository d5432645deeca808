"""The verdict of a run and everything that led to it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace

from anomalyd.detectors.absence import PATIENCE
from anomalyd.explain import drift, wording
from anomalyd.explain.suspects import Graph
from anomalyd.facts import Fact
from anomalyd.judgement import changes
from anomalyd.judgement.anomalies import Anomalies
from anomalyd.judgement.context import Reference
from anomalyd.judgement.course import Course
from anomalyd.judgement.creep import Creep
from anomalyd.judgement.findings import Findings, coverage_of
from anomalyd.judgement.generator import breakdown
from anomalyd.judgement.phases import phases
from anomalyd.judgement.settings import Settings
from anomalyd.judgement.silences import Silence
from anomalyd.model import (
    AcceptedChange,
    CheckState,
    Coverage,
    DeploymentCheck,
    Finding,
    Incident,
    Integrity,
    Kind,
    Outcome,
    Verdict,
)
from anomalyd.signals.table import SignalTable
from anomalyd.units import format_duration

REASONS = 8

EXPLAINED = "explained"
"""State of a series that fired and that drift accounts for."""

LEAST_SEEN = 0.5
"""Of the judged windows, in which a kind of signal of a service must have been seen."""

WITH_REQUESTS = (Kind.ERRORS, Kind.LATENCY)
"""Kinds without a value where nobody called."""

LEAST_JUDGED = 0.5
"""Of the windows of the run, that must have been judged."""

FAR_BELOW = 0.2
"""Of the least load that is known: what a run shows below it says little about production's."""

LONG_SHARE = 0.1
"""Of a run's windows: an outage of telemetry that long leaves a doubt."""


class Judge:
    """Decides a finished course; changes nothing."""

    def __init__(
        self,
        table: SignalTable,
        reference: Reference,
        settings: Settings,
        silences: Sequence[Silence],
        graph: Graph,
        drifts: Mapping[str, str],
        facts: Sequence[Fact] = (),
        checks: Sequence[DeploymentCheck] = (),
        accepted: Sequence[AcceptedChange] = (),
        creep: Creep | None = None,
    ) -> None:
        """drifts: what to say of series of production whose level changed, by key. facts: of both
        environments; a difference between them may explain a slowdown. checks: of the deployment
        that the run tests. accepted: changes that are expected already. creep: compares with a
        golden run, where one is pinned."""
        self._facts, self._checks = facts, tuple(checks)
        self._accepted, self._creep = accepted, creep
        self._reference, self._settings, self._graph = reference, settings, graph
        self._drifts = drifts
        self._findings = Findings(table, reference, settings.window, silences)

    def verdict(
        self, course: Course, anomalies: Anomalies, incidents: Sequence[Incident]
    ) -> Verdict:
        findings = [self._told(one) for one in self._findings.of(course, anomalies)]
        findings = self._excused(course, findings)
        if self._creep is not None:
            findings = self._creep.marked(course, findings)
        coverage = coverage_of(findings)
        outcome, reasons = self._decide(course, findings, coverage)
        reasons += changes.reasons(self._accepted, findings)
        record = course.record
        return Verdict(
            run_id=course.run.id,
            outcome=outcome,
            reasons=tuple(reasons),
            reference=self._named_reference(),
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
            deployment=self._checks,
        )

    def _told(self, finding: Finding) -> Finding:
        """With a note where production itself moved, or a change was accepted."""
        label = self._settings.run_label
        labels = finding.labels.without([label]) if label else finding.labels
        moved = self._drifts.get(f"{finding.signal}{labels}", "")
        said = "; ".join(one for one in (moved, changes.notes(self._accepted, finding)) if one)
        plain = finding.state in ("fired", "ok") and not finding.note
        return replace(finding, note=said) if said and plain else finding

    def _excused(self, course: Course, findings: Sequence[Finding]) -> list[Finding]:
        """What a difference between the environments accounts for does not fail the run."""
        if not self._facts:
            return list(findings)
        loads = course.record.judged_loads
        steady = [self._findings.over_its_stretch(finding) for finding in findings]
        load = statistics.median(loads) if loads else math.nan
        why = drift.explained(steady, self._facts, self._graph, load)
        return [
            replace(one, state=EXPLAINED, note=why[one.series]) if one.series in why else one
            for one in findings
        ]

    def _named_reference(self) -> str:
        if not self._reference.known:
            return "none"
        return "accepted-runs" if self._reference.accepted_runs else "production"

    def _decide(
        self, course: Course, findings: Sequence[Finding], coverage: Coverage
    ) -> tuple[Outcome, list[str]]:
        """Precedence: a fail decided before the test broke > invalid > inconclusive > pass."""
        fired = sorted((f for f in findings if f.state == "fired"), key=lambda f: -f.evidence)
        excused = [f"{f.series}: {f.note}" for f in findings if f.state == EXPLAINED]
        broke = self._breakdown(course)
        deciding = {f.series for f in fired}
        fires = (a.fired_at for a in course.anomalies.values() if a.series in deciding)
        first = min(fires, default=math.inf)
        failed = self._failed_checks(broke)
        if fired and (broke is None or first <= broke.start):
            told = [wording.reason(finding) for finding in fired[:REASONS]]
            return Outcome.FAIL, [*failed, *told, *excused[:REASONS]]
        if failed:
            return Outcome.FAIL, [*failed, *excused[:REASONS]]
        broken = [e for e in course.integrity.entries() if e.breaks_run]
        if broke is not None:
            return Outcome.INVALID, [broke.detail]
        if broken:
            return Outcome.INVALID, [f"telemetry was broken: {entry.detail}" for entry in broken]
        doubts = self._doubts(course, findings, coverage)
        if doubts:
            return Outcome.INCONCLUSIVE, [*doubts, *excused[:REASONS]]
        worse = "none" if not excused else f"but for {len(excused)} that drift explains, none"
        return Outcome.PASS, [
            f"{coverage.judged} signal series of {coverage.production_series} in production were "
            f"judged over {sum(course.record.judged)} windows; {worse} was worse than tolerated",
            *excused[:REASONS],
        ]

    def _failed_checks(self, broke: Integrity | None) -> list[str]:
        """Of what failed before the test broke, or brought it down: what takes the load away is
        seen a window later than that the load is gone."""
        until = broke.start + self._settings.window if broke is not None else math.inf
        return [
            f"deployment: {check.detail}"
            for check in self._checks
            if check.state is CheckState.FAILED and (check.at is None or check.at <= until)
        ][:REASONS]

    def _breakdown(self, course: Course) -> Integrity | None:
        since = course.run.active_at if course.run.active_at is not None else math.inf
        return breakdown(course.record, since, self._settings.window, self._reference.least_load)

    def _outages(self, course: Course) -> list[str]:
        """Telemetry that was away for a while: what it would have shown, nobody knows."""
        window = self._settings.window
        long = max(PATIENCE, LONG_SHARE * course.integrity.windows) * window
        return [
            f"{entry.detail} ({entry.where}) for {format_duration(entry.end - entry.start)}"
            for entry in course.integrity.entries()
            if entry.kind in ("no-data", "gap", "query-failed", "stale")
            and entry.end - entry.start >= long - window / 2
        ]

    def _doubts(self, course: Course, findings: Sequence[Finding], coverage: Coverage) -> list[str]:
        """Why a run that did not fail has not shown that it is good either."""
        if not self._reference.known:
            return ["there is no baseline to judge by; fit one with `anomalyd baseline fit`"]
        if not any(course.record.judged):
            return ["no window could be judged: the run was too short, or no load was seen"]
        doubts = [f"deployment: {c.detail}" for c in self._checks if c.state is CheckState.UNKNOWN]
        doubts += [f"{f.series} was {f.note}" for f in findings if f.state == "weak" and f.note]
        doubts += [e.detail for e in course.integrity.entries() if e.kind == "baseline"]
        doubts += self._outages(course)
        doubts += _unseen(findings, sum(course.record.judged))
        judged, looked_at = sum(course.record.judged), course.integrity.windows
        if judged < LEAST_JUDGED * looked_at:
            doubts.append(
                f"only {judged} of {looked_at} windows could be judged; in the others the load "
                "idled, jumped or was not known"
            )
        if self._far_beyond(course):
            doubts.append(
                "the load was far beyond any that production, or an accepted run, was seen at, "
                "which can fail a run but not pass it; test at a load that they know"
            )
        if self._far_below(course):
            doubts.append(
                "the load was far below any that production, or an accepted run, was seen at; test "
                "at a load that they know, or set `capacity` if staging is that much smaller"
            )
        if coverage.ratio < self._settings.coverage:
            doubts.append(
                f"{coverage.powered} of {coverage.production_series} series of production could "
                f"have shown a change that matters, others larger ones only: {coverage.ratio:.0%} "
                f"in all; {self._settings.coverage:.0%} are required"
            )
            doubts += wording.too_weak(findings)
        strange = self._strange_services(findings)
        if strange:
            doubts.append(
                f"production has nothing of {', '.join(strange)}, which `graph` names: "
                "there is nothing to judge it by"
            )
        blind = _blind_services(findings)
        if blind:
            doubts.append(f"nothing could be shown of {', '.join(blind)}")
        return doubts[:REASONS]

    def _far_beyond(self, course: Course) -> bool:
        loads = course.record.judged_loads
        return 2 * sum(self._reference.far_beyond(load) for load in loads) > len(loads)

    def _far_below(self, course: Course) -> bool:
        loads, least = course.record.judged_loads, FAR_BELOW * self._reference.least_load
        return 2 * sum(load < least for load in loads) > len(loads)

    def _strange_services(self, findings: Sequence[Finding]) -> list[str]:
        """Of the system that the user described, yet without a single series in production."""
        unmatched = {f.service for f in findings if f.state == "unmatched"}
        partnered = {f.service for f in findings if f.state != "unmatched"}
        return sorted((unmatched - partnered) & self._graph.declared)


def _unseen(findings: Sequence[Finding], windows: int) -> list[str]:
    """What production always has of a service, of one kind, and staging hardly showed; what comes
    with requests only, not of a service that has few."""
    quiet = {finding.service for finding in findings if finding.state == "sparse"}
    best: dict[tuple[str, str], int] = {}
    for finding in findings:
        if finding.service and finding.state not in ("unmatched", "silenced", "sparse"):
            key = (finding.service, finding.kind.value)
            best[key] = max(best.get(key, 0), finding.windows)
    return [
        f"{kind} of {service} was seen in {seen} of {windows} windows; production always has it"
        for (service, kind), seen in sorted(best.items())
        if seen < LEAST_SEEN * windows and not (service in quiet and kind in WITH_REQUESTS)
    ]


def _blind_services(findings: Sequence[Finding]) -> list[str]:
    known = {
        f.service
        for f in findings
        if f.service and f.state not in ("unmatched", "silenced", "sparse")
    }
    shown = {f.service for f in findings if f.state in ("ok", "fired", EXPLAINED)}
    return sorted(known - shown)
