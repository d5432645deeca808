"""Everything around one watched run: a system under test, its Prometheus, where alerts go."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from anomalyd.demo.system import System
from anomalyd.model import Environment
from tests.e2e.measure import SERVER
from tests.fakes.grafana import TOKEN, FakeGrafana, fake_grafana
from tests.fakes.receiver import Receiver, receiver
from tests.servers import alertmanager, prometheus

ROOT = Path(__file__).resolve().parents[2]
RATE = 45.0
END_SECONDS = 90.0

SCRAPES = """
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
- job_name: shop
  static_configs:
"""
ROUTES = """
route: {receiver: hook, group_by: [incident], group_wait: 100ms, group_interval: 1s}
receivers:
- {name: hook, webhook_configs: [{url: "URL/hook", send_resolved: true}]}
"""
CONFIG = """
environments:
  staging: {url: "STAGING", matchers: 'env="staging"'}
  production: {url: "PRODUCTION", matchers: 'MATCHERS'}
identity: {service: [service], entry: gateway}
signals: {presets: [http, process]}
graph:
  gateway: [cart]
  cart: [pricing, inventory]
step: 5s
window: 10s
baseline: {days: 3, step: 10s}
judgement: {warmup: 15s, settle: 5s, keep_firing_for: 20s, close_incident_after: 10s}
sinks:
  grafana: {url: "GRAFANA", token: "${GRAFANA_TOKEN}"}
  alertmanager: {urls: ["ALERTMANAGER"], labels: {team: shop}}
  log: null
state_dir: STATE
"""


@dataclass
class Watch:
    """`anomalyd watch` as it runs; `said` is what it told on stderr so far, line by line."""

    process: asyncio.subprocess.Process
    said: list[str]
    output: str = ""

    def has_said(self, words: str) -> bool:
        return any(words in line for line in self.said)

    async def ended(self) -> int:
        """Its exit code."""
        async with asyncio.timeout(END_SECONDS):
            return await self.process.wait()


@dataclass
class World:
    """One staging environment and the systems that decisions go to. sent: what Alertmanager told
    its own receiver. grafana: the fake, None where a real one is used."""

    directory: Path
    system: System
    staging: str
    alerting: str
    annotating: str
    token: str
    sent: Receiver
    grafana: FakeGrafana | None
    session: aiohttp.ClientSession
    watches: list[Watch] = field(default_factory=list)

    def configure(self, production: str, matchers: str = 'env="production"') -> Path:
        """The configuration as a user would write it."""
        values = {
            "STAGING": self.staging,
            "PRODUCTION": production,
            "MATCHERS": matchers,
            "ALERTMANAGER": self.alerting,
            "GRAFANA\"": f'{self.annotating}"',
            "STATE": str(self.directory / "state"),
        }
        text = CONFIG
        for name, value in values.items():
            text = text.replace(name, value)
        path = self.directory / "anomalyd.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    async def anomalyd(self, *arguments: str) -> tuple[int, str, str]:
        """Run a command to its end: exit code, stdout, stderr."""
        process = await self._spawn(*arguments)
        out, said = await process.communicate()
        return process.returncode or 0, out.decode(), said.decode()

    @asynccontextmanager
    async def watch(self, config: Path, seconds: float) -> AsyncIterator[Watch]:
        """`anomalyd watch` on a load of `RATE` for some seconds; ended with the block."""
        load = ("-m", "tests.e2e.load", self.system.entry, f"--rate={RATE}")
        command = (sys.executable, *load, f"--seconds={seconds}")
        process = await self._spawn("watch", "-c", str(config), "--name", "e2e", "--", *command)
        watching = Watch(process, [])
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_lines(process.stderr, watching.said), name="stderr")
                out: list[str] = []
                tasks.create_task(_lines(process.stdout, out), name="stdout")
                yield watching
                await watching.ended()
        finally:
            if process.returncode is None:
                process.terminate()
                process.kill()
                await process.wait()
            watching.output = "\n".join(out)

    async def _spawn(self, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "anomalyd",
            *arguments,
            cwd=ROOT,
            env={**os.environ, "GRAFANA_TOKEN": self.token},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def served(self) -> float:
        """Requests that staging's Prometheus has seen answered at the entry."""
        query = f'sum({SERVER}_count{{service="gateway"}})'
        found = await self._get(f"{self.staging}/api/v1/query", {"query": query})
        return sum(float(series["value"][1]) for series in found["data"]["result"])

    async def alerts(self) -> list[dict[str, Any]]:
        """What Alertmanager holds active."""
        found = await self._get(f"{self.alerting}/api/v2/alerts", {"active": "true"})
        return list(found)

    async def annotations(self, run_id: str, kind: str) -> list[dict[str, Any]]:
        """Of a run; kind: `incident`, or `kind:run` for its own."""
        tags = [("tags", tag) for tag in ("anomalyd", f"run:{run_id}", kind)]
        return list(await self._get(f"{self.annotating}/api/annotations", tags))

    def report(self) -> dict[str, Any]:
        """The report of the only run there was."""
        (path,) = (self.directory / "state" / "reports").glob("*/report.json")
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return document

    def notified(self) -> list[str]:
        """Statuses that Alertmanager notified of, in order."""
        return [request.json()["status"] for request in self.sent.received]

    async def _get(
        self, url: str, params: Mapping[str, str] | Sequence[tuple[str, str]]
    ) -> Any:
        headers = {"Authorization": f"Bearer {self.token}"} if self.annotating in url else {}
        async with self.session.get(url, params=params, headers=headers) as response:
            response.raise_for_status()
            return await response.json()


@asynccontextmanager
async def world(directory: Path, seed: int) -> AsyncIterator[World]:
    """A staging system and all that it takes to judge it, on loopback, for the block's length."""
    async with AsyncExitStack() as stack:
        system = await stack.enter_async_context(System(Environment.STAGING, seed))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        sent = await stack.enter_async_context(receiver())
        staging = stack.enter_context(prometheus(directory, _scrapes(system)))
        routes = ROUTES.replace("URL", sent.url)
        alerting = stack.enter_context(alertmanager(directory, routes))
        url, token = os.environ.get("GRAFANA_URL"), os.environ.get("GRAFANA_TOKEN")
        grafana = None
        if not url or not token:
            grafana = await stack.enter_async_context(fake_grafana())
            url, token = grafana.url, TOKEN
        yield World(
            directory, system, staging, alerting, url, token, sent, grafana, session
        )


def _scrapes(system: System) -> str:
    lines = []
    for target in system.targets():
        address = target.url.removeprefix("http://").removesuffix("/metrics")
        labels = json.dumps({**target.labels, "env": "staging"})
        lines.append(f"  - {{targets: ['{address}'], labels: {labels}}}\n")
    return SCRAPES + "".join(lines)


async def until(
    condition: Callable[[], Awaitable[Any]], what: str, watching: Watch, seconds: float
) -> Any:
    """Poll until it is true and return it; fails at the deadline, or when the watch has ended."""
    try:
        async with asyncio.timeout(seconds):
            while not (found := await condition()):
                if watching.process.returncode is not None:
                    break
                await asyncio.sleep(0.25)
    except TimeoutError:
        found = None
    said = "\n".join(watching.said)
    assert found, f"{what}: not within {seconds:g} s\n{said}"
    return found


async def _lines(stream: asyncio.StreamReader | None, into: list[str]) -> None:
    assert stream is not None
    async for line in stream:
        into.append(line.decode().rstrip())
