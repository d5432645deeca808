"""READ FIRST. One tick from Batch to Incidents: synchronous and pure.

The same batches, baseline and runs give identical incidents and verdicts; the daemon, `watch` and
the tests all call `Pipeline.process`. It does no I/O and reads no clock.

    Batch ─▶ Board ─▶ window full? ─▶ Reference.band (production at this load, hour)
                                        └▶ Context ─▶ Bank.score ─▶ Anomalies.step ─▶ Incidents
                                                       └─ learn (firing rows left out)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from anomalyd.baseline import drift
from anomalyd.baseline.file import digest
from anomalyd.baseline.lookup import Lookup
from anomalyd.baseline.profile import Baseline
from anomalyd.baseline.transfer import Golden, Transfer
from anomalyd.detectors.base import Context, Mask
from anomalyd.explain.suspects import Graph
from anomalyd.facts import Fact
from anomalyd.judgement import budget, tell
from anomalyd.judgement.anomalies import Anomalies
from anomalyd.judgement.band import Band
from anomalyd.judgement.board import Board
from anomalyd.judgement.context import Reference
from anomalyd.judgement.course import Course
from anomalyd.judgement.creep import Creep
from anomalyd.judgement.evidence import Bank, Scores
from anomalyd.judgement.incidents import Incidents
from anomalyd.judgement.integrity import IntegrityLog
from anomalyd.judgement.settings import Settings
from anomalyd.judgement.silences import Silence
from anomalyd.judgement.still import Still
from anomalyd.judgement.verdict import Judge
from anomalyd.model import (
    AcceptedChange,
    Anomaly,
    Batch,
    DeploymentCheck,
    Floats,
    Incident,
    Risk,
    Run,
    Verdict,
)
from anomalyd.risk.evidence import Evidence
from anomalyd.risk.score import assess
from anomalyd.signals.table import SignalTable

__all__ = ["JudgedBy", "Pipeline", "Settings"]


@dataclass(frozen=True, slots=True)
class JudgedBy:
    """A baseline, what accepted runs taught, over how many windows the values of one moment are
    spread, and the run that all are compared with."""

    baseline: Baseline | None = None
    transfer: Transfer | None = None
    smear: int = 1
    golden: Golden | None = None


class Pipeline:
    """State over the rows of one signal table; `courses`, `checks` of the runs under way, by id."""

    def __init__(self, table: SignalTable, settings: Settings, graph: Graph) -> None:
        self.table, self.settings = table, settings
        self.silences: Sequence[Silence] = ()
        self.facts: Sequence[Fact] = ()
        self.checks: dict[str, tuple[DeploymentCheck, ...]] = {}
        self.changes: tuple[AcceptedChange, ...] = ()
        self.board = Board(table, settings.run_label)
        self._lookup: Lookup | None = None
        self.judged_by = JudgedBy()
        self.reference = self._reference(None)
        self.bank = Bank()
        self.anomalies, self.still = Anomalies(settings.keep_firing_for), Still()
        self.graph, self._baseline = graph, ""
        self._drifts: dict[str, str] = {}
        self.incidents = Incidents(graph, settings.close_incident_after)
        self.courses: dict[str, Course] = {}
        self.band = Band.unknown(0)
        self.evidence: Floats = np.zeros(0)
        self.window_end = -np.inf

    def process(self, batch: Batch) -> list[Incident]:
        """Take one tick in; returns the incidents that opened, changed or closed.

        Between windows values are only shown: evidence advances once per disjoint window.
        """
        self.grow()
        self.board.lay(batch)
        if batch.time - self.window_end < self.settings.window - 1e-6:
            return []
        self.window_end = batch.time
        self.board.stuck = self.still.step(self.board.observed)
        loads = self.board.loads(self.settings.capacity)
        steady = self.board.steady_loads(self.settings.capacity, self.settings.window)
        by_load, spread = self.reference.goes_with_load, self.board.spread
        of_rows = np.where(by_load, spread(loads), spread(steady))
        rows = np.arange(len(self.table))
        self.band = self.reference.bands(of_rows, rows, batch.time)
        context = self.reference.context(
            batch.time,
            self.settings.window,
            self.board.observed,
            self.board.counts,
            of_rows,
            self.band,
            self.board.answered(),
            rows,
            ~self.board.silent(),
            self.board.stuck,
        )
        judged, watched = self._judged(context, loads)
        scores = self.bank.score(context, judged, watched)
        self.evidence = scores.log_evidence
        thresholds = budget.together(self._under_way(), scores.log_evidence)
        quiet = self.board.quiet(self.silences, batch.time)
        changed = self.anomalies.step(context, scores, thresholds, judged, quiet)
        self.still.learn(changed.calm)
        touched = self.incidents.hear(self._under_way(), batch, self.settings.window)
        touched += [i for c in self._under_way() for i in self._tell(c, context, scores)]
        touched += self.incidents.close_due(batch.time)
        calm = ~self.anomalies.firing
        self.bank.learn(context, judged & calm, watched & calm)
        self.bank.forget_evidence(changed.resolved)
        return self.incidents.get(touched)

    def use_graph(self, graph: Graph) -> None:
        """Group and explain by `graph` from the next window on; not while a run is being judged."""
        self.graph = self.incidents.graph = graph

    def use_baseline(
        self,
        baseline: Baseline | None,
        transfer: Transfer | None = None,
        smear: int = 1,
        golden: Golden | None = None,
    ) -> None:
        """Judge by `baseline`, and what accepted runs taught, from the next window on.

        smear: over how many windows the values of one moment are spread.
        """
        self.judged_by = JudgedBy(baseline, transfer, smear, golden)
        self._lookup = Lookup(baseline) if baseline is not None else None
        self.reference = self._reference(transfer, self.changes)
        self._baseline = digest(baseline) if baseline is not None else ""
        self._drifts = drift.sentences(baseline.meta) if baseline is not None else {}
        self._share_out()
        for course in self._under_way():
            self.judge_anew(course)

    def _reference(self, of: Transfer | None, changes: Sequence[AcceptedChange] = ()) -> Reference:
        now, smear = self.settings, self.judged_by.smear
        more = (smear, now.blip, now.capacity, now.ratio, changes)
        return Reference(self.table, self._lookup, now.run_label, now.totals, of, *more)

    def _creep(self) -> Creep | None:
        """Accepted changes do not move it: they are steps like any other."""
        golden = self.judged_by.golden
        if golden is None:
            return None
        return Creep(self.table, self._reference(golden.transfer), golden, self.settings)

    def use_changes(self, changes: Sequence[AcceptedChange]) -> None:
        """Expect what a person accepted, from the next window on; not while a run is judged."""
        if self.changes != tuple(changes):
            self.changes = tuple(changes)
            self.reference.accept(self.changes)

    def judge_anew(self, course: Course) -> None:
        """A run that goes on may find another baseline than it was judged by."""
        if self._baseline:
            course.judge_by(self._baseline)

    def start_run(self, run: Run) -> None:
        self.grow()
        course = Course(run, IntegrityLog(self.settings.window))
        self.courses[run.id] = course
        self.board.begin(run.selector)
        self._join(course)
        self.judge_anew(course)
        self.bank.reset(course.rows)
        self.anomalies.reset(course.rows)
        self.still.reset(course.rows)

    def restore(self, runs: Sequence[Run]) -> None:
        """Runs that were under way when the last pipeline ended."""
        for run in runs:
            self.start_run(run)

    def reopen(self, incidents: Sequence[Incident]) -> None:
        """Incidents of the runs under way, ended ones too: what fired in them fires on, so that
        nothing fires twice, and what resolved stays in the run's verdict."""
        self.incidents.restore(incidents)
        for incident in incidents:
            course = self.courses[incident.run_id]
            for anomaly in incident.anomalies:
                row = self.table.add(anomaly.signal, anomaly.labels)
                if row < 0:
                    continue
                self.grow()
                course.anomalies[row] = anomaly
                self._take_up(row, anomaly)

    def _take_up(self, row: int, anomaly: Anomaly) -> None:
        """What a snapshot may be too old to know: that the row fired, or resolved since."""
        if anomaly.resolved_at is None:
            self.anomalies.fire(row, anomaly.started_at, anomaly.fired_at, anomaly.evidence)
            return
        if self.anomalies.firing[row]:
            self.bank.forget_evidence(np.array([row], dtype=np.intp))
        self.anomalies.resolve(row, anomaly.evidence)

    def change_run(self, run: Run) -> None:
        """The run's state moved on (warmup → active → settling)."""
        self.courses[run.id].run = run

    def finish_run(self, run: Run, time: float) -> tuple[Verdict, list[Incident]]:
        """Close the run's incidents and judge it; its course stays until `forget_run`."""
        course = self.courses[run.id]
        course.close(run, self.settings.window)
        closed = self.incidents.get(self.incidents.close_all(run.id, time))
        told = (self.silences, self.graph, self._drifts, self.facts, self.checks.get(run.id, ()))
        judge = Judge(self.table, self.reference, self.settings, *told, self.changes, self._creep())
        verdict = judge.verdict(course, self.anomalies, self.incidents.of_run(run.id))
        return replace(verdict, risk=self._risk(verdict, course)), closed

    def _risk(self, verdict: Verdict, course: Course) -> Risk:
        """Worked out of the verdict, which knows nothing of it."""
        baseline = self.judged_by.baseline
        peak = baseline.peak_load if baseline is not None else np.inf
        seen = course.record.judged_loads
        return assess(Evidence(verdict, seen, peak, self.graph.declared, self.facts))

    def forget_run(self, run_id: str) -> None:
        self.courses.pop(run_id, None)
        self.checks.pop(run_id, None)
        self.incidents.forget(run_id)

    def grow(self) -> None:
        """Take in rows that are new in the table."""
        if self.board.grown():
            n = len(self.table)
            self.reference.extend()
            self.bank.resize(n)
            self.anomalies.resize(n)
            self.still.resize(n)
            self._share_out()

    def _share_out(self) -> None:
        for course in self._under_way():
            self._join(course)

    def _join(self, course: Course) -> None:
        course.rows = self.board.rows_of(course.run.selector)
        partnered = self.reference.partner[course.rows] >= 0
        course.deciding = course.rows[partnered & ~self.board.is_load[course.rows]]
        series = max(self.reference.series, len(course.deciding))
        course.log_threshold = budget.log_threshold(series, self.settings.false_fail)

    def _under_way(self) -> list[Course]:
        return [course for course in self.courses.values() if course.under_way]

    def _judged(self, context: Context, loads: dict[str, float]) -> tuple[Mask, Mask]:
        """bool[n] each: rows whose evidence advances at this window, and rows whose absence does"""
        judged, watched = np.zeros((2, len(self.table)), dtype=bool)
        for course in self._under_way():
            load = loads.get(course.run.selector, np.nan) if self.board.has_load else None
            of_values, of_absences = course.watch(
                self.board, context.time, context.window, load, self.reference.smear
            )
            judged[course.deciding] |= of_values
            watched[course.deciding] |= of_absences
        return judged, watched

    def _tell(self, course: Course, context: Context, scores: Scores) -> list[str]:
        """Ids of the incidents that this window's firing and resolved rows of a run touched."""
        touched = []
        for row in course.deciding[self.anomalies.fired_at[course.deciding] == context.time]:
            leader = self.bank.names[scores.leader[row]]
            since = float(self.anomalies.since[row])
            limit = self.table.signals[self.table.signal_index[row]].limit
            breach = np.inf if limit is None else self.bank.time_to(row, limit, context.window)
            anomaly = tell.fired(row, self.table, context, self.band, scores, since, leader, breach)
            course.anomalies[int(row)] = anomaly
            touched.append(self.incidents.add(course.run.id, anomaly))
        for row, anomaly in course.anomalies.items():
            now = tell.followed(row, anomaly, self.table, context, self.band, self.anomalies)
            if now is not anomaly:
                course.anomalies[row] = now
                touched.append(self.incidents.add(course.run.id, now))
        return touched
