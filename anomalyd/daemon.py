"""Builds the parts and keeps them going: start consumers first, stop sources first.

store ─ API ─┬─ session (sources ─▶ pipeline ─▶ sinks), a new one at every reload
             ├─ baseline refresh, in a child process
             └─ reports, in child processes
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import signal
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from anomalyd import config as configuration
from anomalyd import control, reporting, telemetry
from anomalyd.api import server
from anomalyd.api.access import Access
from anomalyd.api.app import create_app
from anomalyd.api.hub import Hub
from anomalyd.assembly import digest
from anomalyd.config import Config
from anomalyd.notify import Notifier
from anomalyd.refresh import baseline_path, refit_apart
from anomalyd.report.process import render
from anomalyd.runs.store import Store
from anomalyd.session import Finished, Session
from anomalyd.sinks import build
from anomalyd.sinks.base import Context
from anomalyd.sinks.delivery import Delivery

log = logging.getLogger(__name__)

LOOK_AGAIN_SECONDS = 10.0
FIT_AGAIN_SECONDS = 60.0


class Daemon:
    """One daemon on one state directory.

    path, overrides: where the configuration came from, for reloads and for fitting; without a
    path neither happens. listen: False keeps the API away (`watch` in its own process).
    reported: called when the reports of a run are written, with their paths.
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
        self.hub = Hub()
        self.session: Session | None = None
        self.address: tuple[str, int] | None = None
        self.started = asyncio.Event()
        self.fitted = asyncio.Event()
        self._wake = asyncio.Event()
        self._stopping = False
        self._trouble: list[str] = []
        self._notifier = Notifier()
        self._to_report: asyncio.Queue[Finished] = asyncio.Queue()
        self._watched: Callable[[str], bool] = lambda series: False
        self._bands: tuple[telemetry.Band, ...] = ()
        self._outcomes: tuple[tuple[str, str], ...] = ()

    def stop(self) -> None:
        """End after this tick: drain, snapshot, leave."""
        self._stopping = True
        self._wake.set()

    async def reload(self) -> None:
        """Apply the file again. Raises ConfigError with the old configuration kept."""
        if self._path is None:
            raise configuration.ConfigError(["this daemon was not started from a file"])
        new = configuration.load(self._path, self._overrides)
        for name in ("api", "state_dir"):
            if getattr(new, name) != getattr(self.config, name):
                log.warning("%s has changed; that takes a restart", name)
        self.config = new.model_copy(
            update={"api": self.config.api, "state_dir": self.config.state_dir}
        )
        self._notifier.reloading()
        self._wake.set()

    async def run(self) -> None:
        """Until `stop`. Raises StoreError, ApiError, SourceError, SinkError for the user."""
        self.config.state_dir.mkdir(parents=True, exist_ok=True)
        with Store.open(self.config.state_dir / "anomalyd.db", exclusive=True) as store:
            self._remember_outcomes(store)
            handle = telemetry.setup(
                self.config.telemetry,
                bands=lambda: self._bands,
                outcomes=lambda: self._outcomes,
                sources=("staging", "production"),
                sinks=[name for name, _ in self.config.sinks if name not in ("queue", "drain")],
            )
            self._watched = handle.watches
            try:
                async with self._api(store, handle.render), asyncio.TaskGroup() as tasks:
                    upkeep = [
                        tasks.create_task(self._fit_again(), name="baseline refresh"),
                        tasks.create_task(self._watchdog(), name="watchdog"),
                    ]
                    reports = tasks.create_task(self._report(store), name="reports")
                    await self._sessions(store)
                    self._notifier.stopping("draining")
                    await self._to_report.join()
                    for task in (*upkeep, reports):
                        task.cancel()
            finally:
                handle.shutdown()

    @contextlib.asynccontextmanager
    async def _api(self, store: Store, metrics: Callable[[], bytes]) -> AsyncIterator[None]:
        if not self._listen:
            yield
            return
        facade = control.DaemonControl(
            store, lambda: self.session, self._clock, self.reload, metrics, lambda: self._trouble
        )
        api = self.config.api
        access = Access(api.listen, api.secret(), api.external_url)
        async with server.serve(create_app(facade, self.hub, access), api.listen) as self.address:
            log.info("listening on http://%s:%d", *self.address)
            yield

    async def _sessions(self, store: Store) -> None:
        """One session after another, each with the configuration of its time."""
        while not self._stopping:
            self._wake.clear()
            config = self.config
            context = Context(store.memory, config.step, config.api.external_url, self._clock)
            sinks = config.sinks
            delivery = Delivery(build(sinks, context), queue=sinks.queue, drain=sinks.drain)
            await delivery.start()
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(delivery.run(), name="delivery")
                    try:
                        await self._work(config, store, delivery)
                    finally:
                        await delivery.drain()
            finally:
                await delivery.stop()

    async def _work(self, config: Config, store: Store, delivery: Delivery) -> None:
        session = Session(
            config, store, self.hub, delivery, self._to_report.put_nowait, self._clock
        )
        async with session, asyncio.TaskGroup() as tasks:
            background = [
                tasks.create_task(source.run(), name=f"source {source.name}")
                for source in session.sources
            ]
            self.session = session
            if session.signals_known:
                self.started.set()
                self._notifier.ready(f"judging {len(session.pipeline.table.signals)} signals")
            try:
                await self._ticks(session)
            finally:
                self.session = None
                for task in background:
                    task.cancel()

    async def _ticks(self, session: Session) -> None:
        """At every multiple of `step`; a tick that comes late is skipped, not caught up."""
        step = session.config.step
        began = self._clock()
        while not self._wake.is_set():
            now = self._clock()
            if not session.signals_known and now - began > LOOK_AGAIN_SECONDS:
                return
            due = math.floor(now / step + 1) * step
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), due - now)
                return
            await session.tick(due)
            limit = session.config.telemetry.series
            self._bands = control.bands(session, self._watched, limit)

    async def _fit_again(self) -> None:
        """Keep the baseline fresh, in a child process that asks production politely."""
        if self._path is None or self.config.environments.production is None:
            return
        while True:
            await self.started.wait()
            await asyncio.sleep(self._fresh_for())
            trouble = await refit_apart(self._path, self._overrides)
            if trouble != (self._trouble[0] if self._trouble else None):
                log.log(
                    logging.WARNING if trouble else logging.INFO,
                    "baseline: %s",
                    trouble or "fitted",
                )
            self._trouble[:] = [trouble] if trouble else []
            if self.session is not None:
                self.session.read_baseline()
            self.fitted.set()
            if trouble:
                await asyncio.sleep(min(FIT_AGAIN_SECONDS, self.config.baseline.refresh))

    def _fresh_for(self) -> float:
        """Seconds until the baseline on disk is due for a refresh; 0 if there is none."""
        try:
            age = self._clock() - baseline_path(self.config).stat().st_mtime
        except OSError:
            return 0.0
        return max(0.0, self.config.baseline.refresh - age)

    async def _report(self, store: Store) -> None:
        """Write the reports of ended runs, one after another, then let their records go."""
        while True:
            ended = await self._to_report.get()
            try:
                await self._write_reports(ended, store)
            finally:
                self._to_report.task_done()

    async def _write_reports(self, ended: Finished, store: Store) -> None:
        run = ended.run
        document = await asyncio.to_thread(
            reporting.build,
            run,
            ended.verdict,
            ended.pipeline,
            self.config.graph,
            digest(self.config),
        )
        directory = reporting.directory(self.config.state_dir, run.id)
        cache = self.config.state_dir / "cache"
        paths = await render(document, directory, self.config.reports.formats, cache_dir=cache)
        ended.pipeline.forget_run(run.id)
        self._remember_outcomes(store)
        store.prune(self._clock(), self.config.retention.runs)
        self._reported(ended, paths)

    def _remember_outcomes(self, store: Store) -> None:
        found = [(run.id, store.outcome(run.id)) for run in store.runs(20)]
        self._outcomes = tuple((run_id, str(outcome)) for run_id, outcome in found if outcome)

    async def _watchdog(self) -> None:
        """Tell systemd that the loop turns; a loop that hangs is restarted by it."""
        while self._notifier.watchdog_interval is not None:
            self._notifier.watchdog()
            await asyncio.sleep(self._notifier.watchdog_interval)


async def serve(daemon: Daemon) -> None:
    """Run until SIGTERM or SIGINT; SIGHUP reloads."""
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
