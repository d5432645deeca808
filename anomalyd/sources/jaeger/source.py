"""Signals of one environment over the traces that a Jaeger keeps."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

import numpy as np

from anomalyd import telemetry
from anomalyd.clients.backoff import Backoff
from anomalyd.clients.jaeger import JaegerClient
from anomalyd.config import EnvironmentConfig, JaegerSpans, OtlpSpans
from anomalyd.model import Batch, Environment, Floats
from anomalyd.query import QueryError
from anomalyd.signals.quantities import SPANS
from anomalyd.signals.traces.evaluate import SpanEvaluator
from anomalyd.signals.traces.reservoir import Reservoir
from anomalyd.signals.traces.store import Limits
from anomalyd.sources.base import Make, Side, SourceError, Wanted
from anomalyd.sources.jaeger.gaps import Gap, Gaps, Known
from anomalyd.sources.jaeger.searches import Searches
from anomalyd.sources.jaeger.spm import SpmPast
from anomalyd.sources.keepers import reach
from anomalyd.sources.otlp.source import SpanSource
from anomalyd.spans import Spans

log = logging.getLogger(__name__)

CONCURRENCY = 4
GIVEN_UP_SECONDS = 240.0
"""What could not be searched for so long is left out: its spans would be refused as too late."""
LATE_SHARE, LEAST_SPANS = 0.05, 200
"""More than this share of so many spans that came only between the two looks is worth a word."""


@dataclass(slots=True)
class _Slice:
    """A stretch of time that is searched `left` times more. looked: it was before."""

    start: float
    end: float
    left: int
    looked: bool = False


class JaegerSource(SpanSource):
    """A `Source` that searches for whole traces; they then go the way of spans that are sent.

    Every slice of time is searched twice, half of `lag` after its end and `lag` after it, and read
    then: what comes between is late, and what comes afterwards is lost. A span counts once however
    often it is found. What a search that hit its limit found is no count: series of that service
    are left out, and so is a load that it may be part of, while it lies in their window.
    looks: 1 where all has long come, as in history.
    """

    def __init__(
        self,
        make: Make,
        searches: Searches,
        settings: JaegerSpans,
        evaluator: SpanEvaluator,
        *,
        looks: int = 2,
        every: float | None = None,
    ) -> None:
        otlp = OtlpSpans(environment=settings.environment)
        kept = Reservoir(make.canonical) if make.side.name is Environment.STAGING else None
        shapes = evaluator.store.shapes
        super().__init__(make.side, evaluator, otlp, make.wanted.otlp, shapes, kept)
        self._searches, self._settings = searches, settings
        self._canonical, self._window, self._looks = make.canonical, make.window, looks
        self._every = settings.interval if every is None else every
        self._behind = settings.lag + self._every
        self._slices: deque[_Slice] = deque()
        self._upto = -math.inf
        self._known = Known(2 * self._behind + 60)
        self._gaps = Gaps(make.table)
        self._backoff = Backoff()
        self._error: QueryError | None = None
        self._services: list[str] = []
        self._found, self._late = 0.0, 0.0

    async def start(self) -> None:
        """Raises SourceError for what only the user can mend; a server that is away may return."""
        try:
            await self._searches.services()
        except QueryError as error:
            if error.fatal:
                raise SourceError(str(error)) from error
            log.debug("%s", error)

    async def returned(self) -> bool:
        try:
            await self._searches.services()
        except QueryError:
            return False
        return True

    async def collect(self, time: float) -> Batch:
        await self.look(time)
        batch = await super().collect(time)
        if any(one.end <= time - self._behind for one in self._slices):
            nothing: Floats = np.empty(0)
            return Batch(time, np.empty(0, np.intp), nothing, nothing, frozenset())
        return self._gaps.withheld(batch)

    async def look(self, time: float) -> None:
        """Search what is due. What fails stays due, until it is too late for it."""
        self._plan(time)
        if self._backoff.waits(time):
            return
        before = self._error
        try:
            due = [one for one in self._slices if self._due_at(one) <= time]
            if due and (not self._services or before or not self._settings.services):
                self._services = await self._searches.services()
            for one in due:
                await self._search(one, time)
            self._error = None
            self._backoff.answered()
        except* QueryError as group:
            self._error = _first(group)
            self._backoff.failed(self._error, time)
            telemetry.source_failures.add(1, {"source": self.name, "reason": self._error.kind})
        if self._error and (before is None or before.kind != self._error.kind):
            log.warning("%s", self._error)
        elif before and not self._error:
            log.info("%s: Jaeger answers again", self.name)

    @property
    def error(self) -> QueryError | None:
        """Of the last searches."""
        return self._error

    def troubles(self) -> list[str]:
        told = [str(self._error)] if self._error else []
        cut = self._gaps.services
        where = f"environments.{self.name}.jaeger"
        if cut:
            told.append(
                f"{where}: searches for {', '.join(cut[:5])} hit their limit of "
                f"{self._settings.limit} traces, so that their counts are none and are left out; "
                f"raise {where}.limit, or send the spans by OTLP"
            )
        if self._found >= LEAST_SPANS and self._late > LATE_SHARE * self._found:
            told.append(
                f"{where}: {self._late / self._found:.0%} of its spans are found only between "
                f"{self._settings.lag / 2:g}s and {self._settings.lag:g}s after they began, and "
                f"more may come later; raise {where}.lag"
            )
        return told

    def _plan(self, time: float) -> None:
        if self._upto == -math.inf:
            first = time - self._behind - self._window - self._every
            self._upto = math.floor(first / self._every) * self._every
        while self._upto + self._every <= time:
            end = self._upto + self._every
            old = end + self._settings.lag <= time
            self._slices.append(_Slice(self._upto, end, 1 if old else self._looks))
            self._upto = end
        while self._slices and self._slices[0].end < time - self._behind - GIVEN_UP_SECONDS:
            lost = self._slices.popleft()
            self._gaps.add(Gap(lost.start, lost.end, ""))
        self._gaps.forget(time - 2 * self._behind - self._window)

    def _due_at(self, one: _Slice) -> float:
        return one.end + self._settings.lag * (0.5 if one.left > 1 else 1.0)

    async def _search(self, one: _Slice, time: float) -> None:
        gate = asyncio.Semaphore(CONCURRENCY)
        found: list[Spans] = []
        cut: list[str] = []

        async def search(service: str) -> None:
            async with gate:
                stretch = await self._searches.stretch(service, one.start, one.end)
            found.extend(spans for spans in stretch.spans if len(spans))
            if not stretch.whole:
                cut.append(self._canonical.named(service))

        async with asyncio.TaskGroup() as tasks:
            for service in self._services:
                tasks.create_task(search(service), name=f"{self.name}-jaeger-{service}")
        spans = self._known.fresh(found, time)
        self.take(spans if spans is not None else _NOTHING, time)
        fresh = 0 if spans is None else len(spans)
        late = fresh if one.looked else 0
        self._found, self._late = 0.98 * self._found + fresh, 0.98 * self._late + late
        one.left, one.looked = one.left - 1, True
        if not one.left:
            self._slices.remove(one)
        for service in cut:
            self._gaps.add(Gap(one.start, one.end, service))


_NOTHING = Spans(
    trace=np.zeros((0, 2), np.uint64),
    span=np.zeros(0, np.uint64),
    parent=np.zeros(0, np.uint64),
    start=np.zeros(0, np.int64),
    duration=np.zeros(0, np.int64),
    kind=np.zeros(0, np.uint8),
    failed=np.zeros(0, bool),
    weight=np.zeros(0),
    resource=np.zeros(0, np.intp),
    operation=np.zeros(0, np.intp),
    peer=np.zeros(0, np.intp),
    resources=(),
    operations=(),
)


def _first(group: BaseExceptionGroup[QueryError]) -> QueryError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, QueryError)  # noqa: S101  what `except*` lets through
    return error


async def look(
    name: Environment, environment: EnvironmentConfig, wanted: Wanted, stack: AsyncExitStack
) -> Side:
    """Which of its APIs answers, and whether it has metrics of its own; see `Kind`."""
    settings = environment.jaeger
    if settings is None:
        raise ValueError("the environment has no jaeger")
    client = JaegerClient(await reach(f"environments.{name}.jaeger", settings, stack))
    side = Side(name, environment, None, {SPANS: frozenset()}, None, client=client)
    side.searched = name is Environment.PRODUCTION
    try:
        await client.is_v3()
        side.past = await SpmPast.found(client, settings) if side.searched else None
        side.searched = side.searched and side.past is None
        side.metrics = {} if side.past is not None else side.metrics
    except QueryError as error:
        return replace(side, trouble=str(error), away=error.retryable)
    return side


def build(make: Make, *, history: bool = False) -> JaegerSource:
    """history: of what has long come: searched once, a window at a time, patiently."""
    settings, client = make.side.config.jaeger, make.side.client
    if settings is None or not isinstance(client, JaegerClient):
        raise ValueError("the environment has no jaeger")
    every = make.window if history else settings.interval
    behind = settings.lag + every
    evaluator = SpanEvaluator(
        make.table,
        make.canonical,
        make.window,
        make.wanted.step,
        limits=Limits(lag=behind, hold=settings.lag / 2 + every, late=behind + 300),
        bounds=make.wanted.bounds,
        answers=make.answers,
    )
    searches = Searches(client, settings, patient=history)
    looks = 1 if history else 2
    return JaegerSource(make, searches, settings, evaluator, looks=looks, every=every)
