"""Signals of one environment over the spans that a Tempo keeps."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace

import numpy as np

from anomalyd import telemetry
from anomalyd.clients.backoff import Backoff
from anomalyd.clients.tempo import Points, TempoClient
from anomalyd.config import EnvironmentConfig, TempoMetrics
from anomalyd.model import Batch, Environment, Labels, Signal
from anomalyd.query import QueryError
from anomalyd.signals.quantities import SPANS
from anomalyd.sources.base import Fetching, Make, Side, Source, SourceError, Wanted
from anomalyd.sources.keepers import reach
from anomalyd.sources.queries import Duplicate
from anomalyd.sources.tempo.past import TempoPast, whole_seconds
from anomalyd.sources.tempo.traceql import (
    MEASURES,
    Asked,
    Evaluation,
    Found,
    compile_all,
    service_of,
)

log = logging.getLogger(__name__)

CONCURRENCY = 4
_KNOWN_LIMIT = 200_000
_TOLD_LIMIT = 20


class TempoSource(Fetching):
    """A `Source` over TraceQL metrics; life cycle in `anomalyd.sources.base`.

    Tempo hides the newest spans, and aligns what it counts to multiples of the step: a tick has the
    last whole window, by the clock, that ended `lag` before it. Each window is asked for once.
    """

    def __init__(self, make: Make, client: TempoClient, settings: TempoMetrics) -> None:
        self.name = make.side.name.value
        self._client, self._settings = client, settings
        self._table, self._canonical = make.table, make.canonical
        self._window = whole_seconds(make.window, f"environments.{self.name}.tempo")
        own = [s for s in make.table.signals if s.name in make.answers]
        self._asked = compile_all(own, settings.filter, make.canonical.run_label)
        names = [signal.name for signal in make.table.signals]
        self._index = {one.signal.name: names.index(one.signal.name) for one in self._asked}
        self._backoff = Backoff()
        self._end = -math.inf
        self._answers: dict[str, list[Points]] = {}
        self._errors: dict[str, QueryError] = {}
        self._troubles: tuple[str, ...] = ()
        self._rows: dict[tuple[int, Labels], int] = {}
        self._seen: dict[int, dict[Labels, None]] = {}

    async def start(self) -> None:
        """Raises SourceError for what only the user can mend; a server that is away may return."""
        try:
            await self._client.version()
        except QueryError as error:
            if error.fatal:
                raise SourceError(str(error)) from error
            log.debug("%s", error)

    async def run(self) -> None:
        """Nothing to do between ticks."""

    async def stop(self) -> None:
        """Nothing to give back; the session is the caller's."""

    async def returned(self) -> bool:
        return await self._client.answers()

    def troubles(self) -> list[str]:
        return list(self._troubles)

    async def collect(self, time: float) -> Batch:
        end = math.floor((time - self._settings.lag) / self._window) * self._window
        if end > self._end:
            self._end, self._answers = end, {}
            self._errors = {q: error for q, error in self._errors.items() if error.retryable}
        queries = dict.fromkeys(q for one in self._asked for q in (*one.of_values, *one.of_counts))
        missing = [q for q in queries if q not in self._answers and not self._in_vain(q)]
        if missing and not self._backoff.waits(time):
            await self._ask(missing, time)
        self._tell(list(map(str, self._errors.values())))
        return self._batch(time)

    def _in_vain(self, query: str) -> bool:
        """Whether to ask again for this window would change nothing."""
        return query in self._errors and not self._errors[query].retryable

    async def _ask(self, queries: Sequence[str], now: float) -> None:
        """Stops at the first failure that will befall the others too."""
        for query in queries:
            self._errors.pop(query, None)
        gate = asyncio.Semaphore(CONCURRENCY)
        end, window = round(self._end), self._window

        async def ask(query: str) -> None:
            async with gate:
                if any(error.retryable for error in self._errors.values()):
                    return
                try:
                    found = await self._client.metrics(query, end - window, end, window)
                except QueryError as error:
                    self._errors[query] = error
                    telemetry.source_failures.add(1, {"source": self.name, "reason": error.kind})
                else:
                    self._answers[query] = found

        async with asyncio.TaskGroup() as tasks:
            for number, query in enumerate(queries):
                tasks.create_task(ask(query), name=f"{self.name}-tempo-{number}")
        failures = [error for error in self._errors.values() if error.retryable]
        if failures:
            self._backoff.failed(failures[0], now)
        else:
            self._backoff.answered()

    def _batch(self, time: float) -> Batch:
        laid: dict[int, tuple[float, float, Labels]] = {}
        answered, duplicates = [], []
        for asked in self._asked:
            if any(q not in self._answers for q in (*asked.of_values, *asked.of_counts)):
                continue
            answered.append(asked.signal.name)
            for row, value, count, labels in self._values(asked):
                kept = laid.get(row)
                if kept is None or count > kept[1]:
                    laid[row] = value, count, labels
                if kept is not None:
                    told = Duplicate(self._table.keys[row], str(laid[row][2]), (str(labels),))
                    duplicates.append((row, told.sentence))
        return Batch(
            time,
            np.fromiter(laid, np.intp, len(laid)),
            np.array([value for value, _, _ in laid.values()], dtype=np.float64),
            np.array([count for _, count, _ in laid.values()], dtype=np.float64),
            frozenset(answered),
            tuple(duplicates[:_TOLD_LIMIT]),
        )

    def _values(self, asked: Asked) -> Iterator[tuple[int, float, float, Labels]]:
        """(row, value, count, labels) of what has a value."""
        ends = [round(self._end) * 1000]
        made = Evaluation(asked, self._answers, ends, self._window, self._canonical)
        found, events = made.values(), made.counts()
        if asked.signal.is_rate and asked.signal.by:
            self._add_idle(asked, found)
        for labels, value in found.items():
            row = self._row(asked, labels)
            if row >= 0 and math.isfinite(value[0]):
                count = float(events[labels][0]) if labels in events else math.nan
                yield row, float(value[0]), count, labels

    def _add_idle(self, asked: Asked, found: Found) -> None:
        """A rate of 0 for what was there before and is not now, where its service is."""
        seen = self._seen.setdefault(self._index[asked.signal.name], {})
        alive = {service_of(labels) for labels in found}
        for labels in seen.keys() - found.keys():
            if service_of(labels) in alive:
                found[labels] = np.zeros(1)
        if len(seen) < _KNOWN_LIMIT:
            seen.update(dict.fromkeys(found))

    def _row(self, asked: Asked, labels: Labels) -> int:
        index = self._index[asked.signal.name]
        if len(self._rows) > _KNOWN_LIMIT:
            self._rows.clear()
        if (index, labels) not in self._rows:
            own = self._canonical.of(asked.signal, labels)
            self._rows[index, labels] = self._table.row(index, own)
        return self._rows[index, labels]

    def _tell(self, troubles: list[str]) -> None:
        """Log each transition once."""
        fresh = tuple(dict.fromkeys(troubles))
        for trouble in fresh:
            if trouble not in self._troubles:
                log.warning("%s", trouble)
        if self._troubles and not fresh:
            log.info("%s: Tempo answers again", self.name)
        self._troubles = fresh


def evaluates(signal: Signal) -> bool:
    """All that is measured of spans but own time."""
    return signal.measure in MEASURES


async def look(
    name: Environment, environment: EnvironmentConfig, wanted: Wanted, stack: AsyncExitStack
) -> Side:
    """Whether TraceQL metrics answer; see `Kind`."""
    settings = environment.tempo
    if settings is None:
        raise ValueError("the environment has no tempo")
    client = TempoClient(await reach(f"environments.{name}.tempo", settings, stack))
    side = Side(name, environment, None, {SPANS: frozenset()}, None)
    side.past = TempoPast(name.value, client, settings)
    side.client = client
    try:
        await client.version()
    except QueryError as error:
        return replace(side, trouble=str(error), away=error.retryable)
    return side


def build(make: Make) -> Source:
    settings, client = make.side.config.tempo, make.side.client
    if settings is None or not isinstance(client, TempoClient):
        raise ValueError("the environment has no tempo")
    return TempoSource(make, client, settings)
