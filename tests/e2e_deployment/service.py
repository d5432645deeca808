"""One instance of a service: `python -m tests.e2e_deployment.service PORT VERSION`."""

from __future__ import annotations

import sys

from aiohttp import web
from prometheus_client import Counter, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

requests = Counter("http_requests", "Requests that were served.")
build = Gauge("shop_build_info", "What runs.", ["version"])


async def work(request: web.Request) -> web.Response:
    requests.inc()
    return web.Response(text="done")


async def metrics(request: web.Request) -> web.Response:
    """Its own, and those of its process: `process_start_time_seconds` among them."""
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def main(port: int, version: str) -> None:
    build.labels(version).set(1)
    app = web.Application()
    app.router.add_get("/work", work)
    app.router.add_get("/metrics", metrics)
    web.run_app(app, host="127.0.0.1", port=port, print=lambda *_: None, reuse_address=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
