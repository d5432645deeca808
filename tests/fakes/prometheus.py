"""A query API that answers to the letter, or misbehaves on request."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.fakes.receiver import serving

Answer = Callable[[web.Request, dict[str, str]], Awaitable[web.StreamResponse]]


def vector(*series: tuple[dict[str, str], str | float], at: float = 1_700_000_000) -> Any:
    return {
        "resultType": "vector",
        "result": [{"metric": m, "value": [at, _text(v)]} for m, v in series],
    }


def matrix(*series: tuple[dict[str, str], dict[float, str | float]]) -> Any:
    return {
        "resultType": "matrix",
        "result": [
            {"metric": m, "values": [[t, _text(v)] for t, v in sorted(points.items())]}
            for m, points in series
        ],
    }


def _text(value: str | float) -> str:
    return value if isinstance(value, str) else repr(value)


@dataclass
class FakePrometheus:
    """`answers`: query text → data; `trouble` (if set) answers instead, for queries it wants.

    `ranges`: what a range query yields, as a function of (query, time) → series values.
    """

    answers: dict[str, Any] = field(default_factory=dict)
    ranges: Callable[[str, float], list[tuple[dict[str, str], str | float]]] | None = None
    trouble: Answer | None = None
    troubled: Callable[[str], bool] = lambda query: True
    metrics: dict[str, list[str]] = field(default_factory=dict)
    targets: list[dict[str, Any]] | None = None
    skew: float = 0.0
    version: str = "2.42.0"
    warnings: list[str] = field(default_factory=list)
    only_get: bool = False
    max_points: int = 11_000
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    url: str = ""

    def asked(self, path: str) -> list[dict[str, str]]:
        return [form for seen, form in self.seen if seen == path]

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_route("*", "/{prefix:.*}api/v1/{path:.+}", self._handle)
        return app

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if self.only_get and request.method != "GET":
            return web.Response(status=405, text="405 method not allowed")
        path = request.match_info["path"]
        form = {**request.query, **{k: str(v) for k, v in (await request.post()).items()}}
        self.seen.append((path, form))
        self.headers.append(dict(request.headers))
        if self.trouble and self.troubled(form.get("query", path)):
            return await self.trouble(request, form)
        return self._answer(path, form)

    def _answer(self, path: str, form: dict[str, str]) -> web.Response:
        if path == "query":
            return self._query(form["query"], form)
        if path == "query_range":
            return self._range(form)
        if path == "status/buildinfo":
            return self._ok({"version": self.version, "revision": "abc"})
        if path == "label/__name__/values":
            return self._ok(sorted(self.metrics))
        if path == "labels":
            metric = form["match[]"].partition("{")[0]
            return self._ok(["__name__", *self.metrics.get(metric, [])])
        if path == "targets" and self.targets is not None:
            return self._ok({"activeTargets": self.targets, "droppedTargets": []})
        return web.Response(status=404, text="404 page not found")

    def _query(self, query: str, form: dict[str, str]) -> web.Response:
        now = time.time() + self.skew
        if query == "time()":
            return self._ok({"resultType": "scalar", "result": [now, repr(now)]})
        if query == "vector(1)":
            return self._ok(vector(({}, 1.0)))
        if query.startswith("count(") and query not in self.answers and self.ranges:
            series = self.ranges(query[6:-1], float(form["time"]))
            return self._ok(vector(({}, len(series))) if series else vector())
        return self._ok(self.answers.get(query, vector()))

    def _range(self, form: dict[str, str]) -> web.Response:
        start, end, step = (float(form[name]) for name in ("start", "end", "step"))
        if (end - start) / step > self.max_points:
            message = "exceeded maximum resolution of 11,000 points per timeseries."
            return error(400, "bad_data", message)
        found: dict[str, tuple[dict[str, str], dict[float, str | float]]] = {}
        for index in range(round((end - start) / step) + 1):
            at = start + index * step
            for metric, value in self.ranges(form["query"], at) if self.ranges else ():
                found.setdefault(json.dumps(metric), (metric, {}))[1][at] = value
        return self._ok(matrix(*found.values()))

    def _ok(self, data: Any) -> web.Response:
        answer: dict[str, Any] = {"status": "success", "data": data}
        if self.warnings:
            answer["warnings"] = self.warnings
        return web.json_response(answer)


def error(status: int, kind: str, message: str, **headers: str) -> web.Response:
    body = {"status": "error", "errorType": kind, "error": message}
    return web.json_response(body, status=status, headers=headers)


def refuse(status: int, kind: str = "", message: str = "", **headers: str) -> Answer:
    """Trouble: an API error, or a proxy's bare page where no kind is given."""

    async def answer(request: web.Request, form: dict[str, str]) -> web.StreamResponse:
        if kind:
            return error(status, kind, message, **headers)
        return web.Response(status=status, text=message or "<html>", headers=headers)

    return answer


def page(body: bytes, kind: str = "application/json") -> Answer:
    """Trouble: 200 with this body."""

    async def answer(request: web.Request, form: dict[str, str]) -> web.StreamResponse:
        return web.Response(body=body, content_type=kind)

    return answer


async def never(request: web.Request, form: dict[str, str]) -> web.StreamResponse:
    """Trouble: no answer until the client leaves."""
    await asyncio.Event().wait()
    raise AssertionError


async def cut_off(request: web.Request, form: dict[str, str]) -> web.StreamResponse:
    """Trouble: the connection ends inside a body of a stated length."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"status":"success","data":{')
    assert request.transport is not None
    request.transport.close()
    return response


@dataclass
class Endless:
    """Trouble: series after series, until the client leaves; `sent` counts bytes."""

    chunk: bytes
    sent: int = 0

    async def __call__(self, request: web.Request, form: dict[str, str]) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b'{"status":"success","data":{"resultType":"vector","result":[')
        try:
            while True:
                await response.write(self.chunk)
                self.sent += len(self.chunk)
        except (ConnectionError, ConnectionResetError):
            return response


@asynccontextmanager
async def serve(
    fake: FakePrometheus, context: ssl.SSLContext | None = None, prefix: str = ""
) -> AsyncIterator[FakePrometheus]:
    """`fake` on a loopback port; its `url` ends with `prefix`."""
    async with serving(fake.app(), context) as url:
        fake.url = url + prefix
        yield fake
