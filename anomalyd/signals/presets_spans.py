"""Presets over metrics made from spans and by service meshes: services, operations, edges.

Names as their makers write them: Tempo's metrics-generator, the OpenTelemetry collector's
`spanmetrics` and `servicegraph` connectors (now and before), Istio, Linkerd with its viz extension.
A name that could be anybody's is taken only with the labels that its maker puts on it.
"""

from __future__ import annotations

from anomalyd.model import EDGE, Kind, Matcher, Ratio, Selector, SpanMeasure, Worse
from anomalyd.signals.quantities import (
    SPANS,
    Alternative,
    Metrics,
    Quantity,
    failed,
    p95,
    rate,
    spans,
)

SERVER = Matcher("span_kind", "=", "SPAN_KIND_SERVER")
SERVED = Matcher("span_kind", "=~", "SPAN_KIND_SERVER|SPAN_KIND_CONSUMER")
INBOUND = Matcher("direction", "=", "inbound")
OUTBOUND = Matcher("direction", "=", "outbound")
AT_SERVER = Matcher("reporter", "=", "destination")
AT_CLIENT = Matcher("reporter", "=", "source")

SPAN_METRICS = (
    ("traces_spanmetrics_calls_total", "traces_spanmetrics_latency", "s"),
    ("traces_span_metrics_calls_total", "traces_span_metrics_duration_seconds", "s"),
    ("traces_span_metrics_calls_total", "traces_span_metrics_duration_milliseconds", "ms"),
    ("calls_total", "duration_seconds", "s"),
    ("calls_total", "duration_milliseconds", "ms"),
)
"""(calls, histogram, its unit) of Tempo's generator and of the collector's connector, whose
names had no prefix at first."""

GRAPH_REQUESTS = "traces_service_graph_request_total"
GRAPH_FAILED = "traces_service_graph_request_failed_total"
GRAPH_HISTOGRAMS = (
    ("traces_service_graph_request_server_seconds", "s"),
    ("traces_service_graph_request_server_milliseconds", "ms"),
)
"""Of Tempo and of the collector, where it writes seconds or, as before, milliseconds."""

ISTIO_REQUESTS = "istio_requests_total"
ISTIO_HISTOGRAM = "istio_request_duration_milliseconds"
ISTIO_NAMES = (
    ("source_canonical_service", "destination_canonical_service"),
    ("source_workload", "destination_workload"),
    ("source_app", "destination_app"),
)
"""Labels of the two sides, the ones that Istio has had longest last."""

LINKERD_RESPONSES = "response_total"
LINKERD_HISTOGRAM = "response_latency_ms"
LINKERD_NAMES = (
    ("deployment", "dst_deployment"),
    ("statefulset", "dst_statefulset"),
    ("daemonset", "dst_daemonset"),
)

MESH_RATE = (
    *(rate(ISTIO_REQUESTS, "req/s", AT_SERVER).named(service=server) for _, server in ISTIO_NAMES),
    *(
        rate(LINKERD_RESPONSES, "req/s", INBOUND).named(service=workload)
        for workload, _ in LINKERD_NAMES
    ),
)
MESH_P95 = (
    *(p95(ISTIO_HISTOGRAM, "ms", AT_SERVER).named(service=server) for _, server in ISTIO_NAMES),
    *(
        p95(LINKERD_HISTOGRAM, "ms", INBOUND).named(service=workload)
        for workload, _ in LINKERD_NAMES
    ),
)
MESH_FAILED = (
    *(
        failed(ISTIO_REQUESTS, "response_code", "5..", AT_SERVER).named(service=server)
        for _, server in ISTIO_NAMES
    ),
    *(
        failed(LINKERD_RESPONSES, "classification", "failure", INBOUND).named(service=workload)
        for workload, _ in LINKERD_NAMES
    ),
)
"""What a mesh sees of each service where requests arrive; gRPC's own status is not among it."""


def _graph(alternative: Alternative) -> Alternative:
    return alternative.named(client="client", server="server")


_GRAPH_RATIO = Alternative(
    GRAPH_REQUESTS, Ratio(Selector(GRAPH_FAILED), Selector(GRAPH_REQUESTS)), "ratio"
)
"""The counter of failures is there only once something has failed."""

