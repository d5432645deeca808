"""Exemplar traces from Jaeger, by either generation of its HTTP API.

`/api/v3` (2.x) answers OTLP and is asked under both spellings of its parameters, which changed from
snake case to camel case; `/api/traces` is there up to 2.20. Which one a server has is found once,
by what it answers to `/api/v3/services`: an older one answers its user interface's page.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from anomalyd.config import Jaeger
from anomalyd.config.enriching import SERVICE
from anomalyd.enrich import jaeger_answers, links
from anomalyd.enrich.asking import Asker
from anomalyd.enrich.jaeger_answers import Span
from anomalyd.enrich.sought import Period, Sought
from anomalyd.model import Exemplar
from anomalyd.query import QueryError, Trouble
from anomalyd.units import rfc3339

DEEPER = 4
"""Times as many traces are asked for as are wanted: not all that are found show the service so."""

Params = list[tuple[str, str]]


class JaegerTraces:
    """`traces` raises QueryError; what is asked for first comes first."""

    def __init__(self, settings: Jaeger, asker: Asker, most: int) -> None:
        self._settings, self._asker, self._most = settings, asker, most
        self._is_v3: bool | None = None

    async def traces(self, sought: Sought, period: Period) -> list[Exemplar]:
        """At most `most` of each kind: failed, slow, and ordinary ones of the time before too."""
        found: list[Exemplar] = []
        limit = sought.slower_than
        if sought.failed:
            spans = await self._find(sought, period.start, period.end, failed=True)
            found += self._exemplars((s for s in spans if s.failed), "error")
        if limit is not None:
            spans = await self._find(sought, period.start, period.end, slower=limit)
            found += self._exemplars((s for s in spans if s.duration > limit), "slow")
        spans = await self._find(sought, period.before, period.end, faster=limit)
        usual = (s for s in spans if not s.failed and (limit is None or s.duration <= limit))
        return found + self._exemplars(usual, "")

    async def reached(self) -> str:
        """What to say of a server that answers."""
        generation = "/api/v3" if await self._v3() else "/api"
        return f"Jaeger at {self._asker.url}, by its {generation}"

    async def _v3(self) -> bool:
        if self._is_v3 is None:
            self._is_v3 = await self._answers("/api/v3/services", "services")
            if not self._is_v3 and not await self._answers("/api/services", "data"):
                raise self._asker.trouble(
                    Trouble.NOT_FOUND, "offers neither /api/v3 nor /api/services; check url"
                )
        return self._is_v3

    async def _answers(self, path: str, key: str) -> bool:
        """Whether it answers JSON with `key` in it. Raises QueryError where it is away."""
        try:
            body = await self._asker.get(path, ())
        except QueryError as error:
            if error.kind is not Trouble.NOT_FOUND:
                raise
            return False
        try:
            answer = json.loads(body)
        except ValueError:
            return False
        return isinstance(answer, dict) and key in answer

    async def _find(
        self,
        sought: Sought,
        start: float,
        end: float,
        *,
        failed: bool = False,
        slower: float | None = None,
        faster: float | None = None,
    ) -> list[Span]:
        """One span of the service for each trace that the server finds; the longest that may be."""
        service = self._settings.service.replace(SERVICE, sought.service)
        if await self._v3():
            params = _v3(service, sought, start, end, failed, slower, faster, self._most * DEEPER)
            spans = jaeger_answers.of_v3(self._asker, await self._v3_body(params))
        else:
            params = _v1(service, sought, start, end, failed, slower, faster, self._most * DEEPER)
            body = await self._asker.get("/api/traces", params)
            spans = jaeger_answers.of_v1(self._asker, body)
        own = [span for span in spans if span.service == service and span.is_of(sought.operation)]
        return _one_of_each(span for span in own if span.failed or not failed)

    async def _v3_body(self, params: Params) -> bytes:
        """A search that finds nothing is a 404 there."""
        try:
            return await self._asker.get("/api/v3/traces", params)
        except QueryError as error:
            if error.kind is Trouble.NOT_FOUND and "No traces found" in error.message:
                return b"{}"
            raise

    def _exemplars(self, spans: Iterable[Span], why: str) -> list[Exemplar]:
        chosen = list(spans)[: self._most]
        return [
            Exemplar(
                trace_id=span.trace_id,
                service=span.service,
                operation=span.operation,
                started_at=span.started_at,
                duration=span.duration,
                why=why,
                link=links.of_jaeger(self._settings, span.trace_id),
            )
            for span in chosen
        ]


def _one_of_each(spans: Iterable[Span]) -> list[Span]:
    longest: dict[str, Span] = {}
    for span in spans:
        known = longest.get(span.trace_id)
        if known is None or (span.is_served, span.duration) > (known.is_served, known.duration):
            longest[span.trace_id] = span
    return list(longest.values())


def _v1(
    service: str,
    sought: Sought,
    start: float,
    end: float,
    failed: bool,
    slower: float | None,
    faster: float | None,
    most: int,
) -> Params:
    """Times in microseconds."""
    params = [
        ("service", service),
        ("start", str(round(start * 1e6))),
        ("end", str(round(end * 1e6))),
        ("limit", str(most)),
        ("lookback", "custom"),
    ]
    params += [("operation", sought.operation)] if sought.operation else []
    params += [("tags", '{"error":"true"}')] if failed else []
    params += [("minDuration", _duration(slower))] if slower is not None else []
    return params + ([("maxDuration", _duration(faster))] if faster is not None else [])


def _v3(
    service: str,
    sought: Sought,
    start: float,
    end: float,
    failed: bool,
    slower: float | None,
    faster: float | None,
    most: int,
) -> Params:
    """Each under its present and its former name; older servers do not know attributes."""
    named = [
        ("serviceName", "service_name", service),
        ("startTimeMin", "start_time_min", rfc3339(start)),
        ("startTimeMax", "start_time_max", rfc3339(end)),
        ("searchDepth", "search_depth", str(most)),
        ("operationName", "operation_name", sought.operation),
        ("durationMin", "duration_min", "" if slower is None else _duration(slower)),
        ("durationMax", "duration_max", "" if faster is None else _duration(faster)),
    ]
    params = [
        (f"query.{name}", value) for now, before, value in named if value for name in (now, before)
    ]
    params.append(("query.num_traces", str(most)))
    return params + ([("query.attributes", '{"error":"true"}')] if failed else [])


def _duration(seconds: float) -> str:
    return f"{max(1, round(seconds * 1e6))}us"
