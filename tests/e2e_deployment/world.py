"""A staging of real processes that a real Prometheus scrapes, and a run of `anomalyd watch`."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.daemon.process import PROGRAM, ROOT, command, spawned, written
from tests.servers import free_port, prometheus

TEST_SECONDS = 16.0
MIDST_SECONDS = 4.0
"""After the warm-up: what happens at its very end may have happened in it."""
PATIENCE_SECONDS = 90.0
SCRAPED = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: shop
    file_sd_configs: [{{files: ["{targets}"], refresh_interval: 1s}}]
"""


@dataclass
class Instance:
    """One process of a service, on a port of its own that it keeps."""

    service: str
    version: str = "v2.4"
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    async def start(self) -> None:
        self.spawn()
        await until(lambda: answers(f"{self.url}/metrics"))

    def spawn(self) -> None:
        module = "tests.e2e_deployment.service"
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, str(self.port), self.version], cwd=ROOT
        )

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@dataclass
class Shop:
    """Its instances, and the targets that Prometheus is told of."""

    root: Path
    prometheus: str = ""
    instances: list[Instance] = field(default_factory=list)

    @property
    def targets(self) -> Path:
        return self.root / "targets.json"

    def announce(self) -> None:
        """Service discovery: all instances there are."""
        groups = [
            {"targets": [one.address], "labels": {"service": one.service}} for one in self.instances
        ]
        fresh = self.targets.with_suffix(".part")
        fresh.write_text(json.dumps(groups))
        fresh.replace(self.targets)

    async def add(self, service: str, version: str = "v2.4") -> Instance:
        made = Instance(service, version)
        self.instances.append(made)
        await made.start()
        self.announce()
        return made

    def remove(self, instance: Instance) -> None:
        """As an autoscaler does: it is stopped, and discovery forgets it."""
        instance.kill()
        self.instances.remove(instance)
        self.announce()

    async def sees(self, query: str, number: int) -> None:
        """Until Prometheus has so many series of a query."""
        await until(lambda: len(self._ask(query)) == number)

    def _ask(self, query: str) -> list[Any]:
        url = f"{self.prometheus}/api/v1/query?query={urllib.parse.quote(query)}"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return list(json.load(answer)["data"]["result"])


async def until(holds: Callable[[], bool]) -> None:
    """Asked in a thread, again and again."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            if await asyncio.to_thread(holds):
                return
            await asyncio.sleep(0.05)


def answers(url: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(url, timeout=1) as answer:
        return bool(answer.status == 200)
    return False


@asynccontextmanager
async def shop(root: Path) -> AsyncIterator[Shop]:
    """Two carts and a pricing."""
    made = Shop(root)
    try:
        for service in ("cart", "cart", "pricing"):
            await made.add(service)
        with prometheus(root, SCRAPED.format(targets=made.targets)) as url:
            made.prometheus = url
            await made.sees("up == 1", 3)
            yield made
    finally:
        for one in made.instances:
            one.kill()


Midst = Callable[[], Awaitable[None]]


async def nothing() -> None:
    """Happens in the midst of a good run."""


@dataclass(frozen=True)
class Judged:
    """How a run ended. failed: kind, place and detail of each check that failed."""

    code: int
    document: dict[str, Any]
    config: Path

    @property
    def failed(self) -> list[tuple[str, str, str]]:
        rows = self.document["deployment"]
        return [(r["kind"], r["place"], r["detail"]) for r in rows if r["state"] == "failed"]

    @property
    def reasons(self) -> list[str]:
        return list(self.document["verdict"]["reasons"])


def configured(shop: Shop, deployment: dict[str, Any]) -> Path:
    return written(
        shop.root / "anomalyd.yaml",
        {
            "environments": {"staging": {"url": shop.prometheus}},
            "signals": {
                "presets": [],
                "custom": [{"name": "requests", "kind": "traffic", "rate": "http_requests_total"}],
            },
            "load": {"rate": "http_requests_total"},
            "step": "1s",
            "window": "4s",
            "state_dir": str(shop.root / "state"),
            "judgement": {"warmup": "4s", "settle": "4s"},
            "parity": {"with_runs": False},
            "deployment": {"every": "2s", **deployment},
        },
    )


async def judged_run(
    shop: Shop, midst: Midst = nothing, version: str = "", **deployment: Any
) -> Judged:
    """Watch a load test of the shop; `midst` happens once its warm-up is over."""
    config = configured(shop, deployment)
    urls = [f"{one.url}/work" for one in shop.instances]
    load = [sys.executable, "-m", "tests.e2e_deployment.load", str(TEST_SECONDS), *urls]
    expected = ["--version", version] if version else []
    asked = ["watch", "-c", str(config), "--json", *expected, "--", *load]
    async with spawned(*asked, program=PROGRAM) as process:
        await process.says("run is active", PATIENCE_SECONDS)
        await asyncio.sleep(MIDST_SECONDS)
        await midst()
        async with asyncio.timeout(PATIENCE_SECONDS):
            code = await process.child.wait()
    return Judged(code, json.loads("".join(process.out)), config)


async def replayed(judged: Judged) -> tuple[int, dict[str, Any]]:
    """The recording of a run, judged again: exit code and answer."""
    run, out = judged.document["run"]["id"], judged.config.parent / "recording"
    saved = await command("record", run, "-c", str(judged.config), "-o", str(out))
    assert saved.child.returncode == 0, saved.said
    again = await command("replay", str(out), "--json")
    return again.child.returncode or 0, json.loads("".join(again.out))
