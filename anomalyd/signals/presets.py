"""Ready-made signals: for each quantity the metrics that may carry it, first found wins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from anomalyd.model import (
    LOAD_SIGNAL,
    Kind,
    Matcher,
    PromQL,
    Rate,
    Selector,
    Signal,
    SpanMeasure,
    SpanMetric,
    Worse,
)
from anomalyd.signals.presets_generators import K6, LOCUST
from anomalyd.signals.presets_spans import (
    EDGES,
    MESH_FAILED,
    MESH_P95,
    MESH_RATE,
    OPERATIONS,
    SERVER,
    SPAN_METRICS,
)
from anomalyd.signals.quantities import (
    SPANS,
    Metrics,
    Quantity,
    failed,
    gauge,
    p95,
    rate,
    spans,
)


@dataclass(frozen=True, slots=True)
class Found:
    """A quantity of a preset and what it became; `tried` are the metrics looked for, in order."""

    preset: str
    quantity: Quantity
    signal: Signal | None
    metric: str | None
    tried: tuple[str, ...]


HTTP_HISTOGRAMS = (
    ("http_server_request_duration_seconds", "s", ("http_response_status_code",)),
    ("http_server_duration_milliseconds", "ms", ("http_status_code",)),
    ("http_server_requests_seconds", "s", ("status",)),
    ("http_request_duration_seconds", "s", ("status_code", "code", "status")),
    ("http_request_duration_highr_seconds", "s", ()),
)
"""(histogram, unit, status labels): OpenTelemetry now and before, Micrometer, the usual names."""

HTTP_COUNTERS = (
    ("http_requests_total", ("code", "status", "status_code")),
    ("http_server_requests_total", ("code", "status", "status_code")),
    ("starlette_requests_total", ("status_code",)),
    ("flask_http_request_total", ("status",)),
    ("django_http_responses_total_by_status_total", ("status",)),
)

PRESETS: dict[str, tuple[Quantity, ...]] = {
    "http": (
        Quantity(
            "request_rate",
            Kind.TRAFFIC,
            (
                *(rate(f"{name}_count", "req/s") for name, _, _ in HTTP_HISTOGRAMS),
                *(rate(name, "req/s") for name, _ in HTTP_COUNTERS),
                *(rate(calls, "req/s", SERVER) for calls, _, _ in SPAN_METRICS),
                *MESH_RATE,
                spans(SpanMeasure.CALLS, "req/s"),
            ),
            worse=Worse.BOTH,
        ),
        Quantity(
            "latency_p95",
            Kind.LATENCY,
            (
                *(p95(name, unit) for name, unit, _ in HTTP_HISTOGRAMS),
                *(p95(name, unit, SERVER) for _, name, unit in SPAN_METRICS),
                *MESH_P95,
                spans(SpanMeasure.DURATION, "s"),
            ),
        ),
        Quantity(
            "error_ratio",
            Kind.ERRORS,
            (
                *(
                    failed(f"{name}_count", status, "5..")
                    for name, _, labels in HTTP_HISTOGRAMS
                    for status in labels
                ),
                *(failed(name, label, "5..") for name, labels in HTTP_COUNTERS for label in labels),
                *(
                    failed(calls, "status_code", "STATUS_CODE_ERROR", SERVER)
                    for calls, _, _ in SPAN_METRICS
                ),
                *MESH_FAILED,
                spans(SpanMeasure.FAILED, "ratio"),
            ),
        ),
    ),
    "operations": OPERATIONS,
    "edges": EDGES,
    "process": (
        Quantity(
            "cpu",
            Kind.SATURATION,
            (
                rate("process_cpu_seconds_total", "cores"),
                rate("process_cpu_time_seconds_total", "cores"),
            ),
        ),
        Quantity(
            "memory",
            Kind.RESOURCE,
            (
                gauge("process_resident_memory_bytes", "max", "By"),
                gauge("process_memory_usage_bytes", "max", "By"),
            ),
        ),
    ),
    "k6": K6,
    "locust": LOCUST,
}


def metric_names(presets: Sequence[str]) -> frozenset[str]:
    """Every metric that `presets` look for."""
    quantities = (quantity for preset in presets for quantity in PRESETS[preset])
    return frozenset(one.metric for quantity in quantities for one in quantity.alternatives)


def describe(presets: Sequence[str], metrics: Metrics) -> list[Found]:
    """Every quantity of `presets` with what it becomes in an environment that has `metrics`."""
    return [_find(preset, quantity, metrics) for preset in presets for quantity in PRESETS[preset]]


def resolve(presets: Sequence[str], metrics: Metrics) -> list[Signal]:
    """The signals of `presets` that `metrics` can carry, in the presets' order."""
    return [found.signal for found in describe(presets, metrics) if found.signal]


