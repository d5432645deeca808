"""One configuration at work: sources, pipeline and sinks, tick by tick.

A reload ends the session and begins another, just as a restart does: runs under way, open
incidents and the detectors' state come back from the state directory.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from anomalyd import __version__, assembly, snapshots, telemetry
from anomalyd.api.hub import Hub, finished_event, incident_event, run_event
from anomalyd.assembly import Plan
from anomalyd.baseline.file import BaselineError, check_fits
from anomalyd.baseline.file import load as load_baseline
from anomalyd.baseline.rows import RowStore, RowsWriter
from anomalyd.config import Config
from anomalyd.judgement.silences import Silence
from anomalyd.model import Batch, Incident, Run, RunState, State, Verdict
from anomalyd.pipeline import Pipeline
from anomalyd.query import QueryError, parse_labels
from anomalyd.refresh import baseline_path, requests, store_path
from anomalyd.runs.detect import Detection
from anomalyd.runs.life import Change, Lifecycle, Rules
from anomalyd.runs.store import Store
from anomalyd.sinks.base import IncidentChanged, RunFinished, RunStarted
from anomalyd.sinks.delivery import Delivery
from anomalyd.sources.base import Side, Source

log = logging.getLogger(__name__)

SNAPSHOT_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Finished:
    """A run that ended: its verdict, and the pipeline that holds its record."""

    run: Run
    verdict: Verdict
    pipeline: Pipeline


class Session:
    """Enter it to connect; `tick` then does one step of work; leaving it stops the sources.

    finished: called with each run that ended, within the tick; it must not wait.
    """

    def __init__(
        self,
        config: Config,
        store: Store,
        hub: Hub,
        delivery: Delivery,
        finished: Callable[[Finished], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.config, self.store, self.hub = config, store, hub
        self._delivery, self._finished, self._clock = delivery, finished, clock
        judgement = config.judgement
        rules = Rules(
            warmup=judgement.warmup,
            settle=judgement.settle,
            max_duration=config.runs.max_duration,
            label=config.runs.label,
        )
        self.lifecycle = Lifecycle(rules, store.unfinished_runs())
        self._detection = (
            Detection(self.lifecycle, config.runs.detect.name) if config.runs.detect else None
        )
        self._stack = AsyncExitStack()
        self.plan: Plan | None = None
        self.sources: list[Source] = []
        self._writer: RowsWriter | None = None
        self.baseline_trouble = "no baseline has been fitted yet"
        self._baseline_stamp: tuple[int, int] | None = None
        self._snapshot_at = 0.0
        self._saved: Sequence[Silence] = ()

    async def __aenter__(self) -> Session:
        """Raises SourceError for what the user must mend; a source that is away may return."""
        self.plan = await assembly.look(self.config, self._stack)
        for side in (self.plan.staging, self.plan.production):
            if side is not None and side.trouble:
                log.warning("%s: %s", side.name, side.trouble)
        self.staging, table = assembly.source(self.config, self.plan, self.plan.staging)
        await self._begin(self.staging)
        self.pipeline = assembly.pipeline(self.config, self.plan, table)
        self.read_silences()
        self.read_baseline()
        production = self.plan.production
        self.production: Source | None = None
        if production is not None and production.api is None:
            await self._keep(production)
        self._restore()
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._writer is not None:
            self._written(self._writer.flush)
        self.snapshot()
        await self._stack.aclose()

    @property
    def signals_known(self) -> bool:
        return bool(self.plan and self.plan.signals)

    async def _begin(self, source: Source) -> None:
        await source.start()
        self._stack.push_async_callback(source.stop)
        self.sources.append(source)

    async def _keep(self, side: Side) -> None:
        """A production that is scraped has no history but what is kept of it from here on."""
        if self.plan is None:
            return
        self.production, table = assembly.source(self.config, self.plan, side)
        await self._begin(self.production)
        stored = [(one.value, one.count) for one in requests(self.config, self.plan, side)]
        keep = RowStore(store_path(self.config))
        self._writer = RowsWriter(keep, table, stored, flush_every=10 * self.plan.window)

    # One tick -------------------------------------------------------------------------------

    async def tick(self, time: float) -> None:
        """Everything that is due at `time` (unix seconds, a multiple of `step`)."""
        begun = self._clock()
        self.store.retry()
        self.read_baseline()
        await self._detect(time)
        await self._move(self.lifecycle.tick(time))
        batch = await self.staging.collect(time)
        if self.production is not None and self._writer is not None:
            self._written(self._writer.append, await self.production.collect(time))
        before = {i.id for i in self.open_incidents()}
        collected = self._clock()
        for incident in self.pipeline.process(batch):
            self._tell(incident, new=incident.id not in before)
        self._measure(batch, begun, collected)
        if time - self._snapshot_at >= SNAPSHOT_SECONDS:
            self.snapshot()

    def start_run(self, name: str, selector: str, labels: Any, origin: str = "api") -> Run:
        run = self.lifecycle.start(name, self._clock(), origin, selector, labels)
        self._announce(run)
        return run

    def stop_run(self, run_id: str) -> Run:
        run = self.lifecycle.stop(run_id, self._clock())
        self._changed(Change(run, RunState.ACTIVE, "stopped"))
        return run

    def note_changed(self, run: Run) -> None:
        """The stored run has other notes now."""
        if run.id in self.pipeline.courses:
            self.pipeline.change_run(run)

    async def _detect(self, time: float) -> None:
        api = self.plan.staging.api if self.plan else None
        if self._detection is None or self.config.runs.detect is None or api is None:
            return
        label = self.config.runs.label
        try:
            found = await api.instant(self.config.runs.detect.promql, time)
        except QueryError as error:
            log.debug("runs.detect: %s", error)
            changes = self._detection.update(None, time)
        else:
            values: dict[str, float] = {}
            for key, value in zip(found.keys, found.values, strict=True):
                selector = parse_labels(key).get(label) if label else ""
                values[selector] = max(float(value), values.get(selector, 0.0))
            changes = self._detection.update(values, time)
        for change in changes:
            if change.previous is None:
                self._announce(change.run)
            else:
                self._changed(change)

    def _announce(self, run: Run) -> None:
        self.store.save_run(run)
        self.pipeline.start_run(run)
        self._delivery.put(RunStarted(run))
        self.hub.publish(run_event(run, "started"))
        log.info("run %s (%s) started", run.id, run.name)

    async def _move(self, changes: Sequence[Change]) -> None:
        for change in changes:
            self._changed(change)
            if change.run.state is RunState.FINISHED:
                await self._end(change.run)

    def _changed(self, change: Change) -> None:
        if change.run.state is not RunState.FINISHED:
            self.store.save_run(change.run)
            self.pipeline.change_run(change.run)
        self.hub.publish(run_event(change.run, change.reason))
        log.info("run %s is %s: %s", change.run.id, change.run.state, change.reason)

    async def _end(self, run: Run) -> None:
        """Judge in a thread: the tick waits for it, the API and the sinks do not."""
        at = run.stopped_at or self._clock()
        verdict, closed = await asyncio.to_thread(self.pipeline.finish_run, run, at)
        for incident in closed:
            self._tell(incident, new=False)
        self.store.save_verdict(run, verdict, self._clock(), self.report_dir(run.id))
        telemetry.verdicts.add(1, {"outcome": verdict.outcome.value})
        self._delivery.put(RunFinished(run, verdict))
        self._finished(Finished(run, verdict, self.pipeline))
        self.hub.publish(finished_event(run, verdict))
        log.info("run %s: %s", run.id, verdict.outcome.value)

    def report_dir(self, run_id: str) -> Any:
        return self.config.state_dir / "reports" / run_id

    def _tell(self, incident: Incident, *, new: bool) -> None:
        self.store.save_incident(incident)
        course = self.pipeline.courses.get(incident.run_id)
        if course is not None:
            self._delivery.put(IncidentChanged(course.run, incident))
        self.hub.publish(incident_event(incident))
        if new:
            telemetry.incidents_opened.add(1, {"severity": incident.severity})

    def open_incidents(self) -> list[Incident]:
        runs = self.pipeline.courses
        return [i for run_id in runs for i in self.pipeline.incidents.of_run(run_id) if i.open]

    def _measure(self, batch: Batch, begun: float, collected: float) -> None:
        now = self._clock()
        telemetry.ticks.add(1)
        telemetry.tick_duration.record(max(0.0, now - collected))
        telemetry.tick_lag.set(max(0.0, now - batch.time))
        telemetry.samples.add(len(batch.rows), {"source": self.staging.name})
        telemetry.source_up.set(float(bool(batch.answered)), {"source": self.staging.name})
        telemetry.source_duration.record(max(0.0, collected - begun), {"source": self.staging.name})
        telemetry.signal_series.set(len(self.pipeline.table), {"environment": "staging"})
        telemetry.incidents_open.set(len(self.open_incidents()))
        self._measure_judgement(batch.time)
        telemetry.store_degraded.set(float(self.store.degraded is not None))
        for sink, length in self._delivery.queue_lengths().items():
            telemetry.sink_queue.set(length, {"sink": sink})
        states = [run.state for run in self.lifecycle.runs]
        for state in (RunState.WARMUP, RunState.ACTIVE, RunState.SETTLING):
            telemetry.runs.set(states.count(state), {"state": state.value})

    def _measure_judgement(self, time: float) -> None:
        pipeline = self.pipeline
        if pipeline.window_end == time:
            judged = [c.record.judged[-1] for c in pipeline.courses.values() if c.record.judged]
            telemetry.evidence_windows.add(sum(judged))
        counts = np.bincount(pipeline.anomalies.state, minlength=len(State))
        for state in State:
            telemetry.judged_series.set(int(counts[state]), {"state": state.name.lower()})

    # What is kept ---------------------------------------------------------------------------

    def read_baseline(self) -> None:
        """Take up the baseline file if it changed; `baseline_trouble` says why there is none."""
        path = baseline_path(self.config)
        try:
            stamp = (path.stat().st_mtime_ns, path.stat().st_size)
        except OSError:
            return
        judging = self.pipeline.reference.known and self.lifecycle.runs
        if stamp == self._baseline_stamp or self.plan is None or judging:
            return  # a run keeps the reference that it began with
        self._baseline_stamp = stamp
        try:
            baseline = load_baseline(path)
            check_fits(baseline, self.plan.window)
        except BaselineError as error:
            self.baseline_trouble = str(error)
            log.warning("%s", error)
            return
        self.pipeline.use_baseline(baseline)
        self.baseline_trouble = ""
        count = len(baseline.profiles.keys)
        telemetry.signal_series.set(count, {"environment": "production"})
        log.info("baseline of %d signal series from %s", count, path)

    def read_silences(self) -> None:
        now = self._clock()
        added = [Silence(s.signal, s.match, s.reason, s.until) for s in self.store.silences(now)]
        self.pipeline.silences = (*assembly.silences(self.config), *added)

    def snapshot(self) -> None:
        self._snapshot_at = math.floor(self._clock())
        path = self.config.state_dir / "snapshot.npz"
        self._written(snapshots.save, self.pipeline, path, __version__)

    def _restore(self) -> None:
        """Runs and incidents that were under way; arrays only if this version wrote them."""
        path = self.config.state_dir / "snapshot.npz"
        self.pipeline.restore(self.lifecycle.runs)
        if self.lifecycle.runs and snapshots.load(self.pipeline, path, __version__):
            log.info("detectors go on from %s", path)
        self.pipeline.reopen(self.store.open_incidents())
        for incident in self.open_incidents():
            self._delivery.put(
                IncidentChanged(self.pipeline.courses[incident.run_id].run, incident)
            )

    def _written(self, write: Callable[..., None], *arguments: Any) -> None:
        """A disk that refuses is said, not fatal: what is judged lives in memory."""
        try:
            write(*arguments)
        except OSError as error:
            log.warning("%s: %s; state will be older after a restart", self.config.state_dir, error)
