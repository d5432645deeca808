"""One service of the demo's system: `python -m anomalyd.demo.service --name cart ...`.

It does some work of its own, calls its downstreams over HTTP, and is instrumented as a real
service is: OpenTelemetry's HTTP metric names as Prometheus shows them, and process metrics.
`POST /fault {"kind": "latency", "size": 1.5}` switches a fault on, `DELETE /fault` off again.
It listens on loopback only.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Mapping

import aiohttp
from aiohttp import web
from prometheus_client import (
    CollectorRegistry,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder

from anomalyd.demo import tracing
from anomalyd.demo.topology import WORK, FaultKind, Work

BUCKETS = tuple(round(0.002 * 1.2**i, 6) for i in range(44))
"""2 ms to 5 s, each 1.2 times the one before: a quantile is known to 10%."""
CLIENT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
"""As OpenTelemetry advises for `http.client.request.duration`."""
LEAK_CAP = 192 * 2**20
SPIN_SECONDS = 0.0003
IDLE_SECONDS = 2.0
"""After which an unused connection is closed, so that open_fds follows load and not its history."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Metrics:
    """What a service tells of itself; every status it can answer with is there from the start."""

    def __init__(self, name: str, downstream: Mapping[str, str]) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.server = Histogram(
            "http_server_request_duration_seconds",
            "Duration of HTTP server requests.",
            ("http_request_method", "http_route", "http_response_status_code"),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.client = Histogram(
            "http_client_request_duration_seconds",
            "Duration of HTTP client requests.",
            ("http_request_method", "server_address", "http_response_status_code"),
            buckets=CLIENT_BUCKETS,
            registry=self.registry,
        )
        for status in ("200", "500", "502") if downstream else ("200", "500"):
            self.server.labels("GET", f"/{name}", status)
        for callee in downstream:
            self.client.labels("GET", callee, "200")


class Service:
    """The handlers of one service and the fault it has, if any."""

    def __init__(self, name: str, downstream: Mapping[str, str], seed: str, work: Work) -> None:
        self.name = name
        self.downstream = downstream
        self.work = work
        self.metrics = Metrics(name, downstream)
        self._random = random.Random(seed)
        self._workers = asyncio.Semaphore(work.workers)
        self._busy = 0
        self._fault: dict[FaultKind, float] = {}
        self._leaked: list[bytes] = []
        self._leaked_bytes = 0
        self._client: aiohttp.ClientSession | None = None

    def application(self) -> web.Application:
        application = web.Application()
        application.add_routes(
            [
                web.get(f"/{self.name}", self._serve),
                web.get("/metrics", self._expose),
                web.get("/healthz", self._healthz),
                web.post("/fault", self._set_fault),
                web.delete("/fault", self._clear_fault),
            ]
        )
        application.on_startup.append(self._open)
        application.on_cleanup.append(self._close)
        return application

    async def _open(self, _: web.Application) -> None:
        self._client = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=5),
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_SECONDS),
        )

    async def _close(self, _: web.Application) -> None:
        if self._client:
            await self._client.close()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        started = time.perf_counter()
        with tracing.serving(request.headers, f"/{self.name}") as span:
            status = await self._answer()
            tracing.ended(span, status)
        self.metrics.server.labels("GET", f"/{self.name}", str(status)).observe(
            time.perf_counter() - started
        )
        return web.json_response({"service": self.name, "status": status}, status=status)

    async def _answer(self) -> int:
        own = await self._own_work()
        answers = await asyncio.gather(*(self._call_all(callee) for callee in self.downstream))
        if own != 200:
            return own
        return 200 if all(answers) else 502

    async def _own_work(self) -> int:
        slow = 1 + self._fault.get(FaultKind.LATENCY, 0.0)
        async with self._workers:
            self._busy += 1
            drawn = self.work.median * math.exp(self._random.gauss(0, self.work.sigma))
            crowd = 1 + self.work.contention * (self._busy - 1)
            await asyncio.sleep(drawn * slow * crowd)
            _spin(SPIN_SECONDS)
            self._busy -= 1
        self._leak()
        failing = self.work.errors + self._fault.get(FaultKind.ERRORS, 0.0)
        return 500 if self._random.random() < failing else 200

    def _leak(self) -> None:
        size = int(self._fault.get(FaultKind.LEAK, 0.0) * 2**20)
        if size and self._leaked_bytes + size <= LEAK_CAP:
            self._leaked.append(b"\xff" * size)
            self._leaked_bytes += size

    async def _call_all(self, callee: str) -> bool:
        times = int(self._fault.get(FaultKind.FANOUT, 1))
        return all([await self._call(callee) for _ in range(times)])

    async def _call(self, callee: str) -> bool:
        if self._client is None:
            raise RuntimeError("the service was not started")
        started = time.perf_counter()
        url = f"{self.downstream[callee]}/{callee}"
        with tracing.calling(callee) as span:
            try:
                async with self._client.get(url, headers=tracing.headers()) as response:
                    await response.read()
                    status = response.status
            except (aiohttp.ClientError, TimeoutError):
                status = 0
            tracing.ended(span, status)
        self.metrics.client.labels("GET", callee, str(status or "")).observe(
            time.perf_counter() - started
        )
        return status == 200

    async def _expose(self, request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(
            body=encode(self.metrics.registry), headers={"Content-Type": content_type}
        )

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.json_response({"service": self.name, "fault": self._fault})

    async def _set_fault(self, request: web.Request) -> web.Response:
        try:
            body = await request.json()
            kind, size = FaultKind(body["kind"]), float(body["size"])
        except (ValueError, KeyError, TypeError) as error:
            kinds = ", ".join(FaultKind)
            text = f"send {{kind, size}}, kind one of {kinds}, size a number ({error!r})"
            raise web.HTTPBadRequest(text=text) from error
        if not 0 < size <= 100 or (kind is FaultKind.FANOUT and not self.downstream):
            raise web.HTTPBadRequest(text=f"{self.name} cannot have {kind} of size {size:g}")
        self._fault = {kind: size}
        return web.json_response({"service": self.name, "fault": self._fault})

    async def _clear_fault(self, _: web.Request) -> web.Response:
        self._fault = {}
        self._leaked.clear()
        self._leaked_bytes = 0
        return web.json_response({"service": self.name, "fault": self._fault})


def _spin(seconds: float) -> None:
    """Use the CPU, as parsing and templates would."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


async def serve(service: Service, port: int) -> None:
    """Serve until SIGTERM or SIGINT; one JSON line on stdout says the port once it answers."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    listener = socket.create_server(("127.0.0.1", port))
    runner = web.AppRunner(service.application(), access_log=None)
    await runner.setup()
    await web.SockSite(runner, listener, shutdown_timeout=1).start()
    print(json.dumps({"service": service.name, "port": listener.getsockname()[1]}), flush=True)
    try:
        await stop.wait()
    finally:
        await runner.cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m anomalyd.demo.service", description=__doc__)
    parser.add_argument("--name", required=True, choices=tuple(WORK))
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--downstream", action="append", default=[], metavar="NAME=URL")
    parser.add_argument("--otlp", metavar="URL", help="send spans there, by OTLP/HTTP")
    parser.add_argument("--seed", default="0", help="of service times and errors")
    arguments = parser.parse_args()
    disable_created_metrics()  # type: ignore[no-untyped-call]
    service = Service(
        arguments.name,
        dict(pair.split("=", 1) for pair in arguments.downstream),
        arguments.seed,
        WORK[arguments.name],
    )
    end = tracing.start(arguments.name, arguments.otlp) if arguments.otlp else None
    asyncio.run(serve(service, arguments.port))
    if end is not None:
        end()


if __name__ == "__main__":
    main()
