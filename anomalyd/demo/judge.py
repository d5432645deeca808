"""The ordinary daemon, as the demo uses it: started as a process, asked over its API."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from anomalyd.demo.process import DemoError, spawn, stop

REPORTS = ("json", "xml", "md", "html")
FILES = {"xml": "junit.xml"}
"""Where a report's file is not named report with its ending."""
LISTENING = re.compile(rb"listening on (http://\S+)")


class Api:
    """One running anomalyd. Every method raises DemoError when it does not answer as it should."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self._session = session

    async def sees(self, timeout: float = 30.0) -> None:
        """Returns once it has signal series, hence both sources."""
        await self._until(lambda found: bool(found.get("total")), "/api/v1/series", timeout)

    async def ready(self, timeout: float = 30.0) -> None:
        """Returns once it has sources and a baseline."""
        await self._until(lambda found: found.get("status") == "ready", "/-/ready", timeout)

    async def start(self, name: str) -> str:
        """Start a run; returns its id."""
        run = await self._ask("POST", "/runs", 201, {"name": name})
        return str(run["id"])

    async def stop(self, run_id: str) -> None:
        await self._ask("POST", f"/runs/{run_id}/stop", 200)

    async def incidents(self, run_id: str) -> AsyncIterator[dict[str, Any]]:
        """Each state of each incident of the run as it comes, until the run is finished."""
        kind = ""
        url = f"{self.url}/api/v1/runs/{run_id}/events"
        async with self._session.get(url) as response:
            async for line in response.content:
                name, _, value = line.decode().strip().partition(": ")
                if name == "event":
                    kind = value
                if kind == "finished":
                    return
                if name == "data" and kind == "incident":
                    yield json.loads(value)["incident"]

    async def verdict(self, run_id: str) -> dict[str, Any]:
        """Waits for it."""
        return await self._ask("GET", f"/runs/{run_id}/verdict?wait=60s", 200)

    async def reported(self, run_id: str, timeout: float = 180.0) -> None:
        """Returns once all reports of the run are written."""
        for form in REPORTS:
            path = f"/api/v1/runs/{run_id}/report.{form}"
            await self._until(lambda _: True, path, timeout)

    async def _until(self, good: Callable[[Any], bool], path: str, timeout: float) -> None:
        """Ask until it answers 200 with what is `good`: parsed JSON, or None if it is not JSON."""
        try:
            async with asyncio.timeout(timeout):
                while True:
                    async with self._session.get(self.url + path) as response:
                        json_like = response.content_type == "application/json"
                        answer = await response.json() if json_like else None
                    if response.status == 200 and good(answer):
                        return
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise DemoError(
                f"{path} was not there within {timeout:g} s: is this machine too busy for a demo?"
            ) from None
        except aiohttp.ClientError as error:
            raise DemoError(f"anomalyd does not answer at {self.url}: {error!r}") from error

    async def _ask(
        self, method: str, path: str, expected: int, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        url = f"{self.url}/api/v1{path}"
        try:
            async with self._session.request(method, url, json=body) as response:
                text = await response.text()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise DemoError(f"anomalyd does not answer at {url}: {error!r}") from error
        if response.status != expected:
            raise DemoError(f"anomalyd answered {response.status} to {method} {url}: {text}")
        answer: dict[str, Any] = json.loads(text)
        return answer


class Judge:
    """anomalyd on a configuration of its own in `directory`, which keeps state, log and reports."""

    def __init__(self, directory: Path) -> None:
        self.state = directory / "state"
        self.log = directory / "anomalyd.log"
        self._config = directory / "anomalyd.yaml"

    def configure(self, configuration: Mapping[str, Any]) -> None:
        """JSON is YAML too."""
        self._config.write_text(json.dumps(configuration, indent=2), encoding="utf-8")

    def reports(self, run_id: str) -> list[Path]:
        directory = self.state / "reports" / run_id
        return [directory / FILES.get(form, f"report.{form}") for form in REPORTS]

    async def fit(self) -> int:
        """Fit the baseline of what was seen of production; returns how many series it has."""
        with self.log.open("ab") as log:
            process = await spawn(
                "anomalyd", "baseline", "fit", "-c", str(self._config), "--json", stderr=log
            )
            try:
                said, _ = await process.communicate()
            finally:
                await stop(process)
        if process.returncode:
            raise DemoError(f"the baseline could not be fitted; {self.log} says why")
        return int(json.loads(said)["series"])

    @asynccontextmanager
    async def serving(self, timeout: float = 30.0) -> AsyncIterator[Api]:
        """A daemon that answers; it is told to end, and has kept its state, when this ends."""
        process = await spawn(
            "anomalyd", "serve", "-c", str(self._config), stderr=asyncio.subprocess.PIPE
        )
        try:
            with self.log.open("ab") as log:
                try:
                    url = await asyncio.wait_for(self._listening(process, log), timeout)
                except TimeoutError:
                    raise DemoError(f"anomalyd did not come up within {timeout:g} s") from None
                async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as tasks:
                    copying = tasks.create_task(_copy(process, log), name="log of anomalyd")
                    yield Api(url, session)
                    await stop(process)
                    await copying
        finally:
            await stop(process)

    async def _listening(self, process: asyncio.subprocess.Process, log: Any) -> str:
        async for line in _lines(process):
            log.write(line)
            found = LISTENING.search(line)
            if found:
                return found[1].decode()
        log.flush()
        raise DemoError(f"anomalyd ended before it was ready; {self.log} says why")


async def _lines(process: asyncio.subprocess.Process) -> AsyncIterator[bytes]:
    if process.stderr is not None:
        async for line in process.stderr:
            yield line


async def _copy(process: asyncio.subprocess.Process, log: Any) -> None:
    async for line in _lines(process):
        log.write(line)
        log.flush()
