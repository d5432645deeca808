"""Builds the parts and keeps them going: start consumers first, stop sources first.

store ─ API ─┬─ sinks ─ session (sources ─▶ pipeline ─▶ sinks), a new one at every reload
             ├─ baseline upkeep, in a child process
             └─ reports, in child processes
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from anomalyd import config as configuration
from anomalyd import control, reloading, showing, telemetry
from anomalyd.api.hub import Hub
from anomalyd.config import Config
from anomalyd.errors import USER_ERRORS, sentences
from anomalyd.last import LastRuns
from anomalyd.listening import Listening, listen
from anomalyd.notify import Notifier
from anomalyd.reports import Reporter
from anomalyd.risk.calibration import Enough
from anomalyd.running import Finished
from anomalyd.runs.store import Store
from anomalyd.session import Session
from anomalyd.sinks import build
from anomalyd.sinks.base import Context
from anomalyd.sinks.delivery import Delivery
from anomalyd.tick import AHEAD_SECONDS
from anomalyd.upkeep import Upkeep
from anomalyd.waiting import next_due, unless, within

log = logging.getLogger(__name__)

Ended = Callable[[Finished], None]

LOOK_AGAIN_SECONDS = 5.0
STOPPING = "the daemon is stopping; nothing was applied"


class Daemon:
    """One daemon on one state directory.

    path, overrides: where the configuration came from, for reloads and for fitting; without a
    path neither happens. listen: False keeps the API away (`watch` in its own process).
    reported: called when the reports of a run are written, with the files that are there.
    """

    def __init__(
        self,
        config: Config,
        path: Path | None = None,
        overrides: Sequence[str] = (),
        *,
        listen: bool = True,
        reported: Callable[[Finished, list[Path]], None] = lambda finished, paths: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.config, self._path, self._overrides = config, path, tuple(overrides)
        self._listen, self._reported, self._clock = listen, reported, clock
        self.hub, self._notifier = Hub(), Notifier()
        self.session: Session | None = None
        self.listening: Listening | None = None
        self.started = asyncio.Event()
        self.upkeep = (
            Upkeep(path, overrides, lambda: self.config, lambda: self.session, clock)
            if path is not None
            else None
        )
        self._wake, self._stopping = asyncio.Event(), False
        self._proven: Config | None = None
        self._reloading = asyncio.Lock()
        self._applied: asyncio.Future[list[str]] | None = None
        self._told: list[str] = []
        self._watched = showing.Watched(lambda series: False)
        self._bands: tuple[telemetry.Band, ...] = ()
        self._last = LastRuns()

    def stop(self) -> None:
        """End as soon as nothing is half done: drain, snapshot, leave."""
        self._stopping = True
        self._wake.set()

    async def reload(self) -> None:
        """Apply the file again, and return once it is at work. One after another.

        Raises ConfigError, with the old configuration kept, where the new one is not valid or a
        source or sink refuses it.
        """
        if self._path is None:
            raise configuration.ConfigError(["this daemon was not started from a file"])
        async with self._reloading:
            if self._stopping:
                raise configuration.ConfigError([STOPPING])
            new = configuration.load(self._path, self._overrides)
            self.config = reloading.applicable(new, self.config)
            self._notifier.reloading()
            self._applied = asyncio.get_running_loop().create_future()
            self._wake.set()
            refused = await self._applied
            if refused:
                raise configuration.ConfigError(refused)
            reloading.apply_log_level(self.config)
            if self.listening is not None:
                reloading.reread_token(self.listening.accesses, new.api, self.config.api)

    async def run(self) -> None:
        """Until `stop`. Raises StoreError, ApiError, SourceError, SinkError for the user."""
        with Store.open(self.config.state_dir / "anomalyd.db", exclusive=True) as store:
            self._last.remember(store)
            handle = telemetry.setup(
                self.config.telemetry,
                bands=lambda: self._bands,
                outcomes=lambda: self._last.outcomes,
                risks=lambda: self._last.risks,
                sources=("staging", "production"),
                sinks=[name for name, _ in self.config.sinks if name not in ("queue", "drain")],
            )
            self._watched = showing.Watched(handle.watches)
            try:
                await self._run(store, handle.render)
            finally:
                self._stopping = True
                self._say_applied([STOPPING])
                handle.shutdown()

    async def _run(self, store: Store, metrics: Callable[[], bytes]) -> None:
        at_work = (lambda: self.config, self._clock, self._reported, lambda: self.session)
        reporter = Reporter(store, *at_work)
        reporter.put_missed()

        def ended(finished: Finished) -> None:
            self._last.remember(store)
            reporter.put(finished)

        async with self._api(store, reporter, metrics), asyncio.TaskGroup() as tasks:
            background = [
                tasks.create_task(self._notifier.keep_alive(), name="watchdog"),
                tasks.create_task(reporter.run(), name="reports"),
            ]
            if self.upkeep is not None:
                background.append(tasks.create_task(self.upkeep.run(), name="baseline upkeep"))
            await self._sessions(store, ended)
            self._notifier.stopping("draining")
            await reporter.join()
            for task in background:
                task.cancel()

    @contextlib.asynccontextmanager
    async def _api(
        self, store: Store, reporter: Reporter, metrics: Callable[[], bytes]
    ) -> AsyncIterator[None]:
        if not self._listen:
            yield
            return
        upkeep = self.upkeep
        facade = control.DaemonControl(
            store,
            reporter,
            lambda: self.session,
            self._clock,
            self.reload,
            metrics,
            lambda: upkeep.trouble if upkeep is not None else None,
            lambda: self.config.judgement.accepted_change,
            lambda: Enough(self.config.risk.outcomes, self.config.risk.of_each),
        )
        async with listen(self.config, facade, self.hub) as self.listening:
            yield

    async def _sessions(self, store: Store, ended: Ended) -> None:
        """One session after another, each with the configuration of its time."""
        while not self._stopping:
            try:
                await self._deliver(store, ended)
            except* USER_ERRORS as refused:
                if self._proven is None or self.config is self._proven:
                    raise
                told = list(sentences(refused))
                log.error("the configuration is kept as it was: %s", "; ".join(told))
                self.config = self._proven
                self._say_applied(told)

    async def _deliver(self, store: Store, ended: Ended) -> None:
        """Sessions on the same sinks: what waits for delivery outlives a reload of other things."""
        config = self.config
        context = Context(store.memory, config.step, config.api.external_url, self._clock)
        sinks = config.sinks
        delivery = Delivery(build(sinks, context), queue=sinks.queue, drain=sinks.drain)
        await delivery.start()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(delivery.run(), name="delivery")
                try:
                    while not self._stopping and (self.config.sinks, self.config.step) == (
                        sinks,
                        config.step,
                    ):
                        self._wake.clear()
                        await self._work(self.config, store, delivery, ended)
                finally:
                    await delivery.drain()
        finally:
            await delivery.stop()

    async def _work(self, config: Config, store: Store, delivery: Delivery, ended: Ended) -> None:
        session = Session(config, store, self.hub, delivery, ended, self._clock)
        async with contextlib.AsyncExitStack() as stack:
            if await unless(self._wake, stack.enter_async_context(session)) is None:
                return
            self._proven = config
            async with asyncio.TaskGroup() as tasks:
                background = [
                    tasks.create_task(source.run(), name=f"source {source.name}")
                    for source in session.sources
                ]
                background += [
                    tasks.create_task(session.teaching.run(session.runs), name="accepted runs"),
                    tasks.create_task(session.learner.run(), name="service graph"),
                    tasks.create_task(session.enricher.run(session.runs.enriched), name="enrich"),
                    tasks.create_task(session.mirror.run(session.runs.busy), name="parity"),
                    tasks.create_task(session.deploying.run(session.runs.by_id), name="deployment"),
                ]
                self.session = session
                self._say_at_work(session)
                try:
                    await self._ticks(session)
                finally:
                    self.session = None
                    self.started.clear()
                    for task in background:
                        task.cancel()

    def _say_at_work(self, session: Session) -> None:
        troubles = session.degraded()
        for trouble in troubles:
            if trouble not in self._told:
                log.warning("%s", trouble)
        self._told = troubles
        if session.settled:
            self.started.set()
        self._notifier.ready(f"judging {len(session.pipeline.table.signals)} signals")
        self._say_applied([])

    def _say_applied(self, refused: list[str]) -> None:
        """To `reload`, if it waits."""
        if self._applied is not None and not self._applied.done():
            self._applied.set_result(refused)

    async def _ticks(self, session: Session) -> None:
        """At every multiple of `step`; see `waiting.next_due`."""
        step = session.config.step
        ahead = min(AHEAD_SECONDS, step / 4)
        looked, due = self._clock(), None
        while not self._wake.is_set():
            now = self._clock()
            if now - looked > LOOK_AGAIN_SECONDS:
                looked = now
                if await unless(self._wake, session.may_know_more()):
                    return
            due = next_due(now, step, due, session.late)
            if await within(self._wake, due - ahead - self._clock()):
                return
            asked = await unless(self._wake, session.begin(due))
            if asked is None:
                return
            await session.judge(asked)
            limit = session.config.telemetry.series
            self._bands = showing.bands(session, self._watched, limit)
            await session.keep()


async def serve(daemon: Daemon) -> None:
    """Run until SIGTERM or SIGINT; SIGHUP reloads."""
    # What was imported stays: a full collection that walks it holds up a tick for nothing.
    gc.freeze()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, daemon.stop)

    async def reload() -> None:
        try:
            await daemon.reload()
        except configuration.ConfigError as error:
            log.error("the configuration is kept as it was: %s", "; ".join(error.errors))

    async with asyncio.TaskGroup() as tasks:
        loop.add_signal_handler(
            signal.SIGHUP, lambda: tasks.create_task(reload(), name="reload") and None
        )
        await daemon.run()
