"""Runs a command as a test run and judges it meanwhile: here, or on a server.

What is told on the way goes to `say` (stderr); the command keeps its own stdout and stderr.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import click

from anomalyd.api.client import ServerClient
from anomalyd.api.hub import Event
from anomalyd.commands import asking
from anomalyd.config import Config
from anomalyd.daemon import Daemon
from anomalyd.exits import COMMAND_FAILED, INTERRUPTED
from anomalyd.model import Run
from anomalyd.report import FORMATS
from anomalyd.report.terminal import terminal
from anomalyd.session import Finished, Session

Say = Callable[[str], None]
Document = dict[str, Any]

PATIENCE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a watched run ended: the report's document, where reports lie, and what to exit with."""

    document: Document
    paths: tuple[Path, ...]
    command_status: int
    interrupted: bool
    exit_code: int


class Judge(Protocol):
    """Where a run is judged."""

    async def start(self, name: str, selector: str, labels: Mapping[str, str]) -> Run: ...

    def events(self, run_id: str) -> AsyncIterator[Event]: ...

    async def stop(self, run_id: str) -> None: ...

    async def report(self, run_id: str) -> tuple[Document, tuple[Path, ...]]:
        """Wait for the verdict and its reports."""
        ...


async def watch(
    judge: Judge,
    command: Sequence[str],
    say: Say,
    *,
    name: str,
    selector: str = "",
    labels: Mapping[str, str] | None = None,
    quiet_stdout: bool = False,
) -> Outcome:
    """Start a run, run the command to its end, settle, and tell the verdict.

    The first SIGINT or SIGTERM is passed to the command, whose run is then judged by what was
    seen; the second kills it. quiet_stdout: the command's output goes to stderr.
    """
    run = await judge.start(name, selector, labels or {})
    say(f"run {run.id} ({run.name}): {' '.join(command)}")
    interruptions = 0
    async with asyncio.TaskGroup() as tasks:
        told = tasks.create_task(_tell(judge, run.id, say), name="events")
        child = await asyncio.create_subprocess_exec(
            *command, stdout=2 if quiet_stdout else None, process_group=0
        )

        def interrupt() -> None:
            nonlocal interruptions
            interruptions += 1
            with suppress(ProcessLookupError):
                child.send_signal(signal.SIGINT if interruptions == 1 else signal.SIGKILL)
            if interruptions == 1:
                say("interrupted: the command is told to end; once more kills it")

        with _on_signals(interrupt):
            try:
                status = await child.wait()
            finally:
                if child.returncode is None:
                    child.kill()
                    await child.wait()
            say(_ended(status, interrupted=bool(interruptions)))
            await judge.stop(run.id)
            document, paths = await judge.report(run.id)
        told.cancel()
    code = int(document["verdict"]["exit_code"])
    if interruptions:
        code = INTERRUPTED
    elif status != 0 and code != 1:
        code = COMMAND_FAILED
    return Outcome(document, paths, status, bool(interruptions), code)


async def _tell(judge: Judge, run_id: str, say: Say) -> None:
    """Say what happens in the run as it happens; each incident at most once per state."""
    said: dict[str, bool] = {}
    async for event in judge.events(run_id):
        if event.kind == "run":
            say(f"run is {event.data['run']['state']}: {event.data['reason']}")
        if event.kind == "incident":
            incident = event.data["incident"]
            ended = incident["ended_at"] is not None
            if said.get(incident["id"]) != ended:
                said[incident["id"]] = ended
                say(f"incident {'closed' if ended else 'open'}: {incident['summary']}")
        if event.kind == "finished":
            return


def _ended(status: int, *, interrupted: bool) -> str:
    if interrupted:
        return "the command was interrupted; its run is judged by what was seen"
    if status < 0:
        return f"the command was ended by {signal.Signals(-status).name}; settling"
    return (
        f"the command exited with {status}; settling" if status else "the command is done; settling"
    )


class _on_signals:
    """Calls `handler` on SIGINT and SIGTERM within the block."""

    def __init__(self, handler: Callable[[], None]) -> None:
        self._handler = handler

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._handler)

    def __exit__(self, *exc: object) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


class There:
    """Judged by a server; reports are fetched into `directory`."""

    def __init__(self, client: ServerClient, directory: Path) -> None:
        self._client, self._directory = client, directory

    async def start(self, name: str, selector: str, labels: Mapping[str, str]) -> Run:
        return await self._client.start_run(name, selector, labels)

    def events(self, run_id: str) -> AsyncIterator[Event]:
        return self._client.events(run_id)

    async def stop(self, run_id: str) -> None:
        await self._client.stop_run(run_id)

    async def report(self, run_id: str) -> tuple[Document, tuple[Path, ...]]:
        await self._client.wait_verdict(run_id)
        self._directory.mkdir(parents=True, exist_ok=True)
        paths = []
        for form in FORMATS:
            path = self._directory / form.filename
            path.write_bytes(await self._client.report(run_id, path.suffix.removeprefix(".")))
            paths.append(path)
        return json.loads((self._directory / "report.json").read_bytes()), tuple(paths)


