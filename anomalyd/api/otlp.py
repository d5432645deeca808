"""Where OpenTelemetry SDKs and Collectors send to by HTTP: `/v1/traces` and
`/v1/metrics`, on a port of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from anomalyd.api import push, rpc
from anomalyd.api.access import Access, guard
from anomalyd.api.control import Control
from anomalyd.api.errors import Refusal, answer, refusals_by
from anomalyd.api.keys import ACCESS, CONTROL
from anomalyd.api.server import serve

SECTIONS = {"traces": "otlp", "metrics": "otlp_metrics"}
"""Which setting of an environment asks for a signal."""

ROUTES = tuple(
    web.post(f"{prefix}/v1/{signal}", push.into(section))
    for signal, section in SECTIONS.items()
    for prefix in ("", "/{environment:staging|production}")
)


@asynccontextmanager
async def listening(control: Control, access: Access) -> AsyncIterator[tuple[str, int]]:
    """Listen on `access.listen` within the block; yields the address. Raises ApiError."""
    app = web.Application(middlewares=[refusals_by(_refuse), guard(access, pushed=True)])
    app[CONTROL] = control
    app[ACCESS] = access
    push.setup(app)
    app.add_routes(ROUTES)
    async with serve(app, access.listen, setting="otlp.http", inflate=False) as address:
        yield address


def _refuse(request: web.Request, refusal: Refusal) -> web.Response:
    """A google.rpc.Status, in the encoding of the request."""
    if request.content_type == "application/json":
        code = int(rpc.code_of(refusal))
        return answer({"code": code, "message": refusal.message}, refusal.status, refusal.headers)
    return web.Response(
        body=rpc.status(refusal),
        status=refusal.status,
        headers=refusal.headers,
        content_type="application/x-protobuf",
    )
