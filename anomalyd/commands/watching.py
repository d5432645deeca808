"""Runs a command as a test run and judges it meanwhile.

What is told on the way goes to `say` (stderr); the command keeps its own stdout and stderr.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from anomalyd.api.client import ServerAway, ServerClient, ServerRefused
from anomalyd.commands import asking
from anomalyd.commands.interrupts import Interrupts
from anomalyd.commands.judges import PATIENCE_SECONDS, Here, Judge, Say, There, here
from anomalyd.config import Config
from anomalyd.errors import WatchError
from anomalyd.exits import COMMAND_FAILED, INTERRUPTED
from anomalyd.model import VERSION_LABEL
from anomalyd.model import Outcome as Verdict
from anomalyd.report import Document
from anomalyd.report.terminal import terminal
from anomalyd.units import parse_duration
from anomalyd.waiting import unless

GOODBYE_SECONDS = 2.0
"""How long a run that is left without its verdict may take to be stopped."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What to watch. quiet_stdout: the command's output goes to stderr."""

    command: tuple[str, ...]
    name: str
    selector: str = ""
    labels: Mapping[str, str] | None = None
    quiet_stdout: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a watched run ended: the report's document, where reports lie, and what to exit with."""

    document: Document
    paths: tuple[Path, ...]
    command_status: int
    exit_code: int


async def watch(judge: Judge, asked: Asked, say: Say, interrupts: Interrupts) -> Outcome:
    """Start a run, run the command to its end, settle, and tell the verdict."""
    run = await judge.start(asked.name, asked.selector, asked.labels or {})
    say(f"run {run.id} ({run.name}): {' '.join(asked.command)}")
    finished = False
    try:
        async with asyncio.TaskGroup() as tasks:
            told = tasks.create_task(_tell(judge, run.id, say), name="events")
            status = await _command(asked, interrupts)
            say(_ended(status, interrupted=bool(interrupts.count)))
            await judge.stop(run.id)
            document, paths = await judge.report(run)
            told.cancel()
        finished = True
    finally:
        if not finished:
            await _abandon(judge, run.id)
    code = int(document["verdict"]["exit_code"])
    if interrupts.count:
        code = INTERRUPTED
    elif status != 0 and code != Verdict.FAIL.exit_code:
        code = COMMAND_FAILED
    return Outcome(document, paths, status, code)


async def _command(asked: Asked, interrupts: Interrupts) -> int:
    """Run it in a process group of its own; its exit status. Raises WatchError."""
    try:
        child = await asyncio.create_subprocess_exec(
            *asked.command,
            # A group in the background is stopped when it reads from the terminal.
            stdin=asyncio.subprocess.DEVNULL if sys.stdin.isatty() else None,
            stdout=2 if asked.quiet_stdout else None,
            process_group=0,
        )
    except OSError as error:
        raise WatchError(f"{asked.command[0]} cannot be started: {error.strerror}") from error
    interrupts.started(child.pid)
    try:
        return await child.wait()
    finally:
        if child.returncode is None:
            interrupts.kill()
            await child.wait()
        interrupts.ended()


async def _abandon(judge: Judge, run_id: str) -> None:
    """Nobody waits for the run any more: let it settle."""
    with suppress(TimeoutError, ServerAway, ServerRefused):
        async with asyncio.timeout(GOODBYE_SECONDS):
            await judge.stop(run_id)


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
        return f"the command was ended by {signal.strsignal(-status)}; settling"
    return (
        f"the command exited with {status}; settling" if status else "the command is done; settling"
    )


async def run(
    config: Config | None,
    path: Path,
    overrides: Sequence[str],
    options: Mapping[str, Any],
    environ: Mapping[str, str],
) -> int:
    """The `watch` command: its exit code. Raises what `errors.USER_ERRORS` names."""
    command = tuple(options["command"])
    labels = dict(_pair(label) for label in options["labels"])
    labels |= {VERSION_LABEL: options["version"]} if options["version"] else {}
    name = options["name"] or Path(command[0]).name
    asked = Asked(command, name, options["selector"], labels, options["as_json"])

    def say(line: str) -> None:
        click.echo(f"anomalyd: {line}", err=True)

    async def judged() -> Outcome:
        async with _judge(config, path, overrides, options, environ, say) as judge:
            return await watch(judge, asked, say, interrupts)

    with Interrupts(say) as interrupts:
        outcome = await unless(interrupts.leave, judged())
    if outcome is None:
        say("left without a verdict")
        return INTERRUPTED
    return _conclude(outcome, options, say)


@asynccontextmanager
async def _judge(
    config: Config | None,
    path: Path,
    overrides: Sequence[str],
    options: Mapping[str, Any],
    environ: Mapping[str, str],
    say: Say,
) -> AsyncIterator[Here | There]:
    wait = _seconds(options["wait"])
    if config is not None:
        async with here(config, path, overrides, say, wait) as judge:
            yield judge
        return
    token = asking.token(options["token_file"], environ)
    patience = min(PATIENCE_SECONDS, wait)
    async with ServerClient(options["server"], token, patience_seconds=patience) as client:
        yield There(client, options["output"] or Path("anomalyd-report"), say, wait)


def _conclude(outcome: Outcome, options: Mapping[str, Any], say: Say) -> int:
    """Print the verdict; what to exit with."""
    code = outcome.exit_code
    if options["accept"] == "inconclusive" and code == Verdict.INCONCLUSIVE.exit_code:
        code = 0
    if options["as_json"]:
        click.echo(json.dumps({**outcome.document, "exit_code": code}))
    else:
        click.echo(terminal(outcome.document, sys.stdout.isatty(), outcome.paths))
    if code == COMMAND_FAILED:
        say(f"the command failed by itself with status {outcome.command_status}")
    return code


def _pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise WatchError(f"--label {text}: write it as NAME=VALUE")
    return name, value


def _seconds(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise WatchError(f"--wait {text}: {error}") from error
