"""Exemplar traces from Tempo, by TraceQL (`/api/search`)."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from anomalyd.clients.asking import Asker, escaped
from anomalyd.config import Tempo
from anomalyd.config.enriching import SERVICE
from anomalyd.enrich import links
from anomalyd.enrich.sought import Period, Sought
from anomalyd.model import Exemplar

SERVED = "(kind = server || kind = consumer)"


class _Span(msgspec.Struct):
    start: str = msgspec.field(default="0", name="startTimeUnixNano")
    duration: str = msgspec.field(default="0", name="durationNanos")
    name: str = ""


class _Spans(msgspec.Struct):
    spans: list[_Span] = msgspec.field(default_factory=list)


class _Trace(msgspec.Struct):
    trace_id: str = msgspec.field(name="traceID")
    root: str = msgspec.field(default="", name="rootTraceName")
    start: str = msgspec.field(default="0", name="startTimeUnixNano")
    duration_ms: float = msgspec.field(default=0.0, name="durationMs")
    sets: list[_Spans] | None = msgspec.field(default=None, name="spanSets")
    one: _Spans | None = msgspec.field(default=None, name="spanSet")

    def span(self) -> _Span:
        """The first span that matched; the whole trace where the answer has none."""
        found = [*(self.sets or ()), *([self.one] if self.one else ())]
        spans = [span for one in found for span in one.spans]
        return spans[0] if spans else _Span(self.start, str(round(self.duration_ms * 1e6)))


class _Found(msgspec.Struct):
    traces: list[_Trace] | None = None


class TempoTraces:
    """`traces` raises QueryError; what is asked for first comes first."""

    def __init__(self, settings: Tempo, asker: Asker, most: int) -> None:
        self._settings, self._asker, self._most = settings, asker, most

    async def traces(self, sought: Sought, period: Period) -> list[Exemplar]:
        """At most `most` of each kind: failed, slow, and ordinary ones of the time before too."""
        found: list[Exemplar] = []
        limit = sought.slower_than
        if sought.failed:
            found += await self._search(sought, period.start, period.end, "error", "status = error")
        if limit is not None:
            slow = (SERVED, f"duration > {_duration(limit)}")
            found += await self._search(sought, period.start, period.end, "slow", *slow)
        usual = [SERVED, "status != error"]
        usual += [f"duration <= {_duration(limit)}"] if limit is not None else []
        return found + await self._search(sought, period.before, period.end, "", *usual)

    async def reached(self) -> str:
        """What to say of a server that answers."""
        await self._asker.get("/api/echo", ())
        return f"Tempo at {self._asker.url}"

    async def _search(
        self, sought: Sought, start: float, end: float, why: str, *conditions: str
    ) -> list[Exemplar]:
        params = [
            ("q", self.query(sought, *conditions)),
            ("start", str(math.floor(start))),
            ("end", str(math.ceil(end))),
            ("limit", str(self._most)),
            ("spss", "1"),
        ]
        body = await self._asker.get("/api/search", params)
        traces = self._asker.read(body, _Found).traces or []
        return [self._exemplar(trace, sought, why) for trace in traces[: self._most]]

    def query(self, sought: Sought, *conditions: str) -> str:
        """TraceQL for spans of the service that meet all of `conditions`."""
        own = [self._settings.query.replace(SERVICE, escaped(sought.service))]
        own += [f'name = "{escaped(sought.operation)}"'] if sought.operation else []
        return f"{{ {' && '.join([*own, *conditions])} }}"

    def _exemplar(self, trace: _Trace, sought: Sought, why: str) -> Exemplar:
        span = trace.span()
        started_at = _number(span.start) / 1e9
        return Exemplar(
            trace_id=trace.trace_id,
            service=sought.service,
            operation=span.name or sought.operation or trace.root,
            started_at=started_at,
            duration=_number(span.duration) / 1e9,
            why=why,
            link=links.of_grafana(self._settings, trace.trace_id, started_at),
        )


def _duration(seconds: float) -> str:
    return f"{max(1, round(seconds * 1e6))}us"


def _number(text: Any) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
