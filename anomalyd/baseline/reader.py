"""Reads production's past politely: few queries at once, short ones where the server struggles.

Rows go to a `RowStore` as they arrive, so that an interrupted read resumes where it was and a
refresh asks for new hours only.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    wait_random_exponential,
)

from anomalyd.baseline.history import Request, aligned
from anomalyd.baseline.rows import RowStore, Stored
from anomalyd.query import Matrix, QueryError, Trouble

log = logging.getLogger(__name__)

Answer = TypeVar("Answer", int, Matrix)

MAX_POINTS = 10_900
"""Prometheus refuses more than 11,000 points per series in one answer."""
MAX_CELLS = 2_000_000
"""Series × points of one query: about 50 MB of JSON."""
MIN_POINTS = 8
ATTEMPTS = 6

Progress = Callable[[int, int, str], None]
"""(points done, points in all, what was just read)"""


class Api(Protocol):
    """What `anomalyd.sources.promapi.PromApi` offers; raises QueryError."""

    async def count(self, query: str, time: float) -> int: ...

    async def range(self, query: str, start: float, end: float, step: float) -> Matrix: ...


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a fetch will ask for: range queries, samples, and series per signal."""

    queries: int
    samples: int
    series: dict[str, int]


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a fetch did: queries sent that answered, and signals that could not be had, with why."""

    queries: int
    failures: dict[str, str]


class HistoryReader:
    """Reads ranges of `api` into `store`, `concurrency` queries at once.

    wait: tenacity's wait between attempts where the server names no Retry-After; `sleep` is
    injected by tests.
    """

    def __init__(
        self,
        api: Api,
        store: RowStore,
        *,
        concurrency: int = 1,
        max_points: int = MAX_POINTS,
        max_cells: int = MAX_CELLS,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._api = api
        self._store = store
        self._concurrency = concurrency
        self._max_points = max_points
        self._max_cells = max_cells
        self._sleep = sleep
        self._backoff = wait_random_exponential(multiplier=1, max=60)
        self._queries = 0

    async def estimate(self, requests: Sequence[Request], start: float, end: float) -> Estimate:
        """Ask how many series there are at `end`; no range is read. Raises QueryError."""
        queries = samples = 0
        series: dict[str, int] = {}
        for stored, name in _unique(requests).items():
            count = await self._series(stored, end)
            series[name] = max(count, series.get(name, 0))
            size = self._points(count)
            for low, high in self._store.missing(stored, *aligned(start, end, stored.step)):
                points = round((high - low) / stored.step)
                queries += math.ceil(points / size)
                samples += points * count
        return Estimate(queries, samples, series)

    async def fetch(
        self,
        requests: Sequence[Request],
        start: float,
        end: float,
        progress: Progress = lambda done, total, what: None,
    ) -> Fetched:
        """Store all rows of [start, end) that are not stored yet.

        A query that cannot be had is in `failures` and stops no other. Raises QueryError where
        the server as a whole does not answer us, OSError where the disk refuses.
        """
        todo = [
            (stored, name, self._store.missing(stored, *aligned(start, end, stored.step)))
            for stored, name in _unique(requests).items()
        ]
        total = sum(round((b - a) / s.step) for s, _, spans in todo for a, b in spans)
        done = 0
        failures: dict[str, str] = {}
        pending = iter([one for one in todo if one[2]])
        self._queries = 0

        def advance(points: int, name: str) -> None:
            nonlocal done
            done += points
            progress(done, total, name)

        async def work() -> None:
            for stored, name, spans in pending:
                try:
                    await self._read_spans(stored, spans, partial(advance, name=name))
                except QueryError as error:
                    if error.fatal or error.kind is Trouble.UNREACHABLE:
                        raise
                    failures[name] = str(error)
                    log.warning("history of %s: %s", name, error)

        try:
            async with asyncio.TaskGroup() as tasks:
                for number in range(self._concurrency):
                    tasks.create_task(work(), name=f"history-{number}")
        except* (QueryError, OSError) as fatal:
            raise fatal.exceptions[0] from None
        return Fetched(self._queries, failures)

    async def _read_spans(
        self,
        stored: Stored,
        spans: Sequence[tuple[float, float]],
        advance: Callable[[int], None],
    ) -> None:
        size = self._points(await self._series(stored, spans[-1][1]))
        troubles = 0
        for start, end in spans:
            while start < end:
                points = min(size, round((end - start) / stored.step))
                until = start + points * stored.step
                try:
                    matrix = await self._chunk(stored, start, until)
                except QueryError as error:
                    size = self._halved(error, points)
                    await self._sleep(min(error.retry_after or 2.0**troubles, 60.0))
                    troubles += 1
                    continue
                keys = [key.decode() for key in matrix.keys]
                self._store.write(stored, start, until, keys, matrix.values)
                advance(points)
                start, troubles = until, 0
        self._store.compact(stored)

    async def _chunk(self, stored: Stored, start: float, until: float) -> Matrix:
        return await self._politely(
            lambda: self._api.range(stored.query, start, until - stored.step, stored.step),
            lambda error: not error.too_much,
        )

    def _halved(self, error: QueryError, points: int) -> int:
        """How many points to ask for after `points` were refused; raises where that cannot help."""
        if not error.too_much:
            raise error
        if points <= MIN_POINTS:
            raise QueryError(
                error.kind,
                f"{error}; not even {points} points at once can be had: "
                "narrow the signal's selector or raise the server's query limits",
                error.status,
            ) from error
        log.info("asking for %d points at once from here on: %s", points // 2, error)
        return max(MIN_POINTS, points // 2)

    async def _series(self, stored: Stored, time: float) -> int:
        """How many series a query yields at `time`, which bounds its chunks."""
        return await self._politely(lambda: self._api.count(stored.query, time), lambda error: True)

    def _points(self, series: int) -> int:
        return max(MIN_POINTS, min(self._max_points, self._max_cells // max(1, series)))

    async def _politely(
        self, ask: Callable[[], Awaitable[Answer]], again: Callable[[QueryError], bool]
    ) -> Answer:
        retrying = AsyncRetrying(
            retry=retry_if_exception(
                lambda error: isinstance(error, QueryError) and error.retryable and again(error)
            ),
            wait=self._wait,
            stop=stop_after_attempt(ATTEMPTS),
            sleep=self._sleep,
            reraise=True,
        )
        async for attempt in retrying:
            with attempt:
                answer = await ask()
        self._queries += 1
        return answer

    def _wait(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, QueryError) and error.retry_after is not None:
            return min(error.retry_after, 300.0)
        return self._backoff(state)


def _unique(requests: Sequence[Request]) -> dict[Stored, str]:
    """Everything to read, each once (signals share their counts), with a name for people."""
    wanted: dict[Stored, str] = {}
    for request in requests:
        for stored in (request.value, request.count):
            if stored is not None and stored.origin != "scrape":
                wanted.setdefault(stored, request.signal.name)
    return wanted
