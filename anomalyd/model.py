"""The words of anomalyd as frozen data. Everything imports this; it imports nothing of ours.

Times are float unix seconds. Ratios are 0..1. Values carry their signal's unit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


class Labels(tuple[tuple[str, str], ...]):
    """A label set: name-value pairs sorted by name, empty values left out (as in Prometheus)."""

    __slots__ = ()

    @classmethod
    def of(cls, pairs: Mapping[str, str]) -> Labels:
        return cls(sorted((name, value) for name, value in pairs.items() if value))

    def get(self, name: str, default: str = "") -> str:
        return next((value for key, value in self if key == name), default)

    def without(self, names: Iterable[str]) -> Labels:
        dropped = frozenset(names)
        return Labels(pair for pair in self if pair[0] not in dropped)

    def __str__(self) -> str:
        body = ",".join(f'{name}="{escape_label_value(value)}"' for name, value in self)
        return "{" + body + "}" if body else ""


def escape_label_value(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


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
class Matcher:
    """One label matcher of a selector; `op` is one of `= != =~ !~`."""

    label: str
    op: str
    value: str

    def __str__(self) -> str:
        return f'{self.label}{self.op}"{escape_label_value(self.value)}"'


@dataclass(frozen=True, slots=True)
class Selector:
    """A metric name with matchers, as `http_requests_total{code=~"5.."}`."""

    metric: str
    matchers: tuple[Matcher, ...] = ()

    def __str__(self) -> str:
        inner = ",".join(map(str, self.matchers))
        return self.metric + ("{" + inner + "}" if inner else "")


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


@dataclass(frozen=True, slots=True)
class Samples:
    """What a scrape hands over: many per row, any order.

    rows: intp[n] into a raw series table; timestamps: float64[n], unix seconds; values: float64[n].
    """

    rows: Rows
    timestamps: Floats
    values: Floats


@dataclass(frozen=True, slots=True)
class Batch:
    """What `signals` hands on: one tick, unique rows of the signal table, one value each.

    time: the tick, aligned to `step`, unix seconds. values: float64[n] over (time - window, time].
    counts: float64[n], events behind each value (requests), NaN where not known.
    answered: names of the signals that were evaluated; a signal whose query failed is not among
    them, so that a telemetry failure is not taken for an absent series.
    duplicates: (row, what was left out) where several series claimed one row.
    """

    time: float
    rows: Rows
    values: Floats
    counts: Floats
    answered: frozenset[str]
    duplicates: tuple[tuple[int, str], ...] = ()

    def __post_init__(self) -> None:
        if len(np.unique(self.rows)) != len(self.rows):
            raise ValueError("rows of a Batch must be unique")


class State(IntEnum):
    """Of a signal series in a run. An int, since the pipeline keeps one per row in an array."""

    OK = 0
    PENDING = 1
    FIRING = 2
    RESOLVED = 3


class Outcome(StrEnum):
    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    INVALID = "invalid"

    @property
    def exit_code(self) -> int:
        return {"pass": 0, "fail": 1, "inconclusive": 3, "invalid": 4}[self.value]


class RunState(StrEnum):
    WARMUP = "warmup"
    ACTIVE = "active"
    SETTLING = "settling"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class Run:
    """One test run. `selector` is the value of `runs.label` that its series carry ('' = all)."""

    id: str
    name: str
    state: RunState
    started_at: float
    origin: str = "api"  # api, watch or detected
    selector: str = ""
    labels: Labels = field(default_factory=Labels)
    active_at: float | None = None
    stopped_at: float | None = None
    finished_at: float | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Anomaly:
    """A signal series whose evidence crossed its share of the run's budget.

    observed/expected/low/high are in the signal's unit, at the window where it last deviated;
    effect is observed against expected: relative, or absolute where `Change` is absolute.
    evidence: natural log of the e-value at its highest. breach_in: seconds from firing until
    `limit` is reached at the slope of that time; None where there is no limit or no growth.
    """

    signal: str
    labels: Labels
    service: str
    kind: Kind
    unit: str
    detector: str
    started_at: float
    fired_at: float
    observed: float
    expected: float
    low: float
    high: float
    effect: float
    evidence: float
    extrapolated: bool = False
    resolved_at: float | None = None
    limit: float | None = None
    breach_in: float | None = None

    @property
    def series(self) -> str:
        return f"{self.signal}{self.labels}"


@dataclass(frozen=True, slots=True)
class Suspect:
    """A service that may have caused an incident; scores of one incident sum to at most 1."""

    service: str
    score: float
    reason: str


@dataclass(frozen=True, slots=True)
class Incident:
    """Anomalies that belong together: what a person is told, once."""

    id: str
    run_id: str
    started_at: float
    severity: str  # warning or critical
    summary: str
    anomalies: tuple[Anomaly, ...]
    suspects: tuple[Suspect, ...]
    ended_at: float | None = None

    @property
    def open(self) -> bool:
        return self.ended_at is None


@dataclass(frozen=True, slots=True)
class Exemplar:
    """A trace, for a person to look at. why: what is bad about it, '' for an ordinary one.

    service, operation, started_at, duration (seconds): of the span that was looked for. link: where
    to look, '' where no link is configured.
    """

    trace_id: str
    service: str
    operation: str
    started_at: float
    duration: float
    why: str = ""
    link: str = ""


@dataclass(frozen=True, slots=True)
class LogTemplate:
    """Log lines of one shape that are new in an incident, or came more often than before it.

    template: with `<*>` for what differs. rate, before: lines per second during and before; before
    is 0 where it is new. count: lines that were read during. example: one of them, shortened.
    """

    service: str
    template: str
    count: int
    rate: float
    before: float
    example: str


@dataclass(frozen=True, slots=True)
class Enrichment:
    """What was fetched for an incident after it was decided; no verdict knows of it.

    traces: bad ones, then ordinary ones. logs: the most telling first. troubles: what could not be
    had, as sentences.
    """

    run_id: str
    incident_id: str
    fetched_at: float
    traces: tuple[Exemplar, ...] = ()
    logs: tuple[LogTemplate, ...] = ()
    troubles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Edge:
    """client calls server, by what is known of the service graph.

    sources: who tells of it, sorted: `config`, or the environment where calls were seen. seen_at:
    when it last carried calls, None where it is only declared. rate: calls per second then, in
    staging where it was seen there; NaN where not known.
    """

    client: str
    server: str
    sources: tuple[str, ...]
    seen_at: float | None = None
    rate: float = math.nan


@dataclass(frozen=True, slots=True)
class Phase:
    kind: str  # cold-start, ramp, steady, spike, drain, idle
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Integrity:
    """A fault of telemetry, not of the system: what, where, when, and whether it broke the run."""

    kind: str  # gap, query-failed, stale, reset, duplicate, no-data, baseline
    where: str
    start: float
    end: float
    detail: str
    breaks_run: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """One judged series at the end of a run. NaN where not known.

    effect, mde (minimum detectable effect at 80% power) and detect (the one asked for) are
    relative, or absolute where the signal's `tolerate` is; pass_at: the value at which the series
    would not have fired; evidence and threshold: natural logs of e-values. state: ok, fired, weak
    (could not show `detect`), missing (production has it, staging not), unmatched (no partner in
    production), silenced. hour: at which production differs, where the band took that in.
    """

    signal: str
    labels: Labels
    service: str
    kind: Kind
    unit: str
    state: str
    observed: float = math.nan
    expected: float = math.nan
    low: float = math.nan
    high: float = math.nan
    effect: float = math.nan
    evidence: float = math.nan
    threshold: float = math.nan
    mde: float = math.nan
    detect: float = math.nan
    pass_at: float = math.nan
    windows: int = 0
    extrapolated: bool = False
    absolute: bool = False
    detector: str = ""
    query: str = ""
    note: str = ""
    hour: str = ""

    @property
    def series(self) -> str:
        return f"{self.signal}{self.labels}"


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of what production has was judged, and could have shown `detect`. in_part: of the
    series that could have shown larger changes only, the sum of what was asked for over these,
    half of `powered` at most."""

    production_series: int
    matched: int
    judged: int
    powered: int
    missing: tuple[str, ...]
    unmatched: tuple[str, ...]
    silenced: tuple[str, ...] = ()
    in_part: float = 0.0

    @property
    def ratio(self) -> float:
        shown = self.powered + self.in_part
        return shown / self.production_series if self.production_series else 0.0


