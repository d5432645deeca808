"""Everything around one watched run: a system under test, its Prometheus, where alerts go."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
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
"""How long settling, judging and writing reports may take."""

PRODUCTION = 'env="production"'
SCRAPES = """
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
- job_name: shop
  static_configs:
"""
ROUTES = """
route: {receiver: hook, group_by: [incident], group_wait: 100ms, group_interval: 1s}
receivers:
- {name: hook, webhook_configs: [{url: "%s/hook", send_resolved: true}]}
"""
CONFIG = """
environments:
  staging: {url: "@STAGING", matchers: 'env="staging"'}
  production: {url: "@PRODUCTION", matchers: '@MATCHERS'}
identity: {service: [service], entry: gateway}
signals: {presets: [http, process]}
graph:
  gateway: [cart]
  cart: [pricing, inventory]
step: 5s
window: 10s
baseline: {days: 3, step: 10s}
judgement:
  {warmup: 15s, settle: 5s, keep_firing_for: 20s, close_incident_after: 10s, ignore_shorter: 10s}
sinks:
  grafana: {url: "@GRAFANA", token: "${GRAFANA_TOKEN}"}
  alertmanager: {urls: ["@ALERTMANAGER"], labels: {team: shop}}
  log: null
state_dir: "@STATE"
"""


@dataclass(frozen=True, slots=True)
class Watch:
    """`anomalyd watch` as it runs; stdout and stderr go to files in `directory`."""

    directory: Path
    process: asyncio.subprocess.Process
    seconds: float

    @property
    def said(self) -> list[str]:
        """What it told on stderr so far, line by line."""
        return (self.directory / "stderr").read_text(encoding="utf-8").splitlines()

    @property
    def output(self) -> str:
        return (self.directory / "stdout").read_text(encoding="utf-8")

    @property
    def run_id(self) -> str:
        """From `anomalyd: run ID (NAME): COMMAND`."""
        return next(line.split()[2] for line in self.said if line.startswith("anomalyd: run "))

    async def ended(self) -> int:
        """Its exit code."""
        async with asyncio.timeout(self.seconds + END_SECONDS):
            return await self.process.wait()

    def report(self) -> dict[str, Any]:
        path = self.directory / "state" / "reports" / self.run_id / "report.json"
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return document


@dataclass(frozen=True, slots=True)
class World:
    """One staging environment and the systems that decisions go to; URLs of each.

    sent: what Alertmanager told its own receiver. grafana: the fake, None where a real one is
    used. token: Grafana's.
    """

    directory: Path
    system: System
    staging: str
    alerting: str
    annotating: str
    token: str
    sent: Receiver
    grafana: FakeGrafana | None
    session: aiohttp.ClientSession

    def configure(self, name: str, production: str, matchers: str = PRODUCTION) -> Path:
        """The configuration as a user would write it, in a directory of that name."""
        directory = self.directory / name
        directory.mkdir()
        values = {
            "@STAGING": self.staging,
            "@PRODUCTION": production,
            "@MATCHERS": matchers,
            "@ALERTMANAGER": self.alerting,
            "@GRAFANA": self.annotating,
            "@STATE": str(directory / "state"),
        }
        text = CONFIG
        for placeholder, value in values.items():
            text = text.replace(placeholder, value)
        path = directory / "anomalyd.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    async def fit(self, config: Path) -> None:
        """`anomalyd baseline fit`."""
        process = await self._spawn("baseline", "fit", "-c", str(config))
        status = await process.wait()
        assert status == 0, (config.parent / "stderr").read_text(encoding="utf-8")

    @asynccontextmanager
    async def watch(self, config: Path, seconds: float, *command: str) -> AsyncIterator[Watch]:
        """`anomalyd watch` on a command of about that length; ended with the block."""
        options = ("-c", str(config), "--name", config.parent.name)
        process = await self._spawn("watch", *options, "--", *command)
        try:
            yield Watch(config.parent, process, seconds)
        finally:
            if process.returncode is None:
                process.terminate()  # passed on to the command
                process.kill()
            await process.wait()

    def load(self, seconds: float, pid_file: Path) -> list[str]:
        """The command of a load test."""
        options = [f"--rate={RATE}", f"--seconds={seconds}", f"--pid-file={pid_file}"]
        return [sys.executable, "-m", "tests.e2e.load", self.system.entry, *options]

    async def _spawn(self, *arguments: str) -> asyncio.subprocess.Process:
        config = Path(arguments[arguments.index("-c") + 1])
        with (
            (config.parent / "stdout").open("wb") as out,
            (config.parent / "stderr").open("wb") as said,
        ):
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "anomalyd",
                *arguments,
                cwd=ROOT,
                env={**os.environ, "GRAFANA_TOKEN": self.token},
                stdout=out,
                stderr=said,
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

    def notified(self) -> list[str]:
        """Statuses that Alertmanager notified of, in order."""
        return [request.json()["status"] for request in self.sent.received]

    async def _get(self, url: str, params: Mapping[str, str] | Sequence[tuple[str, str]]) -> Any:
        grafana = url.startswith(self.annotating)
        headers = {"Authorization": f"Bearer {self.token}"} if grafana else {}
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
        alerting = stack.enter_context(alertmanager(directory, ROUTES % sent.url))
        url, token = os.environ.get("GRAFANA_URL"), os.environ.get("GRAFANA_TOKEN")
        grafana = None
        if not url or not token:
            grafana = await stack.enter_async_context(fake_grafana())
            url, token = grafana.url, TOKEN
        yield World(directory, system, staging, alerting, url, token, sent, grafana, session)


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
    found = None
    try:
        async with asyncio.timeout(seconds):
            while not (found := await condition()) and watching.process.returncode is None:  # noqa: ASYNC110
                await asyncio.sleep(0.25)
    except TimeoutError:
        found = None
    assert found, "\n".join([f"{what}: not within {seconds:g} s", *watching.said])
    return found