class Here:
    """Judged in this process by the ordinary daemon, which listens nowhere."""

    def __init__(self, daemon: Daemon, reports: dict[str, asyncio.Future[list[Path]]]) -> None:
        self._daemon, self._reports = daemon, reports

    async def start(self, name: str, selector: str, labels: Mapping[str, str]) -> Run:
        run = self._session().start_run(name, selector, labels, "watch")
        self._reports[run.id] = asyncio.get_running_loop().create_future()
        return run

    async def events(self, run_id: str) -> AsyncIterator[Event]:
        with self._daemon.hub.subscribe(run_id, lambda: None) as subscription:
            while (event := await subscription.get()) is not None:
                yield event

    async def stop(self, run_id: str) -> None:
        self._session().stop_run(run_id)

    async def report(self, run_id: str) -> tuple[Document, tuple[Path, ...]]:
        paths = await self._reports[run_id]
        source = next(path for path in paths if path.name == "report.json")
        return json.loads(source.read_bytes()), tuple(paths)

    def _session(self) -> Session:
        if self._daemon.session is None:
            raise RuntimeError("the daemon has no session")
        return self._daemon.session


@asynccontextmanager
async def here(
    config: Config, path: Path | None, overrides: Sequence[str], say: Say
) -> AsyncIterator[Here]:
    """A daemon in this process, ready to judge: connected, with a baseline if one can be had."""
    reports: dict[str, asyncio.Future[list[Path]]] = {}

    def reported(ended: Finished, paths: list[Path]) -> None:
        if ended.run.id in reports:
            reports[ended.run.id].set_result(paths)

    daemon = Daemon(config, path, overrides, listen=False, reported=reported)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(daemon.run(), name="daemon")
        try:
            await _ready(daemon, say)
            yield Here(daemon, reports)
        finally:
            daemon.stop()


async def _ready(daemon: Daemon, say: Say) -> None:
    """Wait until signals are found and, where production is set, a baseline is there or refused."""
    while not await _within(daemon.started, PATIENCE_SECONDS):
        say("waiting: no signal matches anything in staging yet; `anomalyd doctor` says why")
    session = daemon.session
    if session is None or not session.baseline_trouble:
        return
    if daemon.config.environments.production is None:
        say("environments.production is not set: there is nothing to judge by")
        return
    say(f"{session.baseline_trouble}; fitting one from production")
    await daemon.fitted.wait()
    if daemon.session is not None and daemon.session.baseline_trouble:
        say(f"judging without a baseline: {daemon.session.baseline_trouble}")


async def _within(event: asyncio.Event, seconds: float) -> bool:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
    return event.is_set()


async def run(
    config: Config | None,
    path: Path,
    overrides: Sequence[str],
    options: Mapping[str, Any],
    environ: Mapping[str, str],
) -> int:
    """The `watch` command: its exit code. Raises what `errors.USER_ERRORS` names."""
    command = list(options["command"])
    labels = dict(_pair(label) for label in options["labels"])
    asked = {
        "name": options["name"] or Path(command[0]).name,
        "selector": options["selector"],
        "labels": labels,
        "quiet_stdout": options["as_json"],
    }

    def say(line: str) -> None:
        click.echo(f"anomalyd: {line}", err=True)

    if config is None:
        url = options["server"]
        async with ServerClient(url, asking.token(options["token_file"], environ)) as client:
            directory = options["output"] or Path("anomalyd-report")
            outcome = await watch(There(client, directory), command, say, **asked)
    else:
        async with here(config, path, overrides, say) as judge:
            outcome = await watch(judge, command, say, **asked)
    if options["as_json"]:
        click.echo(json.dumps({**outcome.document, "exit_code": outcome.exit_code}))
    else:
        click.echo(terminal(outcome.document, sys.stdout.isatty(), outcome.paths))
    if outcome.exit_code == COMMAND_FAILED:
        say(f"the command failed by itself with status {outcome.command_status}")
    if options["accept"] == "inconclusive" and outcome.exit_code == 3:
        return 0
    return outcome.exit_code


def _pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise SystemExit(f"anomalyd: --label {text}: write it as NAME=VALUE")
    return name, value
