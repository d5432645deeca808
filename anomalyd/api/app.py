"""The application: every route in one table, documented in docs/api.md."""

from __future__ import annotations

from aiohttp import web

from anomalyd.api import graph, health, page, push, risk, runs, silences, stream, verdicts
from anomalyd.api.access import Access, guard
from anomalyd.api.control import Control
from anomalyd.api.errors import refusals
from anomalyd.api.hub import Hub
from anomalyd.api.keys import ACCESS, CONTROL, HEARTBEAT, HUB
from anomalyd.api.requests import BODY_LIMIT

ROUTES = (
    web.post("/api/v1/runs", runs.start),
    web.get("/api/v1/runs", runs.listing),
    web.get("/api/v1/runs/{id}", runs.status),
    web.post("/api/v1/runs/{id}/stop", runs.stop),
    web.post("/api/v1/runs/{id}/notes", runs.note),
    web.post("/api/v1/runs/{id}/accept", runs.accept),
    web.delete("/api/v1/runs/{id}/accept", runs.undo_accept),
    web.post("/api/v1/runs/{id}/outcome", risk.record),
    web.delete("/api/v1/runs/{id}/outcome", risk.undo),
    web.get("/api/v1/outcomes", risk.outcomes),
    web.get("/api/v1/risk", risk.reliability),
    web.get("/api/v1/runs/{id}/verdict", verdicts.verdict),
    web.get(r"/api/v1/runs/{id}/report.{form:json|xml|md|html}", verdicts.report),
    web.get("/api/v1/runs/{id}/recording", verdicts.recording),
    web.get("/api/v1/runs/{id}/events", stream.events),
    web.get("/api/v1/incidents", runs.incidents),
    web.get("/api/v1/series", health.series),
    web.get("/api/v1/graph", graph.graph),
    web.get("/api/v1/silences", silences.listing),
    web.post("/api/v1/silences", silences.add),
    web.delete("/api/v1/silences/{id}", silences.delete),
    web.post("/api/v1/write", push.into("remote_write")),
    web.post("/api/v1/write/{environment:staging|production}", push.into("remote_write")),
    web.get("/-/healthy", health.healthy),
    web.get("/-/ready", health.ready),
    web.post("/-/reload", health.reload),
    web.get("/metrics", health.metrics),
    web.get("/runs/{id}", page.run),
    web.get("/risk", page.risk),
    web.get("/", page.index),
)


def create_app(
    control: Control, hub: Hub, access: Access, *, heartbeat_seconds: float = 15.0
) -> web.Application:
    """The application over `control`; `hub` is where the daemon publishes what happens."""
    app = web.Application(middlewares=[refusals, guard(access)], client_max_size=BODY_LIMIT)
    app[CONTROL] = control
    app[HUB] = hub
    app[ACCESS] = access
    app[HEARTBEAT] = heartbeat_seconds
    push.setup(app)
    app.add_routes(ROUTES)
    app.on_response_prepare.append(_no_sniffing)
    app.on_shutdown.append(_end_streams)
    return app


async def _no_sniffing(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["X-Content-Type-Options"] = "nosniff"


async def _end_streams(app: web.Application) -> None:
    app[HUB].close()
