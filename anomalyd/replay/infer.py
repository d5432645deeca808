"""What a column of a recording measures, by the words its name is made of."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from anomalyd.model import (
    LOAD_SIGNAL,
    Change,
    Definition,
    Gauge,
    HistogramQuantile,
    Kind,
    Labels,
    Rate,
    Ratio,
    Selector,
    Signal,
    Worse,
)
from anomalyd.replay.recording import RecordingError
from anomalyd.signals.identity import SERVICE
from anomalyd.signals.selector import parse_selector
from anomalyd.units import parse_change

SERVICE_LABELS = (SERVICE, "service_name", "app", "job")

ENTRIES = ("gateway", "frontend", "ingress", "entry", "edge", "proxy", "web", "api", "nginx")
"""Names of services that calls come in by, where no graph tells it."""

MOST_HEADERS = 10_000
"""Columns whose meaning is remembered: each is asked for several times per recording."""

ERRORS = Change(absolute=0.005)
PP = Change(absolute=0.05)


@dataclass(frozen=True, slots=True)
class _Rule:
    words: re.Pattern[str]
    kind: Kind
    worse: Worse
    unit: str = ""
    total: bool = False


def _rule(words: str, kind: Kind, worse: Worse, unit: str = "", total: bool = False) -> _Rule:
    return _Rule(re.compile(rf"(?:^|_)(?:{words})(?:_|$)"), kind, worse, unit, total)


RULES: tuple[_Rule, ...] = (
    _rule("load|offered_load|offered_rate", Kind.TRAFFIC, Worse.BOTH, "req/s", total=True),
    _rule("calls_per_request|fanout|fan_out|retr(?:y|ies)(?:_.*)?", Kind.OTHER, Worse.UP),
    _rule("(?:error|errors|failure|failures|failed)_(?:ratio|rate|share|fraction)|(?:error|failure)s?",
          Kind.ERRORS, Worse.UP),
    _rule("latency|duration|response_time|own_time|wait_time", Kind.LATENCY, Worse.UP, "s"),
    _rule("(?:request|requests|call|calls|message|messages)(?:_rate|_per_second)|rps|qps|throughput",
          Kind.TRAFFIC, Worse.BOTH, "req/s", total=True),
    _rule("inflight|in_flight|concurrency|queue|queued|pending|backlog|active_requests",
          Kind.SATURATION, Worse.UP, total=True),
    _rule("cpu|utili[sz]ation|saturation|throttl(?:ed|ing)|pool|threads|connections|lag",
          Kind.SATURATION, Worse.UP),
    _rule("memory|heap|rss|resident|disk|descriptors|fds|goroutines", Kind.RESOURCE, Worse.UP),
)  # fmt: skip
"""The first whose words are in the name."""

UNITS = (
    ("By", re.compile(r"_bytes(?:_|$)")),
    ("ms", re.compile(r"_(?:ms|millis|milliseconds)(?:_|$)")),
)
"""Units that a name may end in, against what its kind is usually measured in."""


@dataclass(frozen=True, slots=True)
class Series:
    """One series of the recordings under its canonical labels; total: the quantity grows with what
    serves it (a rate, a number of things under way)."""

    signal: str
    labels: Labels
    total: bool

    @property
    def key(self) -> str:
        return f"{self.signal}{self.labels}"

    @property
    def service(self) -> str:
        return self.labels.get(SERVICE)


@dataclass(frozen=True, slots=True)
class Columns:
    """What the columns of some recordings mean together.

    signals: one per metric name, the load first. series: the judged ones, in order of appearance;
    what is named `load` is no signal besides, were it not the load either.
    load: keys whose sum is the offered load. requests: by service, the key of its request rate.
    """

    signals: tuple[Signal, ...]
    series: tuple[Series, ...]
    load: tuple[str, ...]
    requests: Mapping[str, str]


Overrides = Mapping[str, Mapping[str, str]]


def columns(
    headers: Sequence[str],
    edges: Mapping[str, Sequence[str]],
    overrides: Overrides | None = None,
    load: Sequence[str] = (),
) -> Columns:
    """Signals of the headers of all recordings of one system.

    overrides: by metric name, any of kind, worse, unit, tolerate. load: keys of the offered load,
    where a baseline says so. Raises RecordingError for a header that is no series, and for a name
    that no header has.
    """
    signals: dict[str, Signal] = {}
    series: dict[str, Series] = {}
    for header in headers:
        metric, labels = parse_header(header)
        found = next((rule for rule in RULES if rule.words.search(metric)), None)
        if metric not in signals:
            signals[metric] = _signal(metric, found, (overrides or {}).get(metric, {}))
        one = Series(metric, labels, found is not None and found.total)
        series.setdefault(one.key, one)
    unknown = sorted(set(overrides or ()) - set(signals))
    if unknown:
        known = ", ".join(signals)
        raise RecordingError(f"no column is named {unknown[0]}; the recordings have {known}")
    traffic = [s for s in series.values() if signals[s.signal].kind is Kind.TRAFFIC and s.total]
    load = tuple(load) or _load(traffic, edges)
    judged = tuple(s for s in series.values() if s.key not in load and s.signal != LOAD_SIGNAL)
    kept = {one.signal for one in judged}
    offered = Signal(LOAD_SIGNAL, Kind.TRAFFIC, Rate(Selector("load")), by=(), unit="req/s")
    chosen = (offered, *(signal for name, signal in signals.items() if name in kept))
    requests = {one.service: one.key for one in reversed(traffic) if one.service}
    return Columns(chosen, judged, load, requests)


@lru_cache(maxsize=MOST_HEADERS)
def parse_header(header: str) -> tuple[str, Labels]:
    """Metric name and canonical labels of a column. Raises RecordingError."""
    try:
        selector = parse_selector(header)
    except ValueError as error:
        raise RecordingError(
            f'column {header!r} is not a series: write it as name{{label="value"}} ({error})'
        ) from error
    pairs = {m.label: m.value for m in selector.matchers}
    named = next((label for label in SERVICE_LABELS if pairs.get(label)), None)
    if named is not None:
        pairs[SERVICE] = pairs.pop(named)
    return selector.metric, Labels.of(pairs)


def key_of(header: str) -> str:
    metric, labels = parse_header(header)
    return f"{metric}{labels}"


def _signal(metric: str, rule: _Rule | None, own: Mapping[str, str]) -> Signal:
    kind = Kind(own["kind"]) if "kind" in own else (rule.kind if rule else Kind.OTHER)
    worse = Worse(own["worse"]) if "worse" in own else (rule.worse if rule else Worse.BOTH)
    named = next((unit for unit, words in UNITS if words.search(metric)), None)
    unit = own.get("unit", named or (rule.unit if rule else ""))
    signal = Signal(metric, kind, _definition(metric, kind, rule), unit=unit, worse=worse)
    if kind is Kind.ERRORS:
        signal = replace(signal, tolerate=ERRORS, detect=PP, unit=unit or "ratio")
    return replace(signal, tolerate=parse_change(own["tolerate"])) if "tolerate" in own else signal


def _definition(metric: str, kind: Kind, rule: _Rule | None) -> Definition:
    """How such a quantity comes about, which is what its noise is judged by."""
    selector = Selector(metric)
    if kind is Kind.ERRORS:
        return Ratio(selector, selector)
    if kind is Kind.LATENCY:
        return HistogramQuantile(selector, 0.5 if "50" in metric else 0.95)
    total = rule is not None and rule.total
    if kind is Kind.TRAFFIC and total:
        return Rate(selector)
    return Gauge(selector, "sum" if total else "avg")


def _load(traffic: Sequence[Series], edges: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """A column without a service, else the request rate at the roots of the graph, else that of
    the service whose name says that it is the entry, else the first."""
    named = [one for one in traffic if not one.service]
    if named:
        return (named[0].key,)
    called = {callee for callees in edges.values() for callee in callees}
    roots = [one for one in traffic if one.service in edges and one.service not in called]
    if roots:
        return tuple(one.key for one in roots)
    for word in ENTRIES:
        found = [one for one in traffic if word in one.service.lower()]
        if found:
            return (found[0].key,)
    return tuple(one.key for one in traffic[:1])
