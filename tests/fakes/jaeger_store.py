"""Jaeger with what a source asks of it: spans with parents, its limits, dependencies, and SPM."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from tests.fakes.jaeger import _KINDS, FakeJaeger, _answer, _json, _v1_error, _v3_error
from tests.fakes.traces import Span

_V1 = {"service", "operation", "start", "end", "limit", "lookback", "tags"}
_V1 |= {"minDuration", "maxDuration"}
_V3 = {"serviceName", "operationName", "startTimeMin", "startTimeMax", "searchDepth"}
_V3 |= {"durationMin", "durationMax", "attributes", "num_traces", "service_name", "operation_name"}
_V3 |= {"start_time_min", "start_time_max", "search_depth", "duration_min", "duration_max"}
_METRICS = {"service", "groupByOperation", "endTs", "lookback", "step", "ratePer"}
DEPTH = 1500


@dataclass
class FakeJaegerStore(FakeJaeger):
    """now: unix seconds; a span is there `delay` seconds after it ended. spm: whether it has
    metrics; most: traces that a search finds, whatever it is asked for."""

    now: float = math.inf
    delay: float = 0.0
    spm: bool = False
    dependencies: bool = True
    most: int = DEPTH
    _by_trace: dict[str, list[Span]] = field(default_factory=dict)
    _by_start: dict[str, list[Span]] = field(default_factory=dict)
    _indexed: int = 0

    def app(self) -> web.Application:
        app = super().app()
        v3 = self.flavour != "v1"
        path = "/api/v3/dependencies" if v3 else "/api/dependencies"
        routes = [self.of(path, self._links)] if self.dependencies else []
        routes += [self.of(f"/api/metrics/{w}", self._metrics) for w in ("calls", "errors")]
        routes += [self.of("/api/metrics/latencies", self._metrics)]
        routes += [self.of("/api/metrics/minstep", self._minstep)]
        fresh = web.Application()
        fresh.add_routes(routes)
        for route in app.router.routes():
            if route.method == "GET" and route.resource is not None:
                fresh.router.add_get(
                    route.resource.canonical.replace("{page}", "{page:.*}"), route.handler
                )
        return fresh

    async def _traces(self, request: web.Request) -> web.Response:
        unknown = request.query.keys() - _V1
        if unknown:
            return _v1_error(400, f"unknown parameters {unknown}")
        return await super()._traces(request)

    async def _v3_traces(self, request: web.Request) -> web.Response:
        names = {name.removeprefix("query.") for name in request.query}
        if names - _V3:
            return _v3_error(400, f"unknown parameters {names - _V3}")
        if int(request.query.get("query.searchDepth", 1)) > DEPTH:
            return _v3_error(400, f"search depth must be at most {DEPTH}")
        return await super()._v3_traces(request)

    def _index(self) -> None:
        if self._indexed > len(self.spans):
            self._by_trace, self._by_start, self._indexed = {}, {}, 0
        for span in self.spans[self._indexed :]:
            self._by_trace.setdefault(span.trace, []).append(span)
            self._by_start.setdefault(span.service, []).append(span)
        if self._indexed < len(self.spans):
            for own in self._by_start.values():
                own.sort(key=_began)
        self._indexed = len(self.spans)

    def _found(self, service, operation, start, end, least, most, failed) -> list[str]:
        self._index()
        own = self._by_start.get(service, [])
        low = bisect_left(own, start - 1e-6, key=_began)
        high = bisect_right(own, end + 1e-6, key=_began)
        there = (s for s in own[low:high] if self._there(s))
        found = dict.fromkeys(
            s.trace
            for s in there
            if (not operation or s.name == operation) and (not failed or s.failed)
        )
        return list(found)[-self.most :]

    def _there(self, span: Span) -> bool:
        return span.start + span.duration + self.delay <= self.now

    def _spans(self, trace: str) -> list[Span]:
        return [span for span in self._by_trace[trace] if self._there(span)]

    def _trace(self, trace: str) -> dict[str, Any]:
        spans = self._spans(trace)
        processes = {}
        for span in spans:
            env = [{"key": "deployment.environment.name", "type": "string", "value": span.env}]
            processes[f"p-{span.service}"] = {
                "serviceName": span.service,
                "tags": env if span.env else [],
            }
        return {
            "traceID": trace.lstrip("0"),
            "spans": [_v1_span(span) for span in spans],
            "processes": processes,
            "warnings": None,
        }

    def _resources(self, trace: str) -> list[dict[str, Any]]:
        return [_v3_resource(span) for span in self._spans(trace)]

    async def _links(self, request: web.Request) -> web.Response:
        self._index()
        counts: Counter[tuple[str, str]] = Counter()
        for spans in self._by_trace.values():
            own = {span.id: span for span in spans}
            for span in spans:
                caller = own.get(span.parent)
                if caller is not None and caller.service != span.service:
                    counts[caller.service, span.service] += 1
        links = [{"parent": a, "child": b, "callCount": n} for (a, b), n in counts.items()]
        if self.flavour == "v1":
            if not request.query["endTs"].isdecimal() or not request.query["lookback"].isdecimal():
                return _v1_error(400, "unable to parse param 'endTs'")
            return web.json_response(_answer(links))
        if not request.query.get("startTime") or not request.query.get("endTime"):
            return _v3_error(400, "startTime and endTime are required")
        return _json({"dependencies": links})

    async def _minstep(self, request: web.Request) -> web.Response:
        return web.json_response(_answer([1])) if self.spm else _disabled()

    async def _metrics(self, request: web.Request) -> web.Response:
        if not self.spm:
            return _disabled()
        what, query = request.path.rpartition("/")[2], request.query
        unknown = query.keys() - _METRICS - ({"quantile"} if what == "latencies" else set())
        if unknown or not query.getall("service", []):
            return _v1_error(400, f"unknown parameters {unknown}, or no service")
        if what == "latencies" and not 0 < float(query["quantile"]) <= 1:
            return _v1_error(400, "unable to parse param 'quantile'")
        end, lookback, step, per = (
            int(query[name]) / 1000 for name in ("endTs", "lookback", "step", "ratePer")
        )
        if lookback / step > 11_000:
            return _v1_error(500, "exceeded maximum resolution of 11,000 points per timeseries")
        by_operation = query["groupByOperation"] == "true"
        series = self._series(set(query.getall("service")), by_operation, what == "errors")
        times = [end - lookback + step * n for n in range(round(lookback / step) + 1)]
        found = []
        for (service, operation), spans in series.items():
            labels = [{"name": "service_name", "value": service}]
            labels += [{"name": "operation", "value": operation}] if operation else []
            points = [_point(what, at, _within(spans, at - per, at), per) for at in times]
            found.append({"labels": labels, "metricPoints": points})
        return web.json_response({"name": what, "type": "GAUGE", "help": "", "metrics": found})

    def _series(
        self, services: set[str], by_operation: bool, failing: bool
    ) -> dict[tuple[str, str], list[Span]]:
        found: dict[tuple[str, str], list[Span]] = {}
        for span in sorted(self.spans, key=_began):
            if span.service in services and span.kind == "server":
                key = span.service, span.name if by_operation else ""
                found.setdefault(key, []).append(span)
        return {k: own for k, own in found.items() if not failing or any(s.failed for s in own)}


def _disabled() -> web.Response:
    return _v1_error(501, "metrics querying is currently disabled")


def _began(span: Span) -> float:
    return span.start


def _within(spans: list[Span], low: float, high: float) -> list[Span]:
    first = bisect_right(spans, low, key=_began)
    return spans[first : bisect_right(spans, high, key=_began)]


def _point(what: str, at: float, spans: list[Span], per: float) -> dict[str, Any]:
    value: float | str = len(spans) / per
    if what == "errors":
        value = sum(s.failed for s in spans) / len(spans) if spans else "NaN"
    if what == "latencies":
        durations = sorted(span.duration for span in spans)
        value = 1000 * durations[math.ceil(0.95 * len(durations)) - 1] if durations else "NaN"
    stamp = datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")
    return {"gaugeValue": {"doubleValue": value}, "timestamp": stamp}


def _v1_span(span: Span) -> dict[str, Any]:
    trace = span.trace.lstrip("0")
    parent = {"refType": "CHILD_OF", "traceID": trace, "spanID": span.parent}
    tags: list[dict[str, Any]] = [{"key": "span.kind", "type": "string", "value": span.kind}]
    tags += [{"key": "error", "type": "bool", "value": True}] if span.failed else []
    tags += [{"key": "peer.service", "type": "string", "value": span.peer}] if span.peer else []
    return {
        "traceID": trace,
        "spanID": span.id,
        "operationName": span.name,
        "references": [parent] if span.parent else [],
        "startTime": round(span.start * 1e6),
        "duration": round(span.duration * 1e6),
        "tags": tags,
        "logs": [],
        "processID": f"p-{span.service}",
        "warnings": None,
    }


def _v3_resource(span: Span) -> dict[str, Any]:
    attributes = {"service.name": span.service, "deployment.environment.name": span.env}
    own = [{"key": "peer.service", "value": {"stringValue": span.peer}}] if span.peer else []
    found = {
        "traceId": span.trace,
        "spanId": span.id,
        **({"parentSpanId": span.parent} if span.parent else {}),
        "name": span.name,
        "kind": _KINDS[span.kind],
        "startTimeUnixNano": str(round(span.start * 1e9)),
        "endTimeUnixNano": str(round((span.start + span.duration) * 1e9)),
        "attributes": own,
        "status": {"code": 2} if span.failed else {},
    }
    given = [{"key": k, "value": {"stringValue": v}} for k, v in attributes.items() if v]
    return {
        "resource": {"attributes": given},
        "scopeSpans": [{"scope": {}, "spans": [found]}],
    }
