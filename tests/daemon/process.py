"""The daemon as a process of its own, on real time: windows of well under a second."""

from __future__ import annotations

import asyncio
import copy
import functools
import json
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from anomalyd.config import parse
from tests.daemon import forkserver
from tests.daemon.shop import settings, write_baseline

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = (sys.executable, "-m", "anomalyd")
"""anomalyd from its very start, for those that look at that too; the others are forks."""
FAST_WINDOW = 0.6
FAST = {
    "step": "200ms",
    "window": "600ms",
    "judgement": {
        "warmup": "600ms",
        "settle": "600ms",
        "keep_firing_for": "1s",
        "close_incident_after": "1s",
    },
}
END_SECONDS = 60.0
"""After which what has not come is missing; a machine at work may take a while."""


@dataclass
class Process:
    """stdout and stderr as lines, as they come. url: of its API, once it listens."""

    child: asyncio.subprocess.Process | forkserver.Child
    out: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    url: str = ""
    token: str | None = None

    def has_said(self, words: str) -> bool:
        return any(words in line for line in self.said)

    def count(self, words: str) -> int:
        return sum(words in line for line in self.said)

    async def ended(self) -> int:
        async with asyncio.timeout(END_SECONDS):
            return await self.child.wait()

    async def stopped(self) -> int:
        """Ended by SIGTERM: its exit code."""
        self.child.send_signal(signal.SIGTERM)
        return await self.ended()

    async def killed(self) -> None:
        self.child.kill()
        await self.ended()

    async def says(self, words: str, seconds: float = END_SECONDS) -> None:
        await until(lambda: self.has_said(words), f"{words!r} is said", self, seconds)

    async def ask(self, path: str, method: str = "GET", body: Any = None) -> tuple[int, Any]:
        """Status and JSON of an answer."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.request(method, self.url + path, json=body) as response,
        ):
            text = await response.text()
            is_json = response.content_type == "application/json"
            return response.status, json.loads(text) if is_json and text else text

    async def answers(
        self, path: str, good: Callable[[int, Any], bool], seconds: float = END_SECONDS
    ) -> Any:
        """Ask until the answer is `good`; its body."""
        last: list[Any] = []

        async def asked() -> bool:
            last[:] = await self.ask(path)
            return good(*last)

        await until_async(asked, f"{path} is as it should be", self, seconds, last)
        return last[1]

    async def start(self, name: str = "nightly", **more: str) -> str:
        """Start a run as soon as there is a session; its id."""
        run: dict[str, Any] = {}

        async def started() -> bool:
            status, told = await self.ask("/api/v1/runs", "POST", {"name": name, **more})
            run.update(told)
            return status == 201

        await until_async(started, "a run starts", self, last=run)
        return str(run["id"])

    async def verdict(self, run_id: str) -> dict[str, Any]:
        """Stop the run, once a daemon is at work, and wait for its verdict."""

        async def taken() -> bool:
            return (await self.ask(f"/api/v1/runs/{run_id}/stop", "POST"))[0] != 503

        await until_async(taken, f"{run_id} is stopped", self)
        return await self.answers(f"/api/v1/runs/{run_id}/verdict?wait=5s", lambda s, _: s == 200)


async def until(
    holds: Callable[[], bool], what: str, process: Process, seconds: float = END_SECONDS
) -> None:
    async def asked() -> bool:
        return holds()

    await until_async(asked, what, process, seconds)


async def until_async(
    holds: Callable[[], Awaitable[bool]],
    what: str,
    process: Process,
    seconds: float = END_SECONDS,
    last: Any = None,
) -> None:
    try:
        async with asyncio.timeout(seconds):
            while True:
                if await holds():
                    return
                await asyncio.sleep(0.05)
    except TimeoutError:
        said = "\n".join(process.said[-40:])
        raise AssertionError(
            f"not within {seconds:g} s: {what}; last {last}; it said:\n{said}"
        ) from None


@asynccontextmanager
async def spawned(
    *arguments: str, environ: Mapping[str, str] | None = None, program: Sequence[str] | None = None
) -> AsyncIterator[Process]:
    """A command of anomalyd; killed with the block if it has not ended by then.

    program: what is started, like `PROGRAM`; None: a fork of a process that imported anomalyd.
    """
    environment = {**os.environ, **(environ or {})}
    async with asyncio.TaskGroup() as tasks:
        if program is None:
            child = await forkserver.start(arguments, environment)
            tasks.create_task(child.follow(), name="exit code")
        else:
            child = await asyncio.create_subprocess_exec(
                *program,
                *arguments,
                cwd=ROOT,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        process = Process(child)
        readers = (
            tasks.create_task(_lines(child.stdout, process.out), name="stdout"),
            tasks.create_task(_lines(child.stderr, process.said), name="stderr"),
        )
        try:
            yield process
        finally:
            if child.returncode is None:
                child.kill()
            await child.wait()
            await asyncio.wait(readers, timeout=5)
            for reader in readers:
                reader.cancel()
            if isinstance(child, forkserver.Child):
                child.close()


async def command(*arguments: str, **options: Any) -> Process:
    """A command run to its end."""
    async with spawned(*arguments, **options) as process:
        await process.ended()
    return process


@asynccontextmanager
async def serving(config: Path, more: Sequence[str] = (), **options: Any) -> AsyncIterator[Process]:
    """`anomalyd serve`, once its API answers."""
    async with spawned("serve", "-c", str(config), *more, **options) as process:
        await process.says("listening on ")
        line = next(line for line in process.said if "listening on " in line)
        process.url = line.rpartition("listening on ")[2].strip()
        yield process


def fast(staging: str, production: str | None, state: Path, **more: Any) -> dict[str, Any]:
    """Settings with windows of `FAST_WINDOW` seconds; `more` replaces sections."""
    return settings(
        staging, production, state, **{**copy.deepcopy(FAST), "log_level": "info", **more}
    )


def written(path: Path, tree: Mapping[str, Any]) -> Path:
    """JSON is YAML too."""
    path.write_text(json.dumps(tree), encoding="utf-8")
    return path


def with_baseline(tree: Mapping[str, Any]) -> None:
    """Put a baseline of such windows into the state directory."""
    state = Path(tree["state_dir"])
    state.mkdir(parents=True, exist_ok=True)
    (state / "baseline.npz").write_bytes(_baseline(json.dumps(tree["signals"])))


@functools.cache
def _baseline(signals: str) -> bytes:
    """The same for all whose signals are the same; fitted once."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "baseline.npz"
        tree = settings("http://127.0.0.1:1", None, path.parent, signals=json.loads(signals))
        write_baseline(path, parse(tree), window=FAST_WINDOW)
        return path.read_bytes()


async def _lines(stream: asyncio.StreamReader | None, into: list[str]) -> None:
    if stream is not None:
        async for line in stream:
            into.append(line.decode(errors="replace").rstrip("\n"))