def over_metrics(signal: Signal, metrics: Metrics, service_labels: Sequence[str]) -> Signal:
    """A preset's signal of spans that arrive, as a server of metrics answers it.

    By the first alternative that `metrics` have, else the first there is, of those that name their
    labels as the signal does; an expression without a value where no metric is the like of it.
    Other signals are as they were.
    """
    metric = signal.definition
    if not isinstance(metric, SpanMetric):
        return signal
    name = "request_rate" if signal.name == LOAD_SIGNAL else signal.name
    ways = [
        one
        for quantities in PRESETS.values()
        for quantity in quantities
        for one in quantity.alternatives
        if quantity.name == name
        and one.metric != SPANS
        and (one.unit, one.rename) == (signal.unit, signal.rename)
    ]
    way = next((one for one in ways if one.found_in(metrics)), ways[0] if ways else None)
    if way is None:
        return replace(signal, definition=PromQL("vector(1) < 0"))
    answered = replace(signal, definition=way.definition)
    if not metric.service:
        return answered
    rate = _rate_of(answered, metric.service, service_labels, metrics)
    return replace(answered, definition=rate or PromQL("vector(1) < 0"))


def load_signal(
    signals: Sequence[Signal],
    entry: str | None,
    service_labels: Sequence[str],
    metrics: Metrics,
    configured: Rate | PromQL | None,
) -> Signal | None:
    """Offered load at the entry: as configured, else the request rate of `entry`, or of all.

    None where neither is to be had. `entry` is compared with the first of `service_labels` that
    the metric carries, before any rewrite. Of spans that arrive, without an `entry`, it is the
    requests that no other span asked for.
    """
    definition = configured or _request_rate(signals, entry, service_labels, metrics)
    if definition is None:
        return None
    return Signal(LOAD_SIGNAL, Kind.TRAFFIC, definition, by=(), unit="req/s", worse=Worse.BOTH)


def by_all_requests(load: Signal) -> Signal:
    """The load that metrics can tell, too: they do not say which requests no other asked for."""
    if load.measure is not SpanMeasure.ENTRIES:
        return load
    return replace(load, definition=SpanMetric(SpanMeasure.CALLS))


def _request_rate(
    signals: Sequence[Signal], entry: str | None, service_labels: Sequence[str], metrics: Metrics
) -> Rate | SpanMetric | None:
    """Calls within the system are not what is offered to it: rates of edges are left aside."""
    offered = (s for s in signals if s.kind is Kind.TRAFFIC and not s.is_edge)
    signal = next((s for s in offered if s.is_rate), None)
    if signal is not None and signal.measure is not None:
        measure = SpanMeasure.CALLS if entry else SpanMeasure.ENTRIES
        return SpanMetric(measure, service=entry or "")
    rate = signal.definition if signal is not None else None
    if signal is None or not isinstance(rate, Rate) or not entry:
        return rate if isinstance(rate, Rate) else None
    return _rate_of(signal, entry, service_labels, metrics)


def _rate_of(
    signal: Signal, service: str, service_labels: Sequence[str], metrics: Metrics
) -> Rate | None:
    """A rate, of one service; None where no label tells services apart."""
    rate = signal.definition
    if not isinstance(rate, Rate):
        return None
    carried = metrics.get(rate.rate.metric, frozenset())
    own = [label for label, to in signal.rename if to == "service"]
    label = next((name for name in own or service_labels if name in carried), None)
    if label is None:
        return None
    return Rate(Selector(rate.rate.metric, (*rate.rate.matchers, Matcher(label, "=", service))))


def _find(preset: str, quantity: Quantity, metrics: Metrics) -> Found:
    chosen = next((one for one in quantity.alternatives if one.found_in(metrics)), None)
    return Found(
        preset=preset,
        quantity=quantity,
        signal=quantity.signal(chosen) if chosen else None,
        metric=chosen.metric if chosen else None,
        tried=tuple(dict.fromkeys(one.metric for one in quantity.alternatives)),
    )
