"""A receiver of remote_write behind a real socket, for real senders."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from anomalyd.config import EnvironmentConfig, Limits
from anomalyd.model import Environment, Signal
from anomalyd.push import Post
from anomalyd.signals.identity import Canonical
from anomalyd.signals.table import SignalTable
from anomalyd.sources.base import Make, Side, Wanted
from anomalyd.sources.pushed import PushedSource, build
from anomalyd.sources.remote_write import RemoteWrite
from tests.fakes.receiver import serving


@dataclass
class Received:
    """statuses, types: of the answers and of the bodies, in order. url: where to send to."""

    source: PushedSource
    table: SignalTable
    url: str = ""
    statuses: list[int] = field(default_factory=list)
    types: set[str] = field(default_factory=set)

    async def values(self, at: float) -> dict[str, float]:
        batch = await self.source.collect(at)
        pairs = zip(batch.rows, batch.values, strict=True)
        return {self.table.keys[row]: value for row, value in pairs}


@asynccontextmanager
async def receiving(
    tmp_path: Path, signals: Sequence[Signal], metrics: Collection[str], window: float
) -> AsyncIterator[Received]:
    """Away now and then, as a receiver is."""
    config = EnvironmentConfig.model_validate({"remote_write": {}})
    side = Side(Environment.STAGING, config, None, {}, None, section="remote_write")
    wanted = Wanted(frozenset(metrics).__contains__, Limits(), tmp_path)
    table = SignalTable(signals, 1000)
    names = frozenset(signal.name for signal in signals)
    source = build(Make(side, table, Canonical(["service"]), window, wanted, names))
    receiver = RemoteWrite({Environment.STAGING: source}, 2**25)
    made = Received(source, table)

    async def write(request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        post = Post("staging", headers, await request.read(), time.time())
        made.types.add(headers["content-type"])
        if len(made.statuses) % 5 == 2:
            made.statuses.append(503)
            return web.Response(status=503)
        reply = receiver.receive(post)
        made.statuses.append(reply.status)
        return web.Response(status=reply.status, headers=reply.headers)

    app = web.Application()
    app.router.add_post("/write", write)
    async with serving(app) as url:
        made.url = f"{url}/write"
        yield made
