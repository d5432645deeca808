"""Tempo's search: as much of TraceQL as exemplars are searched by; anything else is a 400 in text.

Shapes and words of the real one (2.x): ids and nanoseconds are text, `durationMs` is left out where
it is zero, a search that finds nothing has `traces: []`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from tests.fakes.traces import Keeper, Span

Test = Callable[[Span], bool]

_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
_TEXT = r'"((?:[^"\\]|\\.)*)"'


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: {"n": "\n"}.get(found[1], found[1]), text)


def _condition(text: str) -> Test | None:
    if found := re.fullmatch(rf"resource\.service\.name\s*=\s*{_TEXT}", text):
        service = _unquoted(found[1])
        return lambda span: span.service == service
    if found := re.fullmatch(rf"name\s*=\s*{_TEXT}", text):
        name = _unquoted(found[1])
        return lambda span: span.name == name
    if found := re.fullmatch(r"status\s*(=|!=)\s*error", text):
        wanted = found[1] == "="
        return lambda span: span.failed is wanted
    if found := re.fullmatch(r"duration\s*(>|<=)\s*(\d+)(us|ms|s)", text):
        limit, above = int(found[2]) * _UNITS[found[3]], found[1] == ">"
        return lambda span: (span.duration > limit) is above
    if re.fullmatch(r"\(kind = server \|\| kind = consumer\)", text):
        return lambda span: span.kind in ("server", "consumer")
    return None


@dataclass
class FakeTempo(Keeper):
    def app(self) -> web.Application:
        app = web.Application()
        app.add_routes([self.of("/api/search", self._search), self.of("/api/echo", self._echo)])
        return app

    async def _echo(self, request: web.Request) -> web.Response:
        return web.Response(text="echo")

    async def _search(self, request: web.Request) -> web.Response:
        query = request.query
        spanset = re.fullmatch(r"\s*\{(.*)\}\s*", query["q"], re.S)
        texts = (
            re.split(r"\s*&&\s*(?=(?:[^\"]|\"(?:[^\"\\]|\\.)*\")*$)", spanset[1].strip())
            if spanset
            else []
        )
        tests = [_condition(text) for text in texts]
        if not tests or None in tests:
            said = "parse error at line 1, col 3: syntax error: unexpected IDENTIFIER"
            return web.Response(status=400, text=f"invalid TraceQL query: {said}")
        start, end = int(query["start"]), int(query["end"])
        if end - start > 168 * 3600:
            text = "range specified by start and end exceeds 168h0m0s. received start=%d end=%d"
            return web.Response(status=400, text=text % (start, end))
        found: dict[str, list[Span]] = {}
        for span in self.spans:
            if start <= span.start < end and all(test(span) for test in tests if test):
                found.setdefault(span.trace, []).append(span)
        chosen = list(found.items())[: int(query.get("limit", 20))]
        most = int(query.get("spss", 3))
        traces = [self._trace(trace, spans, most) for trace, spans in chosen]
        return web.json_response({"traces": traces, "metrics": {"inspectedBytes": "1024"}})

    def _trace(self, trace: str, spans: list[Span], most: int) -> dict[str, object]:
        whole = [span for span in self.spans if span.trace == trace]
        matched = [
            {
                "spanID": f"{number:016x}",
                "startTimeUnixNano": str(round(span.start * 1e9)),
                "durationNanos": str(round(span.duration * 1e9)),
                "attributes": [
                    {"key": "service.name", "value": {"stringValue": span.service}},
                ],
            }
            for number, span in enumerate(spans)
        ]
        spanset = {"spans": matched[:most], "matched": len(matched)}
        longest = round(max(span.duration for span in whole) * 1000)
        return {
            "traceID": trace,
            "rootServiceName": whole[0].service,
            "rootTraceName": whole[0].name,
            "startTimeUnixNano": str(round(whole[0].start * 1e9)),
            **({"durationMs": longest} if longest else {}),
            "spanSet": spanset,
            "spanSets": [spanset],
        }
