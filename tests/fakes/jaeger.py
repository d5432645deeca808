"""Jaeger's query service in its generations: 1.x and 2.x up to 2.20 by `/api`, then `/api/v3`.

`flavour`: `v1` (an unknown path is the user interface's page, with 200), `v3-old` (parameters in
snake case only, attributes ignored), `v3` (camel case, attributes searched). As in
`cmd/query/app/http_handler.go` and `apiv3/http_gateway.go`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiohttp import web

from tests.fakes.traces import Keeper, Span

_KINDS = {"internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}


@dataclass
class FakeJaeger(Keeper):
    flavour: str = "v1"
    attributes: bool = True

    def app(self) -> web.Application:
        app = web.Application()
        if self.flavour == "v1":
            app.add_routes(
                [self.of("/api/services", self._services), self.of("/api/traces", self._traces)]
            )
            app.add_routes([self.of("/{page:.*}", self._page)])
        elif self.flavour in ("v3", "v3-old"):
            app.add_routes([self.of("/api/v3/services", self._v3_services)])
            app.add_routes([self.of("/api/v3/traces", self._v3_traces)])
        return app

    async def _page(self, request: web.Request) -> web.Response:
        return web.Response(
            text="<!doctype html><title>Jaeger UI</title>", content_type="text/html"
        )

    async def _services(self, request: web.Request) -> web.Response:
        return web.json_response(_answer(sorted({span.service for span in self.spans})))

    async def _traces(self, request: web.Request) -> web.Response:
        query = request.query
        if not query.get("service"):
            return _v1_error(400, "parameter 'service' is required")
        if query.get("limit") and not query["limit"].isdecimal():
            return _v1_error(400, "unable to parse param 'limit': strconv.ParseInt")
        start, end = int(query["start"]) / 1e6, int(query["end"]) / 1e6
        tags = json.loads(query.get("tags", "{}"))
        found = self._found(
            query["service"],
            query.get("operation", ""),
            start,
            end,
            _seconds(query.get("minDuration", "")),
            _seconds(query.get("maxDuration", "")),
            tags.get("error") == "true",
        )
        traces = found[: int(query.get("limit", 100))]
        return web.json_response(_answer([self._trace(trace) for trace in traces]))

    def _found(
        self,
        service: str,
        operation: str,
        start: float,
        end: float,
        least: float | None,
        most: float | None,
        failed: bool,
    ) -> list[str]:
        def wanted(span: Span) -> bool:
            return (
                span.service == service
                and (not operation or span.name == operation)
                and start <= span.start <= end
                and (least is None or span.duration >= least)
                and (most is None or span.duration <= most)
                and (not failed or span.failed)
            )

        return list(dict.fromkeys(span.trace for span in self.spans if wanted(span)))

    def _trace(self, trace: str) -> dict[str, Any]:
        spans = [span for span in self.spans if span.trace == trace]
        services = list(dict.fromkeys(span.service for span in spans))
        return {
            "traceID": trace,
            "spans": [
                {
                    "traceID": trace,
                    "spanID": f"{number:016x}",
                    "operationName": span.name,
                    "references": [],
                    "startTime": round(span.start * 1e6),
                    "duration": round(span.duration * 1e6),
                    "tags": [
                        {"key": "span.kind", "type": "string", "value": span.kind},
                        *([{"key": "error", "type": "bool", "value": True}] if span.failed else []),
                    ],
                    "logs": [],
                    "processID": f"p{services.index(span.service) + 1}",
                    "warnings": None,
                }
                for number, span in enumerate(spans)
            ],
            "processes": {
                f"p{number}": {"serviceName": service, "tags": []}
                for number, service in enumerate(services, 1)
            },
            "warnings": None,
        }

    async def _v3_services(self, request: web.Request) -> web.Response:
        return _json({"services": sorted({span.service for span in self.spans})})

    async def _v3_traces(self, request: web.Request) -> web.Response:
        query = request.query

        def given(name: str) -> str:
            snake = "query." + re.sub(r"([A-Z])", lambda found: f"_{found[1].lower()}", name)
            if self.flavour == "v3-old":
                return query.get(snake, "")
            return query.get(f"query.{name}", "") or query.get(snake, "")

        if not given("startTimeMin") or not given("startTimeMax"):
            return _v3_error(400, "query.start_time_min and query.start_time_max are required")
        try:
            start, end = (_rfc3339(given(name)) for name in ("startTimeMin", "startTimeMax"))
        except ValueError as error:
            return _v3_error(400, f"malformed parameter query.start_time_min: {error}")
        attributes = json.loads(query.get("query.attributes", "{}")) if self.flavour == "v3" else {}
        found = self._found(
            given("serviceName"),
            given("operationName"),
            start,
            end,
            _seconds(given("durationMin")),
            _seconds(given("durationMax")),
            attributes.get("error") == "true",
        )
        depth = given("searchDepth") or query.get("query.num_traces", "")
        found = found[: int(depth or 100)]
        if not found:
            return _v3_error(404, "No traces found")
        return _json({"result": {"resourceSpans": [r for t in found for r in self._resources(t)]}})

    def _resources(self, trace: str) -> list[dict[str, Any]]:
        return [
            {
                "resource": {
                    "attributes": [{"key": "service.name", "value": {"stringValue": span.service}}]
                },
                "scopeSpans": [
                    {
                        "scope": {},
                        "spans": [
                            {
                                "traceId": trace,
                                "spanId": f"{number:016x}",
                                "parentSpanId": "",
                                "name": span.name,
                                "kind": _KINDS[span.kind],
                                "startTimeUnixNano": str(round(span.start * 1e9)),
                                "endTimeUnixNano": str(round((span.start + span.duration) * 1e9)),
                                "status": {"code": 2} if span.failed else {},
                            }
                        ],
                    }
                ],
            }
            for number, span in enumerate(self.spans)
            if span.trace == trace
        ]


def _answer(data: list[Any]) -> dict[str, Any]:
    return {"data": data, "total": len(data), "limit": 0, "offset": 0, "errors": None}


def _v1_error(status: int, message: str) -> web.Response:
    body = {"data": None, "total": 0, "limit": 0, "offset": 0}
    errors = [{"code": status, "msg": message}]
    return web.json_response({**body, "errors": errors}, status=status)


def _v3_error(status: int, message: str) -> web.Response:
    """Go's http.Error: the body is JSON, its type says text."""
    body = json.dumps({"error": {"httpCode": status, "message": message}})
    return web.Response(status=status, text=body + "\n", content_type="text/plain")


def _json(body: Any) -> web.Response:
    """The gateway writes no Content-Type: Go guesses text."""
    return web.Response(text=json.dumps(body), content_type="text/plain")


def _rfc3339(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _seconds(text: str) -> float | None:
    """Of the durations of Go that are sent: `240us`, `1.2s`."""
    if not text:
        return None
    found = re.fullmatch(r"([\d.]+)(us|ms|s)", text)
    assert found is not None, text
    return float(found[1]) * {"us": 1e-6, "ms": 1e-3, "s": 1.0}[found[2]]
