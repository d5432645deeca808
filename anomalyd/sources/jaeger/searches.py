"""All spans of a stretch of time, by searches that find a bounded number of traces each."""

from __future__ import annotations

import asyncio
import logging
import time as clock
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from anomalyd.clients.jaeger import JaegerClient, Search
from anomalyd.config import JaegerSpans
from anomalyd.query import QueryError, Trouble
from anomalyd.sources.jaeger import decode
from anomalyd.sources.otlp.exchange import environment_of
from anomalyd.sources.otlp.traces import Decoder, Malformed
from anomalyd.spans import Spans

log = logging.getLogger(__name__)

SHORTEST_SECONDS = 0.05
MOST_SEARCHES = 64
"""Of one service and stretch of time; what is still cut off then is told."""

ATTEMPTS = 6
OWN = frozenset({"jaeger", "jaeger-query", "jaeger-all-in-one", "jaeger-collector"})
"""What Jaeger calls itself: to ask it makes traces of its own."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """What was found of one service. whole: whether no search of it hit its limit."""

    spans: list[Spans]
    whole: bool


class Searches:
    """Raises only QueryError. patient: what fails for now is asked again before it is raised."""

    def __init__(
        self,
        client: JaegerClient,
        settings: JaegerSpans,
        *,
        patient: bool = False,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client, self._settings = client, settings
        self._takes = frozenset(settings.environment)
        self._attempts = ATTEMPTS if patient else 1
        self._sleep = sleep
        self._decoder = Decoder()
        self.made = 0

    async def services(self) -> list[str]:
        """Those that are searched for."""
        if self._settings.services:
            return list(self._settings.services)
        return [name for name in await self._client.services() if name not in OWN]

    async def stretch(self, service: str, start: float, end: float) -> Stretch:
        """Traces with a span of `service` that began within [start, end]; halved where there are
        more of them than one search finds."""
        waiting, found, whole, made = [(start, end)], [], True, 0
        while waiting:
            low, high = waiting.pop()
            spans, traces = await self._search(service, low, high)
            found.append(spans)
            made += 1
            if traces < self._settings.limit:
                continue
            if high - low < 2 * SHORTEST_SECONDS or made + len(waiting) >= MOST_SEARCHES:
                whole = False
                continue
            middle = (low + high) / 2
            waiting += [(middle, high), (low, middle)]
        return Stretch(found, whole)

    async def _search(self, service: str, start: float, end: float) -> tuple[Spans, int]:
        """(spans of the environment, traces found)."""
        settings = self._settings
        search = Search(service, start, end, settings.limit, tags=settings.tags)
        body = await self._politely(search)
        self.made += 1
        unwrap = decode.of_v3 if await self._client.is_v3() else decode.of_v1
        try:
            decoded = self._decoder.json(unwrap(body), max(end, clock.time()))
        except (msgspec.MsgspecError, Malformed) as error:
            raise self._client.asker.trouble(
                Trouble.BROKEN, f"answers traces that cannot be read ({error})"
            ) from error
        spans = decoded.spans
        traces = len(np.unique(spans.trace, axis=0)) + bool(decoded.refused)
        return self._own(spans), traces

    def _own(self, spans: Spans) -> Spans:
        """Those of the environment, with a weight each."""
        if self._takes:
            own = np.array([environment_of(r) in self._takes for r in spans.resources], dtype=bool)
            spans = spans.only(own[spans.resource])
        unsaid = np.isnan(spans.weight)
        return replace(spans, weight=np.where(unsaid, 1 / self._settings.sampling, spans.weight))

    async def _politely(self, search: Search) -> bytes:
        for attempt in range(self._attempts):
            try:
                return await self._client.find(search)
            except QueryError as error:
                if not error.retryable or attempt == self._attempts - 1:
                    raise
                log.info("asked again in a while: %s", error)
                await self._sleep(min(error.retry_after or 2.0**attempt, 60.0))
        raise AssertionError("there is one attempt at least")
