"""Signals of one environment that a Prometheus serves, by compiled queries at every tick."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Mapping, Sequence

import numpy as np

from anomalyd import telemetry
from anomalyd.model import LOAD_SIGNAL, Batch, Floats, Rows
from anomalyd.query import QueryError, Trouble, Vector, parse_labels
from anomalyd.signals.identity import Canonical
from anomalyd.signals.promql import Compiled
from anomalyd.signals.quantities import SPANS
from anomalyd.signals.table import SignalTable
from anomalyd.sources.base import Fetching, Make, Source, SourceError
from anomalyd.sources.discovery import discover
from anomalyd.sources.promapi import PromApi
from anomalyd.sources.queries import Duplicate, compile_all, compile_capacity, metrics_of

log = logging.getLogger(__name__)

CONCURRENCY = 8
REDISCOVER_SECONDS = 60.0
_KNOWN_LIMIT = 200_000
_NOTES_LIMIT = 100
_TOLD_LIMIT = 20

Answers = Mapping[str, Vector | QueryError]
Placed = tuple[Rows, Floats, Floats]


class PrometheusSource(Fetching):
    """A `Source` over one Prometheus-compatible server; life cycle in `anomalyd.sources.base`.

    Where the environment's capacity is an expression, offered load (`LOAD_SIGNAL`) is divided by
    it here, at the same time; a capacity that is a number is the pipeline's to apply. A value
    that is NaN or infinite is absent. A signal one of whose queries failed is not `answered`.
    metrics: what `discover` found, as far as known. classic: see `Side`. answers: names of the
    signals to ask for, all where it is None. The session of `api` stays the caller's.
    """

    def __init__(
        self,
        api: PromApi,
        table: SignalTable,
        canonical: Canonical,
        *,
        window: float,
        metrics: Mapping[str, frozenset[str]] | None = None,
        classic: frozenset[str] = frozenset(),
        answers: frozenset[str] | None = None,
        concurrency: int = CONCURRENCY,
        rediscover: float = REDISCOVER_SECONDS,
    ) -> None:
        self.name = api.name
        self._api = api
        self._table = table
        self._canonical = canonical
        self._window = window
        self._metrics, self._classic = dict(metrics or {}), classic
        names = (signal.name for signal in table.signals)
        self._asked = [i for i, name in enumerate(names) if answers is None or name in answers]
        self._concurrency = concurrency
        self._rediscover = rediscover
        self._rows: list[dict[bytes, int]] = [{} for _ in table.signals]
        self._failures: dict[str, str] = {}
        self._duplicates: tuple[Duplicate, ...] = ()
        self._notes: set[str] = set()
        self._throttled: tuple[float, QueryError] | None = None
        self._capacity = compile_capacity(api.endpoint, window)
        self._compile()

    async def start(self) -> None:
        """Raises SourceError for what only the user can mend; a server that is away may return."""
        try:
            await self._api.instant("vector(1)")
        except QueryError as error:
            if error.fatal:
                raise SourceError(str(error)) from error
            log.debug("%s", error)
            return
        await self._rediscovered()

    async def run(self) -> None:
        """Look now and then for metrics that were not there; their labels decide grouping."""
        while True:
            await asyncio.sleep(self._rediscover)
            await self._rediscovered()

    async def returned(self) -> bool:
        return await self._api.answers()

    async def stop(self) -> None:
        """Nothing to give back."""

    async def collect(self, time: float) -> Batch:
        """All signals over (time - window, time]; queries run together, `concurrency` at once."""
        queries = self.queries
        answers = await self._ask_all(time, self._texts([queries[i] for i in self._asked]))
        pieces: list[Placed] = []
        failures: dict[str, str] = {}
        duplicates: list[Duplicate] = []
        for index in self._asked:
            try:
                pieces.append(self._signal(index, queries[index], answers, duplicates))
            except QueryError as error:
                failures[self._table.signals[index].name] = str(error)
        self._tell(failures)
        self._failures, self._duplicates = failures, tuple(duplicates)
        asked = frozenset(self._table.signals[index].name for index in self._asked)
        rows, values, counts = (
            (np.concatenate([piece[part] for piece in pieces]) for part in range(3))
            if pieces
            else (np.empty(0, np.intp), np.empty(0), np.empty(0))
        )
        twice = tuple((self._table.row_of(d.key), d.sentence) for d in duplicates[:_TOLD_LIMIT])
        return Batch(time, rows, values, counts, asked - failures.keys(), twice)

    def troubles(self) -> list[str]:
        """Each sentence of `failures` once."""
        return list(dict.fromkeys(self._failures.values()))

    def failures(self) -> dict[str, str]:
        """Of the last `collect`: signal → what went wrong, one sentence."""
        return dict(self._failures)

    def duplicates(self) -> tuple[Duplicate, ...]:
        """Of the last `collect`: series that came twice."""
        return self._duplicates

    async def _rediscovered(self) -> None:
        try:
            await self._learn_metrics()
        except QueryError as error:
            log.debug("identity labels stay as configured: %s", error)

    async def _learn_metrics(self) -> None:
        asked = (self._table.signals[index] for index in self._asked)
        needed = {name for signal in asked for name in metrics_of(signal)} - {SPANS}
        unseen = needed - self._metrics.keys()
        if not unseen:
            return
        found = await discover(self._api, self._api.endpoint.matchers, unseen.__contains__)
        if found:
            self._metrics.update(found)
            self._compile()

    def _compile(self) -> None:
        self.queries = compile_all(
            self._table.signals,
            self._canonical,
            self._metrics,
            window=self._window,
            matchers=self._api.endpoint.matchers,
            classic=self._classic,
        )

    def _texts(self, queries: Sequence[Compiled]) -> list[str]:
        """What to ask, each once: signals share their counts."""
        wanted = [text for one in queries for text in (one.value, one.count)]
        return list(dict.fromkeys(text for text in (*wanted, self._capacity) if text))

    async def _ask_all(self, time: float, texts: Sequence[str]) -> Answers:
        if self._throttled and time < self._throttled[0]:
            return dict.fromkeys(texts, self._throttled[1])
        self._throttled = None
        answers: dict[str, Vector | QueryError] = {}
        gate = asyncio.Semaphore(self._concurrency)

        async def ask(text: str) -> None:
            async with gate:
                try:
                    answers[text] = await self._api.instant(text, time)
                except QueryError as error:
                    answers[text] = error
                    telemetry.source_failures.add(1, {"source": self.name, "reason": error.kind})
                    if error.retry_after:
                        self._throttled = (time + error.retry_after, error)

        async with asyncio.TaskGroup() as tasks:
            for number, text in enumerate(texts):
                tasks.create_task(ask(text), name=f"{self.name}-query-{number}")
        return answers

    def _signal(
        self, index: int, queries: Compiled, answers: Answers, duplicates: list[Duplicate]
    ) -> Placed:
        """Rows, values and counts of one signal. Raises the QueryError of any of its queries."""
        value = self._answer(answers, queries.value)
        count = self._answer(answers, queries.count) if queries.count else None
        counts = dict(zip(count.keys, count.values.tolist(), strict=True)) if count else {}
        known = self._rows[index]
        if len(known) > _KNOWN_LIMIT:
            known.clear()
        rows = [known.get(key, -2) for key in value.keys]
        rows = [
            self._row(index, k) if r == -2 else r for r, k in zip(rows, value.keys, strict=True)
        ]
        row = np.array(rows, dtype=np.intp)
        weight = np.array([counts.get(key, math.nan) for key in value.keys], dtype=np.float64)
        weight[~np.isfinite(weight)] = math.nan
        kept = np.flatnonzero((row >= 0) & np.isfinite(value.values))
        if len(np.unique(row[kept])) != len(kept):
            kept = self._deduplicate(row, weight, kept, value.keys, duplicates)
        values = value.values[kept]
        if self._table.signals[index].name == LOAD_SIGNAL:
            values = values / self._divisor(answers)
        return row[kept], values, weight[kept]

    def _row(self, index: int, key: bytes) -> int:
        labels = self._canonical.of(self._table.signals[index], parse_labels(key))
        row = self._rows[index][key] = self._table.row(index, labels)
        return row

    def _deduplicate(
        self,
        row: Rows,
        weight: Floats,
        kept: Rows,
        keys: Sequence[bytes],
        duplicates: list[Duplicate],
    ) -> Rows:
        """One series per row: the one with the largest count, then the first in key order."""
        groups: dict[int, list[int]] = {}
        for place in kept.tolist():
            groups.setdefault(int(row[place]), []).append(place)
        winners = []
        for canonical, places in groups.items():
            first, *rest = sorted(places, key=lambda p: (-np.nan_to_num(weight[p]), keys[p]))
            winners.append(first)
            if rest:
                dropped = tuple(keys[place].decode(errors="replace") for place in rest)
                kept_key = keys[first].decode(errors="replace")
                duplicates.append(Duplicate(self._table.keys[canonical], kept_key, dropped))
        return np.array(sorted(winners), dtype=np.intp)

    def _divisor(self, answers: Answers) -> float:
        """What capacity's expression yields now; 1 where capacity is a number."""
        if self._capacity is None:
            return 1.0
        values = self._answer(answers, self._capacity).values
        if len(values) != 1 or not values[0] > 0 or not math.isfinite(values[0]):
            raise QueryError(
                Trouble.WRONG_TYPE,
                f"environments.{self.name}.capacity must yield one number above zero, "
                f"it yields {values.tolist()[:3]}",
            )
        return float(values[0])

    def _answer(self, answers: Answers, text: str) -> Vector:
        answer = answers[text]
        if isinstance(answer, QueryError):
            raise answer
        for note in answer.notes:
            if note not in self._notes and len(self._notes) < _NOTES_LIMIT:
                self._notes.add(note)
                log.info("%s says of %s: %s", self.name, text, note)
        return answer

    def _tell(self, failures: Mapping[str, str]) -> None:
        """Log each transition once: one line per new trouble, one for what came back."""
        fresh: dict[str, list[str]] = {}
        for signal, message in failures.items():
            if signal not in self._failures:
                fresh.setdefault(message, []).append(signal)
        for message, signals in fresh.items():
            log.warning("no answer for %s: %s", ", ".join(signals), message)
        back = [signal for signal in self._failures if signal not in failures]
        if back:
            log.info("%s answers again for %s", self.name, ", ".join(back))


def build(make: Make) -> Source:
    """Raises ValueError where the side is not served by a Prometheus."""
    side = make.side
    if side.api is None:
        raise ValueError("the environment has no url")
    return PrometheusSource(
        side.api,
        make.table,
        make.canonical,
        window=make.window,
        metrics=side.metrics,
        classic=side.classic,
        answers=make.answers,
    )
