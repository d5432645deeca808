"""Exemplar traces from Jaeger, by either generation of its HTTP API."""

from __future__ import annotations

from collections.abc import Iterable

from anomalyd.clients.asking import Asker
from anomalyd.clients.jaeger import JaegerClient, Search
from anomalyd.config import Jaeger
from anomalyd.config.enriching import SERVICE
from anomalyd.enrich import jaeger_answers, links
from anomalyd.enrich.jaeger_answers import Span
from anomalyd.enrich.sought import Period, Sought
from anomalyd.model import Exemplar

DEEPER = 4
"""Times as many traces are asked for as are wanted: not all that are found show the service so."""


class JaegerTraces:
    """`traces` raises QueryError; what is asked for first comes first."""

    def __init__(self, settings: Jaeger, asker: Asker, most: int) -> None:
        self._settings, self._client, self._most = settings, JaegerClient(asker), most

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
        return f"Jaeger at {self._client.asker.url}, by its {await self._client.generation()}"

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
        tags = {"error": "true"} if failed else {}
        most = self._most * DEEPER
        search = Search(service, start, end, most, sought.operation, slower, faster, tags)
        body = await self._client.find(search)
        read = jaeger_answers.of_v3 if await self._client.is_v3() else jaeger_answers.of_v1
        spans = read(self._client.asker, body)
        own = [span for span in spans if span.service == service and span.is_of(sought.operation)]
        return _one_of_each(span for span in own if span.failed or not failed)

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