_BY_OPERATION = ("service", "operation")
_OPERATION = rate(SPAN_METRICS[0][0], "req/s").named(operation="span_name")
_CALL = _graph(rate(GRAPH_REQUESTS, "req/s"))

OPERATIONS = (
    Quantity(
        "operation_rate",
        Kind.TRAFFIC,
        (
            spans(SpanMeasure.CALLS, "req/s", _OPERATION),
            *(
                rate(calls, "req/s", SERVED).named(operation="span_name")
                for calls, _, _ in SPAN_METRICS
            ),
        ),
        worse=Worse.BOTH,
        by=_BY_OPERATION,
    ),
    Quantity(
        "operation_latency_p95",
        Kind.LATENCY,
        (
            spans(SpanMeasure.DURATION, "s", _OPERATION),
            *(
                p95(name, unit, SERVED).named(operation="span_name")
                for _, name, unit in SPAN_METRICS
            ),
        ),
        by=_BY_OPERATION,
    ),
    Quantity(
        "operation_error_ratio",
        Kind.ERRORS,
        (
            spans(SpanMeasure.FAILED, "ratio", _OPERATION),
            *(
                failed(calls, "status_code", "STATUS_CODE_ERROR", SERVED).named(
                    operation="span_name"
                )
                for calls, _, _ in SPAN_METRICS
            ),
        ),
        by=_BY_OPERATION,
    ),
    Quantity(
        "operation_own_time_p95",
        Kind.LATENCY,
        (spans(SpanMeasure.OWN_TIME, "s", _OPERATION),),
        by=_BY_OPERATION,
    ),
)

EDGES = (
    Quantity(
        "edge_rate",
        Kind.TRAFFIC,
        (
            spans(SpanMeasure.CALLS, "req/s", _CALL),
            _graph(rate(GRAPH_REQUESTS, "req/s")),
            *(
                rate(ISTIO_REQUESTS, "req/s", AT_CLIENT).named(client=client, server=server)
                for client, server in ISTIO_NAMES
            ),
            *(
                rate(LINKERD_RESPONSES, "req/s", OUTBOUND).named(client=client, server=server)
                for client, server in LINKERD_NAMES
            ),
        ),
        worse=Worse.BOTH,
        by=EDGE,
    ),
    Quantity(
        "edge_latency_p95",
        Kind.LATENCY,
        (
            spans(SpanMeasure.DURATION, "s", _CALL),
            *(_graph(p95(name, unit)) for name, unit in GRAPH_HISTOGRAMS),
            *(
                p95(ISTIO_HISTOGRAM, "ms", AT_CLIENT).named(client=client, server=server)
                for client, server in ISTIO_NAMES
            ),
            *(
                p95(LINKERD_HISTOGRAM, "ms", OUTBOUND).named(client=client, server=server)
                for client, server in LINKERD_NAMES
            ),
        ),
        by=EDGE,
    ),
    Quantity(
        "edge_error_ratio",
        Kind.ERRORS,
        (
            spans(SpanMeasure.FAILED, "ratio", _CALL),
            _graph(_GRAPH_RATIO),
            *(
                failed(ISTIO_REQUESTS, "response_code", "5..", AT_CLIENT).named(
                    client=client, server=server
                )
                for client, server in ISTIO_NAMES
            ),
            *(
                failed(LINKERD_RESPONSES, "classification", "failure", OUTBOUND).named(
                    client=client, server=server
                )
                for client, server in LINKERD_NAMES
            ),
        ),
        by=EDGE,
    ),
    Quantity(
        "edge_calls_per_request",
        Kind.OTHER,
        (spans(SpanMeasure.PER_REQUEST, "", _CALL),),
        by=EDGE,
    ),
)

_EDGE_COUNTERS = tuple(one for one in EDGES[0].alternatives if one.metric != SPANS)

EDGE_METRICS = frozenset(one.metric for one in _EDGE_COUNTERS)
"""Counters that tell who calls whom."""


def edges_found(metrics: Metrics) -> Alternative | None:
    """The first way to calls per edge that an environment with `metrics` has."""
    return next((one for one in _EDGE_COUNTERS if one.found_in(metrics)), None)
