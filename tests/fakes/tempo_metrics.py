"""Tempo's TraceQL metrics (`pkg/traceql/engine_metrics.go`, `modules/frontend`), with limits."""

from __future__ import annotations

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from aiohttp import web

from tests.fakes.tempo import FakeTempo
from tests.fakes.traceql import Metrics, SyntaxTrouble, attribute, conditions, metrics
from tests.fakes.traces import Span

_PARAMETERS = {"q", "start", "end", "step"}


@dataclass
class FakeTempoMetrics(FakeTempo):
    """now: unix seconds; spans that began within `hidden` seconds before it are not there yet.
    local_blocks: whether its generator can be asked for the newest hour; flushed: whether it keeps
    what is older. max_duration: seconds; max_series: more of them are a partial answer."""

    version: str = "2.9.0"
    now: float | None = None
    hidden: float = 30.0
    local_blocks: bool = True
    flushed: bool = True
    max_duration: int = 3 * 3600
    max_series: int = 1000

    def app(self) -> web.Application:
        app = super().app()
        app.add_routes(
            [
                self.of("/api/metrics/query_range", self._query_range),
                self.of("/api/status/buildinfo", self._buildinfo),
            ]
        )
        return app

    async def _buildinfo(self, request: web.Request) -> web.Response:
        return web.json_response({"version": self.version, "revision": "0", "goVersion": "go1.24"})

    async def _search(self, request: web.Request) -> web.Response:
        spanset = re.fullmatch(r"\s*\{(.*)\}\s*", request.query.get("q", ""), re.S)
        if spanset is None or request.query.keys() - {"q", "start", "end", "limit", "spss"}:
            return web.Response(status=400, text="invalid TraceQL query: parse error")
        try:
            test = conditions(spanset[1])
        except SyntaxTrouble:
            return await super()._search(request)
        start, end = int(request.query["start"]), int(request.query["end"])
        found = {s.trace: s for s in self.spans if start <= s.start < end and test(s)}
        traces = [{"traceID": trace} for trace in found][: int(request.query.get("limit", 20))]
        return web.json_response({"traces": traces, "metrics": {}})

    async def _query_range(self, request: web.Request) -> web.Response:
        query = request.query
        if query.keys() - _PARAMETERS:
            return web.Response(status=400, text=f"unknown parameter {query.keys() - _PARAMETERS}")
        try:
            asked = metrics(query["q"])
            start, end, step = int(query["start"]), int(query["end"]), _seconds(query["step"])
        except SyntaxTrouble as error:
            return web.Response(status=400, text=f"invalid TraceQL query: {error}")
        except (KeyError, ValueError) as error:
            return web.Response(status=400, text=f"invalid start, end or step: {error}")
        if self.max_duration and end - start > self.max_duration:
            limit = f"{self.max_duration // 3600}h0m0s"
            text = f"metrics query time range exceeds the maximum allowed duration of {limit}"
            return web.Response(status=400, text=text)
        if not self.local_blocks and (self.now is None or end > self.now - 3600):
            text = "error querying generators in Querier.queryRangeRecent: rpc error: code = "
            return web.Response(
                status=500, text=text + "Unknown desc = localblocks processor not found"
            )
        answer = self._answer(asked, start, end, step)
        return web.json_response(answer)

    def _answer(self, asked: Metrics, start: int, end: int, step: int) -> dict[str, Any]:
        if end - start != step:
            start, end = start - start % step, end + -end % step
            start -= step if self._right_closed else 0
        groups: dict[tuple[str | None, ...], dict[int, list[Span]]] = {}
        for span in self._there(start, end):
            if asked.test(span):
                key = tuple(attribute(span, name) for name in asked.by)
                at = self._stamp(span.start, start, step)
                groups.setdefault(key, {}).setdefault(at, []).append(span)
        stamps = range(start, end, step)
        stamps = [at + step for at in stamps] if self._right_closed else list(stamps)
        series = [self._series(asked, key, found, stamps, step) for key, found in groups.items()]
        metrics_of_query = {"inspectedBytes": "1024", "totalBlocks": 1}
        answer: dict[str, Any] = {"series": series, "metrics": metrics_of_query}
        if len(series) > self.max_series:
            answer["series"] = series[: self.max_series]
            answer["status"] = "PARTIAL"
            answer["message"] = (
                f"Response exceeds maximum series limit of {self.max_series}, a partial response "
                "is returned. Warning: the accuracy of each individual value is not guaranteed."
            )
        return answer

    @property
    def _right_closed(self) -> bool:
        major, minor = self.version.split(".")[:2]
        return (int(major), int(minor)) >= (2, 9)

    def _there(self, start: int, end: int) -> Iterator[Span]:
        self.spans.sort(key=_began)
        first = bisect_left(self.spans, start, key=_began)
        last = bisect_right(self.spans, end, key=_began)
        for span in self.spans[first:last]:
            inside = start < span.start <= end if self._right_closed else start <= span.start < end
            hidden = self.now is not None and span.start > self.now - self.hidden
            old = self.now is not None and span.start < self.now - 3600
            if inside and not hidden and (self.flushed or not old):
                yield span

    def _stamp(self, at: float, start: int, step: int) -> int:
        if self._right_closed:
            return start + math.ceil((at - start) / step) * step
        return start + math.floor((at - start) / step) * step

    def _series(
        self,
        asked: Metrics,
        key: Sequence[str | None],
        found: dict[int, list[Span]],
        stamps: Sequence[int],
        step: int,
    ) -> dict[str, Any]:
        labels = [
            {"key": name, "value": {"stringValue": value if value is not None else "nil"}}
            for name, value in zip(asked.by, key, strict=True)
        ]
        if asked.function != "rate":
            labels.append({"key": "p", "value": {"doubleValue": asked.quantile}})
        return {
            "labels": labels,
            "samples": [_sample(asked, at, found.get(at, []), step) for at in stamps],
            "promLabels": "{}",
            "exemplars": [],
        }


_began = attrgetter("start")


def _sample(asked: Metrics, at: int, spans: list[Span], step: int) -> dict[str, Any]:
    value = len(spans) / step if asked.function == "rate" else _log2_quantile(asked.quantile, spans)
    return {"timestampMs": str(at * 1000), **({"value": value} if value else {})}


def _log2_quantile(p: float, spans: list[Span]) -> float:
    """Buckets are powers of two of nanoseconds; between them it is interpolated exponentially."""
    if not spans:
        return 0.0
    exponents = sorted(math.ceil(math.log2(max(span.duration * 1e9, 2))) for span in spans)
    buckets = {exponent: exponents.count(exponent) for exponent in exponents}
    wanted, seen = max(p * len(spans), 1.0), 0
    for exponent, count in buckets.items():
        if seen + count >= wanted:
            return 2.0 ** (exponent - 1 + (wanted - seen) / count) / 1e9
        seen += count
    return 2.0 ** exponents[-1] / 1e9


def _seconds(text: str) -> int:
    found = re.fullmatch(r"(\d+)s", text)
    if found is None or int(found[1]) < 1:
        raise ValueError(f"step {text!r}")
    return int(found[1])