class Reshaped(StrEnum):
    """What may change in the shape of traces."""

    NEW_EDGE = "new-edge"
    MISSING_EDGE = "missing-edge"
    MORE_CALLS = "more-calls"
    RETRIES = "retries"
    SERIAL = "serial"
    ERROR_PATH = "error-path"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share or a mean, its interval, and how many traces, calls or requests it is of."""

    value: float
    low: float
    high: float
    of: float


@dataclass(frozen=True, slots=True)
class ShapeChange:
    """A difference between staging's traces and production's that begin at one operation.

    server: '' where it is of what `client` does. staging, production: shares, or calls per trace
    for more calls.
    """

    kind: Reshaped
    service: str
    operation: str
    client: str
    server: str
    staging: Estimate
    production: Estimate


@dataclass(frozen=True, slots=True)
class Verdict:
    run_id: str
    outcome: Outcome
    reasons: tuple[str, ...]
    reference: str  # production or none
    budget: float
    coverage: Coverage
    findings: tuple[Finding, ...] = ()
    incidents: tuple[Incident, ...] = ()
    integrity: tuple[Integrity, ...] = ()
    phases: tuple[Phase, ...] = ()
    shadow: bool = False
    shape: tuple[ShapeChange, ...] = ()

    @property
    def exit_code(self) -> int:
        return 0 if self.shadow else self.outcome.exit_code
