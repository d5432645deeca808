"""Signals of one environment over samples that are sent to us, whatever the protocol."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from anomalyd import telemetry
from anomalyd.config import EnvironmentConfig, Receiver
from anomalyd.model import Batch, Environment, Floats, Labels, Rows, Samples
from anomalyd.signals.evaluate import Evaluator
from anomalyd.signals.exemplars import Exemplars
from anomalyd.signals.native.names import natively
from anomalyd.signals.native.samples import Histograms
from anomalyd.signals.relabel import Rule, relabel
from anomalyd.signals.window import is_stale
from anomalyd.sources.arrivals import LIVE_INTERVALS, Arrivals
from anomalyd.sources.base import Make, Side, Wanted, evaluator
from anomalyd.sources.beside import Beside
from anomalyd.sources.seen import Seen
from anomalyd.units import format_duration

T = TypeVar("T")

SAVE_SECONDS = 5.0
SETTLE_SECONDS = 4.0
"""So long nothing new must come before signals are settled anew: a sender's first bodies hold the
series of one target after another."""
LAG_SECONDS = 30.0
"""Samples are kept so much longer than a window and what a tick waits for."""
IDLE_SECONDS = 600.0
IDLE_WINDOWS = 4.0
"""A series without samples for the longer of the two is forgotten."""
EXPIRE_EVERY_SECONDS = 60.0
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
    is when samples were received and ticks were due. late: how long a tick waits, in seconds. kept:
    a few of the exemplars that come, for incidents.
    """

    def __init__(
        self,
        side: Side,
        evaluator: Evaluator,
        seen: Seen,
        wanted: Callable[[str], bool],
        late: float = 0.0,
        rules: Sequence[Rule] = (),
        kept: Exemplars | None = None,
    ) -> None:
        self.name = side.name.value
        self.side, self._evaluator, self._seen = side, evaluator, seen
        self._wanted, self._natively = wanted, natively(wanted)
        self._native: set[int] = set()
        self.kept, self.beside = kept, Beside(evaluator.series, seen, kept)
        self.late, self._rules = late, tuple(rules)
        self._now = self._heard_at = self._newest = 0.0
        self._heard = False
        self._arrivals = Arrivals()
        self._judged = 0.0
        self._lag = 0.0
        self._came = asyncio.Event()
        self._listeners: list[Callable[[Rows], None]] = []
        self._expired_at = 0.0

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
            self.expire()

    async def ahead(self, time: float) -> None:
        """Bodies are taken in between; what they change is done anew."""
        self._arrivals.complete(time)
        for nth in itertools.count():
            await asyncio.sleep(0)
            if not self._evaluator.ahead(time, nth):
                return

    async def arrived(self, time: float) -> None:
        """A sender that sends still has what was taken just before: wait until every series that
        comes as usual has come up to `time`."""
        while not self._arrivals.complete(time):
            self._came.clear()
            await self._came.wait()

    async def collect(self, time: float) -> Batch:
        self._now = max(self._now, time)
        self._heard_at = self._heard_at or self._now
        self._judged = time
        if self._blind(time):
            nothing = np.empty(0)
            return Batch(time, np.empty(0, np.intp), nothing, nothing, frozenset())
        return self._evaluator.evaluate(time)

    def _blind(self, time: float) -> bool:
        """Whether the sender is away, or far behind: then series that are not there say nothing of
        the system, and no signal is answered. A target that is down is none of this: its sender
        still has something to send."""
        interval = self._seen.interval
        patience = LIVE_INTERVALS * interval if interval else self._evaluator.window
        return self._newest < time - patience

    async def stop(self) -> None:
        self._keep()

    def row(self, labels: Labels) -> int | None:
        """The row of a series; -1 if a rule drops it or nobody needs it, None at a limit."""
        kept = relabel(labels, self._rules) if self._rules else labels
        if kept is None:
            return -1
        name = kept.get("__name__")
        wanted = self._wanted(name)
        if not (wanted or self._natively(name)) or not self._evaluator.selects(kept):
            return -1
        if wanted:
            self._seen.add(kept, self._now)
        row = self._evaluator.series.row(str(kept).encode(), lambda _: kept)
        if row < 0:
            return None
        self._arrivals.follow(row, name)
        return row

    def take(self, samples: Samples, received_at: float, newest: float) -> Taken:
        """What one body has for us, which may be nothing. rows are those that `row` gave.

        newest: of all samples in the body, ours or not. Times in unix seconds.
        """
        self._now = max(self._now, received_at)
        self._newest = max(self._newest, newest)
        self._heard_at, self._heard = self._now, True
        if not len(samples.rows):
            return Taken()
        self._measure(samples.timestamps, received_at)
        self._arrivals.take(samples.rows, samples.timestamps, is_stale(samples.values))
        return self._counted(self._evaluator.take, samples)

    def take_histograms(self, samples: Histograms, received_at: float) -> Taken:
        """What the same body has of native histograms."""
        if not len(samples):
            return Taken()
        for row in set(samples.rows.tolist()) - self._native:
            self._native.add(row)
            self._seen.add(self._evaluator.series.labels[row], self._now)
        timestamps = samples.times / 1000
        self._measure(timestamps, received_at)
        self._arrivals.take(samples.rows, timestamps, samples.stale)
        return self._counted(self._evaluator.take_histograms, samples)

    def _counted(self, take: Callable[[T], None], samples: T) -> Taken:
        self._came.set()
        evaluator = self._evaluator
        repeated, out_of_order = evaluator.repeated, evaluator.out_of_order
        overwritten = evaluator.overwritten
        take(samples)
        if evaluator.overwritten > overwritten:
            more = evaluator.overwritten - overwritten
            telemetry.pushed_overwritten.add(more, {"source": self.name})
        telemetry.raw_series.set(len(evaluator.series), {"source": self.name})
        return Taken(evaluator.repeated - repeated, evaluator.out_of_order - out_of_order)

    def on_forget(self, listener: Callable[[Rows], None]) -> None:
        """Whom to tell of rows that become other series'."""
        self._listeners.append(listener)

    def expire(self) -> None:
        """Let go of series that are long gone while others come: a rollout gives every pod a new
        name."""
        if self._newest - self._expired_at < EXPIRE_EVERY_SECONDS:
            return
        self._expired_at = self._newest
        patience = max(IDLE_SECONDS, IDLE_WINDOWS * self._evaluator.window)
        rows = self._arrivals.idle(self._newest - patience)
        if not len(rows):
            return
        self._evaluator.forget(rows)
        self._arrivals.forget(rows)
        self._native.difference_update(rows.tolist())
        for listener in self._listeners:
            listener(rows)
        telemetry.raw_series_expired.add(len(rows), {"source": self.name})
        telemetry.raw_series.set(len(self._evaluator.series), {"source": self.name})

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
        side = replace(known, metrics=metrics, interval=interval, trouble="", away=False)
        return replace(side, described=seen.described())

    async def returned(self) -> bool:
        return self.news() is not None

    def troubles(self) -> list[str]:
        """That nothing comes, or that it comes too late."""
        patience = max(SILENT_SECONDS, SILENT_INTERVALS * (self._seen.interval or 0.0))
        silent = self._now - self._heard_at
        if silent > patience:
            since = format_duration(round(silent))
            began = "the last came" if self._heard else "we began to listen"
            return [
                f"{self.name}: nothing is pushed; {began} {since} ago; look after the sender and "
                f"its {self.side.section}"
            ]
        if self._lag > self.late:
            return [
                f"{self.name}: samples are pushed {format_duration(round(self._lag, 1))} after "
                f"they were taken; give the sender more shards, or raise {self.side.section}.late "
                f"({format_duration(self.late)})"
            ]
        return []

    def _measure(self, timestamps: Floats, received_at: float) -> None:
        self._lag = received_at - float(timestamps.max())
        source = {"source": self.name}
        telemetry.push_lag.set(self._lag, source)
        after = int(np.count_nonzero(timestamps <= self._judged))
        if after:
            telemetry.pushed_late.add(after, source)

    def _keep(self) -> None:
        self._seen.comes_every(self._arrivals.slowest())
        for name in self.side.metrics if self._heard else ():
            self._seen.still(name, self._now)
        self._seen.save_if_due(self._now)


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
    side = Side(name, environment, None, metrics, seen.interval, trouble, away=not metrics)
    return replace(side, described=seen.described())


def build(make: Make) -> PushedSource:
    side, wanted = make.side, make.wanted
    seen = _seen(side.section, side.name, wanted)
    section: Receiver = getattr(side.config, side.section)
    late, rules = section.late, [one.rule() for one in section.relabel]
    made = evaluator(make, lag=late + LAG_SECONDS)
    kept = Exemplars(make.canonical) if side.name is Environment.STAGING else None
    return PushedSource(side, made, seen, wanted.metrics, late, rules, kept)


def _seen(section: str, name: Environment, wanted: Wanted) -> Seen:
    return Seen(wanted.state_dir / "pushed" / f"{name}-{section}.json", wanted.metrics)
