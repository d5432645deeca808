"""What a source is. Registry: `SOURCES` in `anomalyd/sources/__init__.py`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from anomalyd.config import EnvironmentConfig, Limits, Otlp
from anomalyd.model import Batch, Environment, PromQL, Signal, SpanMetric
from anomalyd.push import Receiver
from anomalyd.query import Matrix
from anomalyd.signals.evaluate import Evaluator
from anomalyd.signals.identity import Canonical
from anomalyd.signals.promql import Compiled
from anomalyd.signals.table import SeriesTable, SignalTable
from anomalyd.sources.metadata import Described

if TYPE_CHECKING:
    from anomalyd.clients.jaeger import JaegerClient
    from anomalyd.clients.tempo import TempoClient
    from anomalyd.sources.promapi import PromApi


class Source(Protocol):
    """Where signal values of one environment come from: those signals that it was built for.

    Life cycle: the daemon awaits `start` once (it connects, discovers, and may raise
    `SourceError` for what only the user can mend), keeps `run` as a task for background work
    (scraping, rediscovery), and awaits `collect` at every tick. `stop` is awaited once, after
    `run` was cancelled. A source catches a named set of network errors, counts them, logs the
    transition once each way and goes on; any other exception is a bug and ends the process.
    """

    name: str

    async def start(self) -> None: ...

    async def run(self) -> None: ...

    async def ahead(self, time: float) -> None:
        """Do what can be done before `time` of what `collect` will have to do, in small parts; may
        be cancelled."""
        ...

    async def arrived(self, time: float) -> None:
        """Wait until what is to come by itself up to `time` has come; may be cancelled."""
        ...

    async def collect(self, time: float) -> Batch:
        """The values of all signals over (time - window, time], with what could be had."""
        ...

    def troubles(self) -> list[str]:
        """What does not answer now, one sentence for each; of the last `collect` or scrape."""
        ...

    async def returned(self) -> bool:
        """Whether what was away when this was built answers now."""
        ...

    def news(self) -> Side | None:
        """The environment as it is now, where samples came that nothing was known of before; None
        where there is nothing new, or where that is found by looking."""
        ...

    async def stop(self) -> None: ...


class Fetching:
    """A source that looks by itself: nothing comes that it did not ask for."""

    async def ahead(self, time: float) -> None:
        """What there will be is not known before."""

    async def arrived(self, time: float) -> None:
        """Nothing to wait for."""

    def news(self) -> None:
        """What is there is found by looking."""


class Past(Protocol):
    """What an environment did before, where something else than a Prometheus tells it.

    Series come with raw labels, as `origin` names them; values are over the whole step before each
    time. lag: seconds after which what happened can be asked for. buckets: upper bounds, in
    seconds, of the histograms that latencies are read off; () where that is not known.
    """

    origin: str
    lag: float
    buckets: tuple[float, ...]

    def queries(self, signals: Sequence[Signal], canonical: Canonical) -> dict[str, Compiled]:
        """By signal, of those that it can tell."""
        ...

    def most_points(self, step: float) -> int:
        """That may be asked for at once."""
        ...

    async def count(self, query: str, time: float) -> int:
        """How many series a query has around a time. Raises QueryError."""
        ...

    async def range(self, query: str, start: float, end: float, step: float) -> Matrix:
        """At start, start + step, … end, all inclusive. Raises QueryError."""
        ...

    async def versions(self) -> dict[str, str]:
        """Of what tells it, by its name. Raises QueryError."""
        ...


class SourceError(Exception):
    """One sentence for the user: which system, what is wrong, how to mend it."""


@dataclass(slots=True)
class Side:
    """One environment as far as it answers, to one kind of source or to all that it has.

    api: None where no Prometheus is asked. metrics: name → label names, empty if it did not
    answer. interval: seconds between scrapes, if known. trouble: why it did not answer; `away` if
    that may pass by itself. section: the kind, '' of several, whose sides are `parts`. classic:
    native histograms to be read in the classic form that they have too. past: its history, where
    no Prometheus is asked for it. client: of what keeps its traces; searched: its history is
    theirs, one by one. described: what senders say of metrics.
    """

    name: Environment
    config: EnvironmentConfig
    api: PromApi | None
    metrics: Mapping[str, frozenset[str]]
    interval: float | None
    trouble: str = ""
    away: bool = False
    section: str = ""
    parts: tuple[Side, ...] = ()
    classic: frozenset[str] = frozenset()
    past: Past | None = None
    client: TempoClient | JaegerClient | None = None
    described: Described = field(default_factory=dict)
    searched: bool = False

    @property
    def tells_past(self) -> bool:
        """Whether its history can be asked for."""
        return self.api is not None or self.past is not None or self.searched


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look for in an environment: metrics of these names; `limits` bound what is read.

    state_dir: where receivers keep what they have seen. step: seconds from tick to tick. otlp: what
    may be sent by it at once. bounds: of latencies of spans, the buckets that production has.
    """

    metrics: Callable[[str], bool]
    limits: Limits
    state_dir: Path
    step: float = 5.0
    otlp: Otlp = field(default_factory=Otlp)
    bounds: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Make:
    """What a source is built with; rows of its batches belong to `table`.

    answers: names of the signals that are this source's to answer.
    """

    side: Side
    table: SignalTable
    canonical: Canonical
    window: float
    wanted: Wanted
    answers: frozenset[str]


def evaluator(make: Make, lag: float = 10.0) -> Evaluator:
    """What a source is made of that has samples and no server to evaluate them."""
    limits = make.wanted.limits
    return Evaluator(
        make.table,
        SeriesTable(limits.raw_series, limits.label_bytes),
        make.canonical,
        make.window,
        matchers=make.side.config.matchers,
        answers=make.answers,
        lag=lag,
        classic=make.side.classic,
    )


def over_samples(signal: Signal) -> bool:
    """Whether a signal can be evaluated over samples: no expression, and not measured of spans."""
    return not isinstance(signal.definition, PromQL | SpanMetric)


@dataclass(frozen=True, slots=True)
class Kind:
    """One entry of `SOURCES`. section: the setting of an environment that asks for it.

    look: ask the environment what it has; sessions go on the stack. Raises SourceError for a
    secret or certificate that cannot be read; what does not answer is a Side with `trouble`.
    evaluates: which signals it can answer. receiver: of what is pushed, over the sources of this
    kind; None where it fetches.
    """

    section: str
    look: Callable[[Environment, EnvironmentConfig, Wanted, AsyncExitStack], Awaitable[Side]]
    build: Callable[[Make], Source]
    evaluates: Callable[[Signal], bool] = over_samples
    receiver: Callable[[Mapping[Environment, Source]], Receiver] | None = None
