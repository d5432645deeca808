"""Where a watched run is judged: in this process, or by a server."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from anomalyd import __version__
from anomalyd.api.client import NotSent, ServerAway, ServerClient, ServerRefused
from anomalyd.api.control import NotReady
from anomalyd.api.hub import Event
from anomalyd.config import Config
from anomalyd.daemon import Daemon
from anomalyd.errors import WatchError
from anomalyd.model import Labels, Run
from anomalyd.report import FORMATS, Document
from anomalyd.report.document import document
from anomalyd.running import Finished
from anomalyd.runs.life import RunConflict
from anomalyd.session import Session
from anomalyd.units import format_duration
from anomalyd.waiting import within

T = TypeVar("T")
Say = Callable[[str], None]

PATIENCE_SECONDS = 5.0
"""How long one question to a server is repeated before that is said."""
LEAST_PAUSE_SECONDS = 0.2

INTERRUPTED_NOTE = "interrupted: the anomalyd that judged it ended before the run did"


class Judge(Protocol):
    """Where a run is judged."""

    async def start(self, name: str, selector: str, labels: Mapping[str, str]) -> Run:
        """Waits while another run settles."""
        ...

    def events(self, run_id: str) -> AsyncIterator[Event]: ...

    async def stop(self, run_id: str) -> None: ...

    async def report(self, run: Run) -> tuple[Document, tuple[Path, ...]]:
        """Wait for the verdict and its reports."""
        ...


class There:
    """Judged by a server; reports are fetched into `directory`. wait: seconds that the server may
    be away, or another run in the way."""

    def __init__(self, client: ServerClient, directory: Path, say: Say, wait: float) -> None:
        self._client, self._directory, self._say, self._wait = client, directory, say, wait

    async def start(self, name: str, selector: str, labels: Mapping[str, str]) -> Run:
        left = self._wait
        while True:
            try:
                return await self._patiently(
                    lambda: self._client.start_run(name, selector, labels), NotSent
                )
            except ServerRefused as refused:
                pause = refused.retry_after
                if refused.code != "run_conflict" or pause is None or pause > left:
                    raise
                self._say(str(refused))
                left -= max(pause, LEAST_PAUSE_SECONDS)
                await asyncio.sleep(max(pause, LEAST_PAUSE_SECONDS))

    async def events(self, run_id: str) -> AsyncIterator[Event]:
        said = False
        while True:
            try:
                async for event in self._client.events(run_id):
                    said = False
                    yield event
                return
            except ServerAway as away:
                if not said:
                    self._say(f"{away}; what happens in the run is not told until it answers")
                said = True
            except ServerRefused as refused:
                self._say(f"what happens in the run is not told: {refused}")
                return

    async def stop(self, run_id: str) -> None:
        await self._patiently(lambda: self._client.stop_run(run_id))

    async def report(self, run: Run) -> tuple[Document, tuple[Path, ...]]:
        self._say(f"waiting for the verdict of {self._client.url}")
        verdict = await self._patiently(lambda: self._client.wait_verdict(run.id))
        told = document(run, verdict, [], config_digest="", version=__version__, edges={})
        paths = []
        for form in FORMATS:
            path = self._directory / form.filename
            ending = path.suffix.removeprefix(".")
            try:
                content = await self._patiently(partial(self._client.report, run.id, ending))
                self._directory.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            except ServerRefused as refused:
                if refused.code != "no_report":
                    raise
                continue
            except OSError as error:
                self._say(f"{path}: the report cannot be written: {error.strerror}")
                continue
            paths.append(path)
            if form.name == "json":
                told = json.loads(content)
        return told, tuple(paths)

    async def _patiently(
        self, ask: Callable[[], Awaitable[T]], again: type[ServerAway] = ServerAway
    ) -> T:
        """Ask again after errors of `again`: the server is away. Raises ServerAway after `wait`
        seconds of that, and at once for any other."""
        left, said = self._wait, False
        while True:
            try:
                answer = await ask()
            except again as away:
                left -= PATIENCE_SECONDS
                if left <= 0:
                    raise
                if not said:
                    self._say(f"{away}; asking again for {format_duration(left)}")
                said = True
            else:
                if said:
                    self._say("the server answers again")
                return answer


class Here:
    """Judged in this process by the ordinary daemon, which listens only for what is pushed."""

    def __init__(self, daemon: Daemon, say: Say, wait: float) -> None:
        self._daemon, self._say, self._wait = daemon, say, wait
        self._begun = time.time()
        self._reports: dict[str, asyncio.Future[tuple[Document, tuple[Path, ...]]]] = {}

    def reported(self, ended: Finished, paths: list[Path]) -> None:
        """The daemon wrote the reports of a run."""
        report = self._reports.get(ended.run.id)
        if report is not None and not report.done():
            report.set_result((ended.document, tuple(paths)))

    async def start(self, name: str, selector: str, labels: Mapping[str, str]) -> Run:
        left, said = self._wait, set[str]()
        while True:
            try:
                session = await self._at_work()
                run = session.runs.start(name, selector, Labels.of(labels), "watch")
                self._reports[run.id] = asyncio.get_running_loop().create_future()
                return run
            except NotReady:
                pause = LEAST_PAUSE_SECONDS
            except RunConflict as conflict:
                pause = self._before(conflict, session, left, said)
            left -= pause
            await asyncio.sleep(pause)

    def _before(
        self, conflict: RunConflict, session: Session, left: float, said: set[str]
    ) -> float:
        """Seconds until the other run is over; one from before is nobody's, and is ended: this
        process alone has the state directory."""
        other, seconds = conflict.other, conflict.retry_after
        if seconds is None and other.started_at < self._begun:
            self._say(
                f"run {other.id} ({other.name}) was left behind by an anomalyd that has ended; it "
                "is ended first, as interrupted"
            )
            session.store.add_note(other.id, INTERRUPTED_NOTE, time.time())
            session.runs.stop(other.id)
            return LEAST_PAUSE_SECONDS
        if seconds is None or seconds > left:
            raise conflict
        if other.id not in said:
            said.add(other.id)
            self._say(str(conflict))
        return max(seconds, LEAST_PAUSE_SECONDS)

    async def events(self, run_id: str) -> AsyncIterator[Event]:
        while True:
            behind = asyncio.Event()
            with self._daemon.hub.subscribe(run_id, behind.set) as subscription:
                while not behind.is_set():
                    event = await subscription.get()
                    if event is None:
                        return
                    yield event
            self._say("too much happened at once: some of it is not told")

    async def stop(self, run_id: str) -> None:
        runs = (await self._at_work()).runs
        if any(run.id == run_id for run in runs.unfinished):
            runs.stop(run_id)

    async def report(self, run: Run) -> tuple[Document, tuple[Path, ...]]:
        return await self._reports[run.id]

    async def ready(self) -> None:
        """Wait until signals are found and, where production is set, a baseline is there or
        refused. Raises WatchError where staging stays away."""
        daemon, say = self._daemon, self._say
        if not await within(daemon.started, min(PATIENCE_SECONDS, self._wait)):
            say(f"waiting: {self._missing()}")
        if not await within(daemon.started, self._wait - PATIENCE_SECONDS):
            raise WatchError(
                f"not ready within {format_duration(self._wait)}: {self._missing()}; nothing was "
                "started"
            )
        session = await self._at_work()
        if not session.baseline.trouble:
            await session.teaching.look(session.runs)
            return
        if daemon.config.environments.production is None:
            say("environments.production is not set: there is nothing to judge by")
        elif daemon.upkeep is not None:
            say(f"{session.baseline.trouble}; fitting one from production")
            await daemon.upkeep.fitted.wait()
            session = await self._at_work()
            trouble = session.baseline.trouble
            if trouble:
                say(f"judging without a baseline: {daemon.upkeep.trouble or trouble}")
        await session.teaching.look(session.runs)

    async def _at_work(self) -> Session:
        """The session, which is between two of its kind for a moment now and then."""
        while self._daemon.session is None:
            await self._daemon.started.wait()
        return self._daemon.session

    def _missing(self) -> str:
        session = self._daemon.session
        reasons = session.unready() if session is not None else []
        return reasons[0] if reasons else "staging has not answered yet"


@asynccontextmanager
async def here(
    config: Config, path: Path | None, overrides: Sequence[str], say: Say, wait: float
) -> AsyncIterator[Here]:
    """A daemon in this process, ready to judge: connected, with a baseline if one can be had.

    It listens only where samples are pushed to it.
    """
    daemon = Daemon(
        config,
        path,
        overrides,
        listen=config.environments.pushed,
        reported=lambda *ended: judge.reported(*ended),
    )
    judge = Here(daemon, say, wait)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(daemon.run(), name="daemon")
        try:
            await judge.ready()
            yield judge
        finally:
            daemon.stop()
