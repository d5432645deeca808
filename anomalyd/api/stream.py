"""The events of a run as server-sent events (WHATWG HTML, section 9.2)."""

from __future__ import annotations

import asyncio
import contextlib

import msgspec
from aiohttp import web

from anomalyd.api.hub import Event, Subscription, finished_event, incident_event, run_event
from anomalyd.api.keys import CONTROL, HEARTBEAT, HUB


async def events(request: web.Request) -> web.StreamResponse:
    """The run and its open incidents as they are, then every change, `finished` last.

    A client that falls behind is disconnected; it comes back and starts from what then is.
    """
    control, run_id = request.app[CONTROL], request.match_info["id"]
    control.status(run_id)
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/event-stream; charset=utf-8",
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
        }
    )

    def disconnect() -> None:
        if request.transport is not None:
            request.transport.abort()

    with request.app[HUB].subscribe(run_id, disconnect) as subscription:
        await response.prepare(request)
        with contextlib.suppress(ConnectionResetError):
            if not await _now(request, response, run_id):
                await _follow(response, subscription, request.app[HEARTBEAT])
            await response.write_eof()
    return response


async def _now(request: web.Request, response: web.StreamResponse, run_id: str) -> bool:
    """Send how the run stands; whether it is finished, verdict included."""
    control = request.app[CONTROL]
    status = control.status(run_id)
    await response.write(_frame(run_event(status.run, "how it stands")))
    enrichments = {one.incident_id: one for one in control.enrichments(run_id)}
    for incident in status.incidents:
        found = enrichments.get(incident.id)
        await response.write(_frame(incident_event(incident, found)))
    verdict = control.verdict(run_id)
    if verdict is None:
        return False
    await response.write(_frame(finished_event(status.run, verdict)))
    return True


async def _follow(
    response: web.StreamResponse, subscription: Subscription, heartbeat: float
) -> None:
    while True:
        try:
            async with asyncio.timeout(heartbeat):
                event = await subscription.get()
        except TimeoutError:
            await response.write(b": heartbeat\n\n")
            continue
        if event is None:
            return
        await response.write(_frame(event))
        if event.kind == "finished":
            return


def _frame(event: Event) -> bytes:
    return (
        b"event: " + event.kind.encode() + b"\ndata: " + msgspec.json.encode(event.data) + b"\n\n"
    )
