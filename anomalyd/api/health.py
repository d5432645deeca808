"""What probes, scrapers and the series view read; reload."""

from __future__ import annotations

from aiohttp import web

from anomalyd import codec
from anomalyd.api.errors import answer
from anomalyd.api.keys import CONTROL
from anomalyd.api.requests import whole_number

SERIES_AT_MOST = 10_000
_OFFSET_AT_MOST = 10**9


async def healthy(request: web.Request) -> web.Response:
    """Always 200 while the process answers: a restart mends none of the reasons."""
    reasons = list(request.app[CONTROL].degraded())
    return answer({"status": "degraded" if reasons else "ok", "reasons": reasons})


async def ready(request: web.Request) -> web.Response:
    reasons = list(request.app[CONTROL].unready())
    if reasons:
        return answer({"status": "not ready", "reasons": reasons}, 503)
    return answer({"status": "ready", "reasons": []})


async def reload(request: web.Request) -> web.Response:
    await request.app[CONTROL].reload()
    return answer({"status": "reloaded"})


async def metrics(request: web.Request) -> web.Response:
    return web.Response(
        body=request.app[CONTROL].metrics(),
        headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
    )


async def series(request: web.Request) -> web.Response:
    offset = whole_number(request, "offset", 0, _OFFSET_AT_MOST)
    limit = whole_number(request, "limit", 1000, SERIES_AT_MOST)
    page = request.app[CONTROL].series(request.query.get("match", ""), offset, limit)
    following = offset + len(page.rows)
    return answer(
        {
            "series": [codec.to_dict(row) for row in page.rows],
            "total": page.total,
            "next_offset": following if page.rows and following < page.total else None,
        }
    )
