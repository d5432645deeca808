"""Loki's `query_range` over lines in memory; its refusals are plain text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.fakes.traces import Keeper

SELECTOR = re.compile(r'\{(\w+)="((?:[^"\\]|\\.)*)"\}')


@dataclass
class FakeLoki(Keeper):
    """lines: (unix seconds, service, line). metadata: whether values carry a third element."""

    lines: list[tuple[float, str, str]] = field(default_factory=list)
    label: str = "service_name"
    most: int = 5000
    metadata: bool = False

    def app(self) -> web.Application:
        app = web.Application()
        app.add_routes([self.of("/loki/api/v1/query_range", self._range)])
        app.add_routes([self.of("/loki/api/v1/labels", self._labels)])
        return app

    def add(self, service: str, times: Sequence[float], line: str) -> None:
        self.lines += [(time, service, line.replace("%n", str(n))) for n, time in enumerate(times)]

    async def _labels(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "success", "data": [self.label]})

    async def _range(self, request: web.Request) -> web.Response:
        query = request.query
        if query["query"].startswith("rate("):
            return _success({"resultType": "matrix", "result": []})
        selector = SELECTOR.fullmatch(query["query"].strip())
        if selector is None:
            text = "parse error at line 1, col 1: syntax error: unexpected IDENTIFIER"
            return web.Response(status=400, text=text)
        limit = int(query.get("limit", 100))
        if limit > self.most:
            said = "max entries limit per query exceeded, limit > max_entries_limit_per_query"
            return web.Response(status=400, text=f"{said} ({limit} > {self.most})")
        start, end = int(query["start"]) / 1e9, int(query["end"]) / 1e9
        service = re.sub(r"\\(.)", r"\1", selector[2])
        found = [
            (time, line)
            for time, own, line in sorted(self.lines)
            if selector[1] == self.label and own == service and start <= time < end
        ]
        if query.get("direction", "backward") == "backward":
            found.reverse()
        more: list[Any] = [{"pod": "a"}] if self.metadata else []
        values = [[str(round(time * 1e9)), line, *more] for time, line in found[:limit]]
        stream = {"stream": {self.label: service}, "values": values}
        return _success({"resultType": "streams", "result": [stream] if values else []})


def _success(data: dict[str, Any]) -> web.Response:
    return web.json_response({"status": "success", "data": {**data, "stats": {"summary": {}}}})
