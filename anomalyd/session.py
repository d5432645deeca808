"""One configuration at work: sources, pipeline and sinks, tick by tick.

A reload ends the session and begins another, just as a restart does: runs under way, open
incidents and the detectors' state come back from the state directory.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import AsyncExitStack

from anomalyd import assembly, clocks, deploying
from anomalyd.api.hub import Hub
from anomalyd.baseline.rows import RowStore, RowsWriter
from anomalyd.config import Config
from anomalyd.crowding import crowded
from anomalyd.detection import Detection
from anomalyd.enriching import Enricher
from anomalyd.exercise import Exercise
from anomalyd.judgement.silences import Silence
from anomalyd.keeping import BaselineFile, Disk, Memory
from anomalyd.learning import Learner
from anomalyd.metering import measure
from anomalyd.mirroring import Mirroring
from anomalyd.model import Environment
from anomalyd.push import Receiver
from anomalyd.recorder import Recorder
from anomalyd.refresh import baseline_path, requests, store_path
from anomalyd.running import Finished, Running
from anomalyd.runs.store import Store
from anomalyd.shaping import Shaping
from anomalyd.sinks.delivery import Delivery
from anomalyd.sources import receivers
from anomalyd.sources.base import Side, Source
from anomalyd.sources.boundaries import boundaries
from anomalyd.sources.combined import Combined, arrived
from anomalyd.sources.kept import kept_of
from anomalyd.teaching import Teaching
from anomalyd.tick import Asked, until

log = logging.getLogger(__name__)


class Session:
    """Enter it to connect; each tick is `ask`, which may be cancelled, then `judge` and `keep`,
    which may not.

    Leaving it stops the sources and keeps the state, but for an error that is ours: then the
    last good state stays. finished: called with each run that ended; it must not wait.
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
        self.config, self.store, self.hub, self.delivery = config, store, hub, delivery
        self._finished, self._clock = finished, clock
        self._stack = AsyncExitStack()
        self.sources: list[Source] = []
        self.production: Combined | None = None
        self.receivers: dict[str, Receiver] = {}
        self._writer: RowsWriter | None = None
        self._disk = Disk(config.state_dir)
        self._skew: list[str] = []
        self._silent = True

    async def __aenter__(self) -> Session:
        """Raises SourceError for what the user must mend; a source that is away may return."""
        async with AsyncExitStack() as stack:
            await self._enter(stack)
            self._stack = stack.pop_all()
        return self

    async def _enter(self, stack: AsyncExitStack) -> None:
        plan = self.plan = await assembly.look(self.config, stack)
        bounds = await boundaries(plan.signals, plan.production, self.config.identity.service)
        self.staging, table = assembly.source(self.config, plan, plan.staging, bounds)
        self._detection = Detection(self.config.runs, plan.staging.api)
        self.pipeline = assembly.pipeline(self.config, plan, table)
        self.learner = Learner(self.config, self._sides, self._clock)
        await self.learner.start()
        self.pipeline.use_graph(self.learner.graph())
        self.enricher = Enricher(self.config.enrich, self._clock, kept_of(self.staging))
        await self.enricher.start(stack)
        self.baseline = BaselineFile(baseline_path(self.config), self.plan.window)
        state, store = self.config.state_dir, self.store
        self.teaching = Teaching(self.pipeline, store, state, self._disk, self._clock)
        self.mirror = Mirroring(self.config, self.pipeline, store, self.delivery, self._clock)
        self.deploying = deploying.build(
            self.config, plan, self.pipeline, store, self.hub, self._clock
        )
        recorder = Recorder(self.pipeline, self.config, self.baseline, self._disk, store.accepted)
        self._shaping = Shaping(self.staging, state, self._disk, self.config.runs.label)
        self.runs = Running(
            self.config,
            self.pipeline,
            self.store,
            self.hub,
            self.delivery,
            self._finished,
            self._clock,
            recorder,
            self.enricher,
            self._shaping,
            self.deploying,
            self.mirror.section,
            Exercise(self.config, self.plan.staging, self._clock).called,
            self.teaching.begin,
        )
        self.teaching.resume(self.runs.unfinished)
        self.read_silences()
        self.read_baseline()
        self._memory = Memory(self.pipeline, state / "snapshot.npz", self._disk)
        reopened = self._memory.restore(self.runs.unfinished, store)
        for run in self.runs.unfinished:
            recorder.resume(run)
        await self._begin(self.staging, stack)
        if (fed := plan.production) and not fed.tells_past:
            await self._keep(fed, stack)
        self.receivers = receivers(self._both)
        self._skew = await clocks.apart(self._sides, self._clock)
        self.runs.tell_again(reopened)

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._writer is not None:
            self._disk.write("history", self._writer.flush)
        self._shaping.keep()
        if kind is None or not issubclass(kind, Exception):
            self._memory.snapshot()
        await self._stack.aclose()

    @property
    def signals_known(self) -> bool:
        return bool(self.plan.signals)

    @property
    def settled(self) -> bool:
        """There is something to judge, and staging is not away."""
        return self.signals_known and not self.plan.staging.away

    @property
    def _sides(self) -> list[Side]:
        return [side for side in (self.plan.staging, self.plan.production) if side is not None]

    @property
    def _both(self) -> dict[Environment, Combined]:
        sides = {Environment.STAGING: self.staging, Environment.PRODUCTION: self.production}
        return {name: side for name, side in sides.items() if side is not None}

    async def _begin(self, source: Source, stack: AsyncExitStack) -> None:
        stack.push_async_callback(source.stop)
        await source.start()
        self.sources.append(source)

    async def _keep(self, side: Side, stack: AsyncExitStack) -> None:
        """A production that is scraped has no history but what is kept of it from here on."""
        self.production, table = assembly.source(self.config, self.plan, side)
        self._production_table = table
        await self._begin(self.production, stack)
        self._shaping.follow(self.production)
        stored = [(one.value, one.count) for one in requests(self.config, self.plan, side)]
        keep = RowStore(store_path(self.config))
        self._writer = RowsWriter(keep, table, stored, flush_every=10 * self.plan.window)

    async def tick(self, time: float) -> None:
        """Everything that is due at `time` (unix seconds, a multiple of `step`)."""
        await self.judge(await self.ask(time))
        await self.keep()

    async def begin(self, time: float) -> Asked:
        """`ask` at `time`, what can be done before being done before; may be cancelled."""
        await until(time, self._both.values(), self._clock)
        return await self.ask(time)

    async def ask(self, time: float) -> Asked:
        """What is known of (time - window, time]. Changes nothing; may be cancelled."""
        await arrived(self._both.values(), time, time + self.late - self._clock())
        begun = self._clock()
        under_way = await self._detection.ask(time)
        batch = await self.staging.collect(time)
        production = await self.production.collect(time) if self.production is not None else None
        return Asked(batch, production, under_way, begun, self._clock())

    @property
    def late(self) -> float:
        """Seconds that a tick may wait for samples that are pushed."""
        return max(source.late for source in self._both.values())

    async def judge(self, asked: Asked) -> None:
        """Move the runs on, judge what was answered, and hand on what is to be told."""
        batch = asked.batch
        self.store.retry()
        self.read_baseline()
        self._silent = not len(batch.rows)
        if asked.production is not None and self._writer is not None:
            self._disk.write("history", self._writer.append, asked.production)
        self.runs.detect(asked.under_way, batch.time)
        self.learner.take(Environment.STAGING, self.pipeline.table, batch, self.staging)
        if asked.production is not None and (side := self.production) is not None:
            table = self._production_table
            self.learner.take(Environment.PRODUCTION, table, asked.production, side)
        if not self.runs.judging:
            self.pipeline.use_graph(self.learner.graph())
        await self.runs.move(batch.time)
        self.runs.judge(batch)
        measure(self, asked, self._clock())

    async def keep(self) -> None:
        """What a tick changed, for the next start; before the next tick."""
        await self._memory.snapshot_if_due()

    def read_baseline(self) -> None:
        """Take up the baseline file if it changed; not while a verdict is being worked out."""
        if not self.runs.judging:
            under_way = bool(self.runs.unfinished)
            self.baseline.take_up(self.pipeline, under_way, self.teaching.recall)

    def read_silences(self) -> None:
        now = self._clock()
        added = [Silence(s.signal, s.match, s.reason, s.until) for s in self.store.silences(now)]
        self.pipeline.silences = (*assembly.silences(self.config), *added)

    def unready(self) -> list[str]:
        """What is still missing before a run can be judged, as sentences."""
        missing = []
        if not self.signals_known:
            missing.append("no signal matches anything in staging; `anomalyd doctor` says why")
        if self._silent:
            trouble = self.plan.staging.trouble
            missing += self.staging.troubles()[:1] or ([trouble] if trouble else [])
        if self.config.environments.production is not None and self.baseline.trouble:
            missing.append(self.baseline.trouble)
        return missing

    def degraded(self) -> list[str]:
        """What does not work as it should while the rest goes on, as sentences."""
        table = self.pipeline.table
        full = f"limits.series ({table.limit}) is reached: further series are not judged; raise it"
        silent = [one for source in self.sources for one in source.troubles()]
        back = self.plan.staging if self.plan.staging.away and not self._silent else None
        away = [side.trouble for side in self._sides if side.trouble and side is not back]
        told = [
            *silent,
            *away,
            *self._detection.troubles,
            *self._skew,
            *self.teaching.troubles(),
            *self.enricher.troubles(),
            *self.mirror.troubles(),
            *([full] if table.refused else []),
        ]
        return list(dict.fromkeys([*told, *self._disk.troubles()]))

    def _crowded(self) -> bool:
        """Not where a new session would forget that an expression which is still high must start
        no run, or would begin with a staging that is away."""
        if not self.runs.may_begin_anew or self.staging.troubles():
            return False
        return crowded(self.pipeline, self.runs.unfinished)

    async def may_know_more(self) -> bool:
        """Whether it is worth beginning anew: what was away has come, something else is pushed,
        nothing matched yet, or the rows of runs that are over are in the way."""
        if self._crowded():
            log.info("series of runs that are over are let go of: limits.series is near")
            return True
        away = [side for side in self._sides if side.away]
        if self.runs.unfinished and self.signals_known:
            return False  # a run keeps the signals that it began with
        for side in away:
            if await self._answers(side):
                return True
        if any(source.news() is not None for source in self._both.values()):
            return self._plans_anew()
        looks = any(not side.config.pushed for side in self._sides)
        return looks and not away and not self.signals_known

    def _plans_anew(self) -> bool:
        """Whether what is pushed now makes other signals, or a window of another length."""
        staging, production = self.plan.staging, self.plan.production
        staging = self.staging.news() or staging
        if self.production is not None:
            production = self.production.news() or production
        plan = assembly.settle(self.config, staging, production)
        return (plan.signals, plan.window) != (self.plan.signals, self.plan.window)

    async def _answers(self, side: Side) -> bool:
        source = self._both.get(side.name)
        if source is not None:
            return await source.returned()
        asked = side.api or side.client
        return asked is not None and await asked.answers()
