"""The runs of one session: started, moved on, judged, and told to everyone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from anomalyd import reporting, telemetry
from anomalyd.api.control import NotReady
from anomalyd.api.hub import Hub, finished_event, incident_event, run_event
from anomalyd.config import Config
from anomalyd.deploying import Deploying
from anomalyd.enriching import Enricher
from anomalyd.facts import Fact
from anomalyd.model import (
    Batch,
    Enrichment,
    Incident,
    Labels,
    RecordedOutcome,
    Risk,
    Run,
    RunState,
    ShapeChange,
    Verdict,
)
from anomalyd.pipeline import Pipeline
from anomalyd.recorder import Recorder
from anomalyd.report import Document
from anomalyd.risk.calibration import Enough, calibrated
from anomalyd.risk.evidence import CALLED
from anomalyd.runs.detect import Detection
from anomalyd.runs.life import Change, Lifecycle, Rules, UnknownRun
from anomalyd.runs.store import Store
from anomalyd.shaping import Shaping
from anomalyd.sinks.base import IncidentChanged, RunFinished, RunStarted
from anomalyd.sinks.delivery import Delivery

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Finished:
    """A run that ended: its verdict, and the document of its report."""

    run: Run
    verdict: Verdict
    document: Document


async def _nothing(_: Run) -> Sequence[Fact]:
    return ()


class Running:
    """Every change of a run or an incident goes to the store first, then to sinks and listeners.

    finished: called with each run that ended; it must not wait. parity: what differs between the
    environments, for the report. called: which operations a run called, asked at its end. begins:
    called before a run is judged.
    """

    def __init__(
        self,
        config: Config,
        pipeline: Pipeline,
        store: Store,
        hub: Hub,
        delivery: Delivery,
        finished: Callable[[Finished], None],
        clock: Callable[[], float],
        recorder: Recorder,
        enricher: Enricher,
        shaping: Shaping,
        deploying: Deploying,
        parity: Callable[[], Document | None] = lambda: None,
        called: Callable[[Run], Awaitable[Sequence[Fact]]] = _nothing,
        begins: Callable[[Run], None] = lambda _: None,
    ) -> None:
        self._enricher, self._deploying = enricher, deploying
        self._begins = begins
        self._config, self._pipeline, self._store = config, pipeline, store
        self._recorder, self._shaping, self._parity = recorder, shaping, parity
        self._called = called
        self._hub, self._delivery, self._finished, self._clock = hub, delivery, finished, clock
        judgement, runs = config.judgement, config.runs
        rules = Rules(judgement.warmup, judgement.settle, runs.max_duration, runs.label)
        self._lifecycle = Lifecycle(rules, store.unfinished_runs())
        self._detection = Detection(self._lifecycle, runs.detect.name) if runs.detect else None
        self.judging = False
        self._judged: tuple[str, tuple[ShapeChange, ...]] | None = None
        for run in self.unfinished:
            shaping.begin(run)

    @property
    def unfinished(self) -> list[Run]:
        """Oldest first."""
        return self._lifecycle.runs

    def by_id(self) -> dict[str, Run]:
        """Those under way, by id."""
        return {run.id: run for run in self.unfinished}

    def busy(self) -> bool:
        """Whether a run is under way or being judged."""
        return bool(self.unfinished) or self.judging

    @property
    def may_begin_anew(self) -> bool:
        """Nothing is known here that the store does not know as well."""
        return not self.judging and (self._detection is None or not self._detection.holds_back)

    def start(self, name: str, selector: str, labels: Labels, origin: str = "api") -> Run:
        """Raises RunConflict, SelectorRefused, and NotReady while another run is being judged."""
        if self.judging:
            raise NotReady("a run is being judged just now; try again in a few seconds")
        run = self._lifecycle.start(name, self._clock(), origin, selector, labels)
        self._announce(run)
        return run

    def stop(self, run_id: str) -> Run:
        """One that is settling is left as it is. Raises UnknownRun if it is not under way."""
        before = next((run for run in self.unfinished if run.id == run_id), None)
        if before is None:
            raise UnknownRun(f"no run {run_id} is under way")
        run = self._lifecycle.stop(run_id, self._clock())
        if run.state is not before.state:
            self._changed(Change(run, before.state, "stopped"))
        return run

    def detect(self, values: Mapping[str, float] | None, time: float) -> None:
        """Start and stop runs by `runs.detect`, where that is set; None: it was not answered."""
        if self._detection is None:
            return
        for change in self._detection.update(values, time):
            if change.previous is None:
                self._announce(change.run)
            else:
                self._changed(change)

    async def move(self, time: float) -> None:
        """Every change of state that is due, verdicts among them."""
        changes = self._lifecycle.tick(time)
        for change in changes:
            self._changed(change)
        for change in changes:
            if change.run.state is RunState.FINISHED:
                await self._end(change.run)

    def judge(self, batch: Batch) -> None:
        """One tick's values through the pipeline; what becomes of incidents is told."""
        before = {incident.id for incident in self.open_incidents()}
        self._recorder.retry()
        self._shaping.keep_if_due(batch.time)
        judged_until = self._pipeline.window_end
        changed = self._pipeline.process(batch)
        if self._pipeline.window_end > judged_until:
            self._recorder.window(batch)
        for incident in changed:
            self._tell(incident)
            if incident.id not in before:
                telemetry.incidents_opened.add(1, {"severity": incident.severity})

    def tell_again(self, incidents: Iterable[Incident]) -> None:
        """Incidents that were open before a restart, for sinks that missed it."""
        for incident in incidents:
            run = self._pipeline.courses[incident.run_id].run
            self._delivery.put(self._notice(run, incident))
            self._enricher.put(run, incident)

    def enriched(self, found: Enrichment) -> None:
        """Traces and log lines were fetched: the incident is told again, with them."""
        self._store.save_enrichment(found)
        run = self._store.run(found.run_id)
        known = (i for i in self._store.incidents(found.run_id) if i.id == found.incident_id)
        incident = next(known, None)
        if run is not None and incident is not None and (found.traces or found.logs):
            self._delivery.put(IncidentChanged(run, incident, found, self._shape(run)))
            self._hub.publish(incident_event(incident, found))

    def open_incidents(self) -> list[Incident]:
        of_run = self._pipeline.incidents.of_run
        return [i for run_id in self._pipeline.courses for i in of_run(run_id) if i.open]

    def _announce(self, run: Run) -> None:
        self._store.save_run(run)
        self._begins(run)
        self._pipeline.start_run(run)
        self._recorder.begin(run)
        self._shaping.begin(run)
        self._delivery.put(RunStarted(run))
        self._hub.publish(run_event(run, "started"))
        log.info("run %s (%s) started", run.id, run.name)

    def _changed(self, change: Change) -> None:
        if change.run.state is not RunState.FINISHED:
            self._store.save_run(change.run)
            self._pipeline.change_run(change.run)
        self._hub.publish(run_event(change.run, change.reason))
        log.info("run %s is %s: %s", change.run.id, change.run.state, change.reason)

    async def _end(self, run: Run) -> None:
        """Judge in a thread: the tick waits for it, the API and the sinks do not."""
        stored = self._store.run(run.id)
        run = replace(run, notes=stored.notes if stored is not None else run.notes)
        outcomes = self._store.outcomes()
        self.judging = True
        try:
            self._pipeline.facts = (*self._pipeline.facts, *await self._called(run))
            shape = self._shaping.end(run)
            self._judged = run.id, shape
            await self._deploying.conclude(run)
            verdict, closed, document = await asyncio.to_thread(self._verdict, run, shape, outcomes)
        finally:
            self.judging = False
        for incident in closed:
            self._tell(incident)
        directory = reporting.directory(self._config.state_dir, run.id)
        self._store.save_verdict(run, verdict, self._clock(), directory)
        self._recorder.finish(run, verdict)
        self._pipeline.facts = tuple(f for f in self._pipeline.facts if f.kind != CALLED)
        telemetry.verdicts.add(1, {"outcome": verdict.outcome.value})
        self._pipeline.forget_run(run.id)
        self._deploying.forget(run.id)
        self._delivery.put(RunFinished(run, verdict))
        self._finished(Finished(run, verdict, document))
        self._hub.publish(finished_event(run, verdict))
        log.info("run %s: %s", run.id, verdict.outcome.value)

    def _verdict(
        self, run: Run, shape: tuple[ShapeChange, ...], outcomes: Sequence[RecordedOutcome]
    ) -> tuple[Verdict, list[Incident], Document]:
        at = run.stopped_at or run.started_at
        judged, closed = self._pipeline.finish_run(run, at)
        verdict = replace(judged, shape=shape, risk=self._calibrated(run, judged.risk, outcomes))
        made = reporting.build(run, verdict, self._pipeline, self._config, self._parity())
        return verdict, closed, made

    def _calibrated(
        self, run: Run, risk: Risk | None, outcomes: Sequence[RecordedOutcome]
    ) -> Risk | None:
        """By what became of releases before, as far as that was recorded."""
        if risk is None:
            return None
        needed = Enough(self._config.risk.outcomes, self._config.risk.of_each)
        return calibrated(risk, outcomes, run.started_at, needed)

    def _tell(self, incident: Incident) -> None:
        self._store.save_incident(incident)
        run = self._pipeline.courses[incident.run_id].run
        notice = self._notice(run, incident)
        self._delivery.put(notice)
        self._hub.publish(incident_event(incident, notice.found))
        self._enricher.put(run, incident)

    def _notice(self, run: Run, incident: Incident) -> IncidentChanged:
        found = self._store.enrichment(run.id, incident.id)
        return IncidentChanged(run, incident, found, self._shape(run))

    def _shape(self, run: Run) -> tuple[ShapeChange, ...]:
        """Of a run that ended as its verdict says, of any other as it is so far."""
        if self._judged is not None and self._judged[0] == run.id:
            return self._judged[1]
        verdict = self._store.verdict(run.id) if run.state is RunState.FINISHED else None
        return verdict.shape if verdict is not None else self._shaping.so_far(run)
