"""An HTTP receiver on loopback that keeps what it gets and answers what it is told to."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass(frozen=True)
class Received:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """`script`: answers (status, body, headers) to give first, in order; then `answer` for ever.

    A status of 0 in an answer closes the connection without one. Nothing is answered while `hold`
    is cleared.
    """

    url: str = ""
    answer: tuple[int, str, dict[str, str]] = (200, "", {})
    script: list[tuple[int, str, dict[str, str]]] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    hold: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = dict(request.headers)
        await self.hold.wait()
        self.received.append(Received(request.method, request.path, headers, body))
        status, text, answered = self.script.pop(0) if self.script else self.answer
        if status == 0 and request.transport is not None:
            request.transport.close()
        return web.Response(status=status or 500, text=text, headers=answered)


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver listening for the length of the block."""
    kept = Receiver()
    kept.hold.set()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", kept.handle)
    async with serving(app) as url:
        kept.url = url
        yield kept
        kept.hold.set()


@asynccontextmanager
async def serving(
    app: web.Application, context: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    """`app` on a free loopback port for the length of the block; yields its base URL, of https with
    a `context`."""
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        host, port = runner.addresses[0][:2]
        yield f"http{'s' if context else ''}://{host}:{port}"
    finally:
        await runner.cleanup()
        await asyncio.sleep(0)
