"""Spans in memory, for the fakes of the systems that keep them, and the systems' own outsides."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.fakes.receiver import serving

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Span:
    """start: unix seconds; duration: seconds; kind: internal, server, client or consumer. id,
    parent: 16 hexadecimal digits; parent: '' of a root. peer: `peer.service`; env:
    `deployment.environment.name`."""

    trace: str
    service: str
    name: str = "GET /cart"
    start: float = 1_800_000_000.0
    duration: float = 0.02
    failed: bool = False
    kind: str = "server"
    id: str = ""
    parent: str = ""
    peer: str = ""
    env: str = ""


@dataclass
class Keeper:
    """What the fakes have in common. tenant, authorization: what must be sent, '' for anything.
    trouble: answers instead, if set. seen: path and query of each request."""

    spans: list[Span] = field(default_factory=list)
    tenant: str = ""
    authorization: str = ""
    trouble: Handler | None = None
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    url: str = ""

    def asked(self, path: str) -> list[dict[str, str]]:
        return [query for seen, query in self.seen if seen == path]

    def of(self, path: str, handler: Handler) -> web.RouteDef:
        async def handle(request: web.Request) -> web.StreamResponse:
            self.seen.append((request.path, dict(request.query)))
            if self.trouble is not None:
                return await self.trouble(request)
            if self.tenant and request.headers.get("X-Scope-OrgID") != self.tenant:
                return web.Response(status=401, text="no org id")
            if self.authorization != request.headers.get("Authorization", ""):
                return web.Response(status=401, text="<html>401 Authorization Required</html>")
            return await handler(request)

        return web.get(path, handle)


@asynccontextmanager
async def serve(fake: Any) -> AsyncIterator[Any]:
    """The fake, listening for the length of the block."""
    async with serving(fake.app()) as url:
        fake.url = url
        yield fake


def refuse(status: int, text: str, kind: str = "text/plain", **headers: str) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=text, content_type=kind, headers=headers)

    return answer
