"""Signals of one environment over samples that are sent to us, whatever the protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

import numpy as np

from anomalyd import telemetry
from anomalyd.config import EnvironmentConfig
from anomalyd.model import Batch, Environment, Floats, Labels, Rows, Samples
from anomalyd.signals.evaluate import Evaluator
from anomalyd.sources.base import Make, Side, Wanted, evaluator
from anomalyd.sources.seen import Seen
from anomalyd.units import format_duration

SAVE_SECONDS = 5.0
SETTLE_SECONDS = 4.0
"""So long nothing new must come before signals are settled anew: a sender's first bodies hold the
series of one target after another."""
SILENT_SECONDS = 30.0
SILENT_INTERVALS = 4.0
"""A sender that sent nothing for the longer of the two is silent."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Of the samples of a body: how many were the last one of their series once more, and how many
    were refused because they were older than that, or another at its time."""

    repeated: int = 0
    out_of_order: int = 0


class PushedSource:
    """A `Source` that a receiver feeds; life cycle in `anomalyd.sources.base`.

    The receiver asks `row` once per new series and gives samples to `take`. Series of metrics that
    no signal may need have no row. What was seen is kept in a file, for the next start. Its clock
    is when samples were received and ticks were due.
    """

    def __init__(
        self,
        side: Side,
        evaluator: Evaluator,
        seen: Seen,
        wanted: Callable[[str], bool],
    ) -> None:
        self.name = side.name.value
        self.side, self._evaluator, self._seen = side, evaluator, seen
        self._wanted = wanted
        self._now = self._heard_at = 0.0
        self._heard = False
        self._intervals = Intervals()

    @property
    def matched(self) -> bool:
        """Whether the environment's series are told by their labels."""
        return bool(self.side.config.matchers)

    async def start(self) -> None:
        """Nothing to reach: senders come by themselves."""

    async def run(self) -> None:
        """Keep what was seen."""
        while True:
            await asyncio.sleep(SAVE_SECONDS)
            self._keep()

    async def collect(self, time: float) -> Batch:
        self._now = max(self._now, time)
        self._heard_at = self._heard_at or self._now
        return self._evaluator.evaluate(time)

    async def stop(self) -> None:
        self._keep()

    def row(self, labels: Labels) -> int:
        """The row of a series, made if new; -1 if no signal may need it or a limit is reached."""
        name = labels.get("__name__")
        if not self._wanted(name) or not self._evaluator.selects(labels):
            return -1
        self._seen.add(labels, self._now)
        return self._evaluator.series.row(str(labels).encode(), lambda _: labels)

    def take(self, samples: Samples, received_at: float) -> Taken:
        """What one body has for us, which may be nothing. rows are those that `row` gave.

        received_at: unix seconds.
        """
        self._now = max(self._now, received_at)
        self._heard_at, self._heard = self._now, True
        if not len(samples.rows):
            return Taken()
        newest = float(samples.timestamps.max())
        telemetry.push_lag.set(received_at - newest, {"source": self.name})
        self._intervals.take(samples.rows, samples.timestamps)
        evaluator = self._evaluator
        repeated, out_of_order = evaluator.repeated, evaluator.out_of_order
        evaluator.take(samples)
        telemetry.raw_series.set(len(evaluator.series), {"source": self.name})
        return Taken(evaluator.repeated - repeated, evaluator.out_of_order - out_of_order)

    def news(self) -> Side | None:
        """What it has now, once that is more than its `Side` says and has settled."""
        self._keep()
        now, seen = self._now, self._seen
        if now - seen.changed_at < SETTLE_SECONDS or not seen.save_if_due(now):
            return None
        metrics, interval = seen.metrics(), seen.interval
        known = self.side
        if (
            not metrics
            or interval is None
            or (metrics == known.metrics and interval == known.interval)
        ):
            return None
        return replace(known, metrics=metrics, interval=interval, trouble="", away=False)

    async def returned(self) -> bool:
        return self.news() is not None

    def troubles(self) -> list[str]:
        """That nothing comes."""
        patience = max(SILENT_SECONDS, SILENT_INTERVALS * (self._seen.interval or 0.0))
        silent = self._now - self._heard_at
        if silent <= patience:
            return []
        since = format_duration(round(silent))
        began = "the last came" if self._heard else "we began to listen"
        return [
            f"{self.name}: nothing is pushed; {began} {since} ago; look after the sender and its "
            f"{self.side.section}"
        ]

    def _keep(self) -> None:
        now = self._now
        self._seen.comes_every(self._intervals.slowest(self._evaluator.series.labels))
        if self._heard:
            for name in self.side.metrics:
                self._seen.still(name, now)
        self._seen.save_if_due(now)


class Intervals:
    """Seconds between the samples of each series: the shortest that was seen, since some are lost.

    Arrays over rows of the raw series table.
    """

    def __init__(self) -> None:
        self._last = np.zeros(1024)
        self._gap = np.full(1024, np.inf)

    def take(self, rows: Rows, timestamps: Floats) -> None:
        """Any number per row."""
        most = int(rows.max(initial=-1))
        while most >= len(self._last):
            self._last = np.append(self._last, np.zeros(len(self._last)))
            self._gap = np.append(self._gap, np.full(len(self._gap), np.inf))
        order = np.lexsort((timestamps, rows))
        row, time = rows[order], timestamps[order]
        again = np.append(False, row[1:] == row[:-1])
        before = np.where(again, np.append(0.0, time[:-1]), self._last[row])
        gap = time - before
        known = (before > 0) & (gap > 0)
        np.minimum.at(self._gap, row[known], gap[known])
        np.maximum.at(self._last, row, time)

    def slowest(self, labels: list[Labels]) -> float | None:
        """The largest of the metrics' medians; to a second, below one to a tenth."""
        gaps = self._gap[: len(labels)]
        by_name: dict[str, list[float]] = {}
        for row in np.flatnonzero(np.isfinite(gaps)).tolist():
            by_name.setdefault(labels[row].get("__name__"), []).append(float(gaps[row]))
        slowest = max((float(np.median(found)) for found in by_name.values()), default=None)
        if slowest is None:
            return None
        return float(round(slowest)) if slowest >= 1 else max(round(slowest, 1), 0.1)


async def look(
    section: str,
    path: str,
    name: Environment,
    environment: EnvironmentConfig,
    wanted: Wanted,
    _: AsyncExitStack,
) -> Side:
    """What was pushed so far, as the last session kept it. path: of the API, to be told of."""
    seen = _seen(section, name, wanted)
    metrics = seen.metrics()
    trouble = "" if metrics else f"{name}: nothing that signals need was pushed to {path} yet"
    return Side(name, environment, None, metrics, seen.interval, trouble, away=not metrics)


def build(make: Make) -> PushedSource:
    side, wanted = make.side, make.wanted
    seen = _seen(side.section, side.name, wanted)
    return PushedSource(side, evaluator(make), seen, wanted.metrics)


def _seen(section: str, name: Environment, wanted: Wanted) -> Seen:
    return Seen(wanted.state_dir / "pushed" / f"{name}-{section}.json", wanted.metrics)
