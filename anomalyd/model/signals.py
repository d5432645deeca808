"""What is judged: a quantity of an environment, declared once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from anomalyd.model.labels import Labels, Selector


class Environment(StrEnum):
    STAGING = "staging"
    PRODUCTION = "production"


class Kind(StrEnum):
    LATENCY = "latency"
    ERRORS = "errors"
    TRAFFIC = "traffic"
    SATURATION = "saturation"
    RESOURCE = "resource"
    OTHER = "other"


class Worse(StrEnum):
    UP = "up"
    DOWN = "down"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class HistogramQuantile:
    """`metric` is the histogram's base name, without `_bucket`."""

    histogram: Selector
    quantile: float


@dataclass(frozen=True, slots=True)
class Ratio:
    """Counters: bad per total over the window; its count is the increase of `total`."""

    bad: Selector
    total: Selector


@dataclass(frozen=True, slots=True)
class Rate:
    """A counter's increase per second over the window, summed by group."""

    rate: Selector


@dataclass(frozen=True, slots=True)
class Gauge:
    """A gauge's mean over the window, aggregated by group with `agg` (sum, avg, max, min)."""

    gauge: Selector
    agg: str = "avg"


@dataclass(frozen=True, slots=True)
class PromQL:
    """Any expression with `$matchers` (and, if wished, `$window`) in it; pull sources only."""

    promql: str


class SpanMeasure(StrEnum):
    """What is measured of spans: requests, or with `SpanMetric.edges` calls between services."""

    CALLS = "calls"  # per second
    FAILED = "failed"  # share of calls
    DURATION = "duration"  # quantile
    OWN_TIME = "own_time"  # quantile of the duration less what was waited for others
    PER_REQUEST = "per_request"  # calls per request of the caller
    ENTRIES = "entries"  # requests per second that nothing with spans asked for


@dataclass(frozen=True, slots=True)
class SpanMetric:
    """Of the spans that arrive, with no metric in between. service: of this one only."""

    measure: SpanMeasure
    edges: bool = False
    quantile: float = 0.95
    service: str = ""

    def __str__(self) -> str:
        what = self.measure.replace("_", " ")
        if self.measure in (SpanMeasure.DURATION, SpanMeasure.OWN_TIME):
            what += f" {self.quantile:g}"
        of = f" of {self.service}" if self.service else ""
        return f"{what} of {'calls between services' if self.edges else 'requests'}{of}, by spans"


Definition = HistogramQuantile | Ratio | Rate | Gauge | PromQL | SpanMetric


@dataclass(frozen=True, slots=True)
class Change:
    """A size of change: `relative` (0.05 = 5%) or, for ratios, `absolute` in the signal's unit."""

    relative: float = 0.0
    absolute: float = 0.0

    def __str__(self) -> str:
        if self.absolute:
            return f"{self.absolute * 100:g} pp"
        return f"{self.relative:.3g}" if self.relative > 10 else f"{self.relative:.0%}"


@dataclass(frozen=True, slots=True)
class Signal:
    """One quantity that is judged; it yields one signal series per `by` label set.

    `tolerate` is the largest change that does not matter; `detect` the smallest change that a
    `pass` must have been able to show at 80% power. `limit` (in `unit`) is where the quantity
    breaks something, for trends. `by` holds canonical names: `service` stands for whichever
    label `identity.service` finds. `rename` are (label, canonical name) pairs of metrics whose own
    labels say it otherwise. A series by `client` and `server` is an edge, and the server's, but
    for how often the client calls.
    """

    name: str
    kind: Kind
    definition: Definition
    by: tuple[str, ...] = ("service",)
    unit: str = ""
    worse: Worse = Worse.UP
    tolerate: Change = Change(relative=0.05)
    detect: Change = Change(relative=0.5)
    limit: float | None = None
    rename: tuple[tuple[str, str], ...] = ()

    @property
    def is_edge(self) -> bool:
        return set(EDGE) <= set(self.by)

    def service(self, labels: Labels) -> str:
        """Of a series with canonical `labels`: the one that does what is measured."""
        if not self.is_edge:
            return labels.get("service")
        made = self.measure is SpanMeasure.PER_REQUEST
        return labels.get("client" if made else "server")

    @property
    def measure(self) -> SpanMeasure | None:
        """What is measured of spans, where it is."""
        return self.definition.measure if isinstance(self.definition, SpanMetric) else None

    @property
    def is_rate(self) -> bool:
        """Whether it counts per second."""
        of_spans = self.measure in (SpanMeasure.CALLS, SpanMeasure.ENTRIES)
        return isinstance(self.definition, Rate) or of_spans

    @property
    def is_ratio(self) -> bool:
        """Whether it is a share of what its count counts."""
        return isinstance(self.definition, Ratio) or self.measure is SpanMeasure.FAILED


EDGE = ("client", "server")
"""The labels of what one service asks of another."""


LOAD_SIGNAL = "load"
"""The name of the one signal that is the condition, not judged: offered load at the entry, 1/s."""
