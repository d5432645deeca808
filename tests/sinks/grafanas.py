"""Grafana by a fake of each flavour, and by a real one where GRAFANA_URL and GRAFANA_TOKEN say."""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from anomalyd import config
from anomalyd.model import Incident, Run
from anomalyd.sinks.grafana import Grafana
from tests.fakes.grafana import TOKEN, FakeGrafana, fake_grafana
from tests.sinks.examples import (
    DictMemory,
    a_run,
    an_incident,
    context,
)

FLAVOURS = ["7.5", "13"]
SERVERS = FLAVOURS + (["real"] if os.environ.get("GRAFANA_URL") else [])


@dataclass
class Server:
    """A Grafana, fake or real, seen from beside the sink. Names are new for each test."""

    url: str
    token: str
    session: aiohttp.ClientSession
    flavour: str
    name: str

    @property
    def run(self) -> Run:
        return a_run(f"run-{self.name}")

    def incident(self, number: int = 1, ended: float | None = None) -> Incident:
        return an_incident(f"incident-{self.name}-{number}", self.run.id, ended=ended)

    @property
    def tags(self) -> list[str]:
        return ["anomalyd", f"run:{self.run.id}"]

    async def call(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        async with self.session.request(method, f"{self.url}{path}", **options) as answer:
            return answer.status, await answer.json(content_type=None)

    async def rows(self, *tags: str) -> list[dict[str, Any]]:
        query = [("tags", tag) for tag in (*tags, f"run:{self.run.id}")]
        return (await self.call("GET", "/api/annotations", params=query))[1]

    async def of_incidents(self) -> list[dict[str, Any]]:
        return await self.rows("incident")

    async def of_run(self) -> list[dict[str, Any]]:
        return await self.rows("kind:run")

    async def dashboard(self) -> str:
        uid = f"uid-{self.name}"[:40]
        body = {"dashboard": {"uid": uid, "title": uid, "panels": []}, "overwrite": True}
        status, _ = await self.call("POST", "/api/dashboards/db", json=body)
        assert status == 200
        return uid


@asynccontextmanager
async def server(flavour: str) -> AsyncIterator[tuple[Server, FakeGrafana | None]]:
    async with AsyncExitStack() as stack:
        fake: FakeGrafana | None = None
        if flavour == "real":
            url, token = os.environ["GRAFANA_URL"].rstrip("/"), os.environ["GRAFANA_TOKEN"]
        else:
            fake = await stack.enter_async_context(fake_grafana(flavour))
            url, token = fake.url, TOKEN
        headers = {"Authorization": f"Bearer {token}"}
        session = await stack.enter_async_context(aiohttp.ClientSession(headers=headers))
        seen = Server(url, token, session, flavour, uuid.uuid4().hex[:12])
        yield seen, fake
        for row in await seen.rows():
            await seen.call("DELETE", f"/api/annotations/{row['id']}")


@asynccontextmanager
async def a_sink(
    seen: Server, memory: DictMemory | None = None, **settings: Any
) -> AsyncIterator[Grafana]:
    values = {"url": seen.url, "token": seen.token, **settings}
    sink = Grafana(config.GrafanaSink.model_validate(values), context(memory))
    await sink.start()
    yield sink
    await sink.stop()


def milliseconds(time: float) -> int:
    return round(time * 1000)
