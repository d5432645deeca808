"""Metrics made from spans and by meshes, under the names and labels that their makers write."""

from __future__ import annotations

import pytest

from anomalyd.model import LOAD_SIGNAL, Kind, Labels, Signal, SpanMeasure, SpanMetric
from anomalyd.signals.identity import Canonical
from anomalyd.signals.presets import load_signal, over_metrics, resolve
from anomalyd.signals.presets_spans import edges_found
from anomalyd.signals.promql import compile
from anomalyd.signals.quantities import SPANS
from anomalyd.signals.table import SignalTable

SPAN = ("span_name", "span_kind", "status_code")
TEMPO = {
    "traces_spanmetrics_calls_total": frozenset({"service", *SPAN}),
    "traces_spanmetrics_latency_bucket": frozenset({"service", *SPAN, "le"}),
    "traces_service_graph_request_total": frozenset({"client", "server", "connection_type"}),
    "traces_service_graph_request_server_seconds_bucket": frozenset({"client", "server", "le"}),
}


def connector(calls: str, histogram: str) -> dict[str, frozenset[str]]:
    return {
        calls: frozenset({"service_name", *SPAN}),
        f"{histogram}_bucket": frozenset({"service_name", *SPAN, "le"}),
    }


ISTIO_LABELS = frozenset(
    {"reporter", "source_canonical_service", "destination_canonical_service", "response_code"}
)
ISTIO = {
    "istio_requests_total": ISTIO_LABELS,
    "istio_request_duration_milliseconds_bucket": ISTIO_LABELS | {"le"},
}
LINKERD_LABELS = frozenset({"direction", "deployment", "dst_deployment"})
LINKERD = {
    "response_total": LINKERD_LABELS | {"classification"},
    "response_latency_ms_bucket": LINKERD_LABELS | {"le"},
}


def queries(preset, metrics) -> dict[str, str]:
    labels = ("service", "service_name")
    found = resolve([preset], metrics)
    return {s.name: compile(s, window=30, service_labels=labels).value for s in found}


def test_tempo_by_operation():
    served = 'span_kind=~"SPAN_KIND_SERVER|SPAN_KIND_CONSUMER"'
    found = queries("operations", TEMPO)
    by = "service, service_name, span_name"
    calls = "traces_spanmetrics_calls_total"
    assert found["operation_rate"] == f"sum by ({by}) (rate({calls}{{{served}}}[30s]))"
    assert found["operation_latency_p95"] == (
        f"histogram_quantile(0.95, sum by (le, {by}) "
        f"(rate(traces_spanmetrics_latency_bucket{{{served}}}[30s])))"
    )
    bad = f'{calls}{{{served},status_code="STATUS_CODE_ERROR"}}'
    assert found["operation_error_ratio"].startswith(f"(sum by ({by}) (rate({bad}[30s])) or 0 * ")


@pytest.mark.parametrize(
    ("calls", "histogram", "unit"),
    [
        ("traces_span_metrics_calls_total", "traces_span_metrics_duration_milliseconds", "ms"),
        ("traces_span_metrics_calls_total", "traces_span_metrics_duration_seconds", "s"),
        ("calls_total", "duration_milliseconds", "ms"),
    ],
)
def test_the_collectors_connector_in_seconds_and_milliseconds(calls, histogram, unit):
    for preset in ("http", "operations"):
        signals = resolve([preset], connector(calls, histogram))
        assert [signal.unit for signal in signals] == ["req/s", unit, "ratio"]


def test_a_counter_that_is_merely_called_so_is_left_alone():
    assert resolve(["http", "operations"], {"calls_total": frozenset({"service"})}) == []
    assert resolve(["http", "edges"], {"response_total": frozenset({"direction"})}) == []


def test_edges_of_the_service_graph():
    found = queries("edges", TEMPO)
    name = "traces_service_graph_request"
    assert found == {
        "edge_rate": f"sum by (client, server) (rate({name}_total[30s]))",
        "edge_latency_p95": (
            "histogram_quantile(0.95, sum by (le, client, server) "
            f"(rate({name}_server_seconds_bucket[30s])))"
        ),
        "edge_error_ratio": (
            f"(sum by (client, server) (rate({name}_failed_total[30s]))"
            f" or 0 * sum by (client, server) (rate({name}_total[30s])))"
            f" / sum by (client, server) (rate({name}_total[30s]))"
        ),
    }


@pytest.mark.parametrize(
    ("preset", "metrics", "by", "narrowed"),
    [
        ("http", ISTIO, "destination_canonical_service", 'reporter="destination"'),
        (
            "edges",
            ISTIO,
            "source_canonical_service, destination_canonical_service",
            'reporter="source"',
        ),
        ("http", LINKERD, "deployment", 'direction="inbound"'),
        ("edges", LINKERD, "deployment, dst_deployment", 'direction="outbound"'),
    ],
    ids=["istio services", "istio edges", "linkerd services", "linkerd edges"],
)
def test_a_mesh_is_grouped_by_its_own_labels_and_counted_at_one_side(preset, metrics, by, narrowed):
    found = queries(preset, metrics)
    assert len(found) == 3
    for query in found.values():
        assert f"by ({by})" in query.replace("le, ", "")
        assert query.count(narrowed) == query.count("rate(")


def test_what_a_mesh_calls_its_services_is_rewritten_as_any_other_name():
    canonical = Canonical(["service", "app"], rewrite=[("(.*)-staging", "$1")])
    [rate, *_] = resolve(["edges"], ISTIO)
    [served, *_] = resolve(["http"], ISTIO)
    labels = Labels.of(
        {
            "app": "proxy",
            "source_canonical_service": "gateway-staging",
            "destination_canonical_service": "cart-staging",
        }
    )
    assert canonical.of(rate, labels) == Labels.of({"client": "gateway", "server": "cart"})
    assert canonical.of(served, labels) == Labels.of({"service": "cart"})
    assert canonical.of(served, Labels.of({"app": "proxy"})) == Labels()


def test_a_series_of_an_edge_is_its_servers():
    [rate, *_] = resolve(["edges"], TEMPO)
    table = SignalTable([rate], 10)
    table.row(0, Labels.of({"client": "gateway", "server": "cart"}))
    assert table.services == ["cart"]
    assert table.keys == ['edge_rate{client="gateway",server="cart"}']


def test_the_load_at_the_entry_is_asked_by_the_meshs_label():
    load = load_signal(resolve(["http"], ISTIO), "gateway", ["service"], ISTIO, None)
    assert load is not None
    assert compile(load, window=30).value == (
        'sum (rate(istio_requests_total{reporter="destination",'
        'destination_canonical_service="gateway"}[30s]))'
    )


@pytest.mark.parametrize(
    ("metrics", "found"),
    [
        (TEMPO, "traces_service_graph_request_total"),
        (ISTIO, "istio_requests_total"),
        (LINKERD, "response_total"),
        ({"istio_requests_total": frozenset({"reporter"})}, None),
        ({}, None),
    ],
)
def test_who_calls_whom_is_known_by_the_first_counter_that_tells(metrics, found):
    alternative = edges_found(metrics)
    assert (alternative.metric if alternative else None) == found


ARRIVING = {SPANS: frozenset[str]()}


def test_spans_that_arrive_need_no_metric() -> None:
    found = {
        s.name: s for preset in ("http", "operations", "edges") for s in resolve([preset], ARRIVING)
    }
    assert {name for name, signal in found.items() if signal.measure} == found.keys()
    assert found["edge_calls_per_request"].service(Labels.of({"client": "a", "server": "b"})) == "a"
    assert found["edge_rate"].service(Labels.of({"client": "a", "server": "b"})) == "b"
    assert [n for n, s in found.items() if s.is_rate] == [
        "request_rate",
        "operation_rate",
        "edge_rate",
    ]
    assert all(s.is_ratio == (s.kind is Kind.ERRORS) for s in found.values())


def test_the_load_of_spans_is_what_no_span_asked_for_or_what_the_entry_is_asked() -> None:
    signals = resolve(["edges", "http"], ARRIVING)
    measured = [
        load_signal(signals, entry, ("service_name",), ARRIVING, None).definition
        for entry in (None, "gateway")
    ]
    assert measured == [
        SpanMetric(SpanMeasure.ENTRIES),
        SpanMetric(SpanMeasure.CALLS, service="gateway"),
    ]


@pytest.mark.parametrize("preset", ["operations", "edges"])
def test_a_server_answers_signals_of_spans_by_the_metrics_made_from_them(preset) -> None:
    labels = ("service", "service_name")
    asked = resolve([preset], ARRIVING)
    answered = {s.name: over_metrics(s, TEMPO, labels) for s in asked}
    compiled = {
        name: compile(signal, window=30, service_labels=labels).value
        for name, signal in answered.items()
    }
    assert compiled.items() >= queries(preset, TEMPO).items()
    nothing = compiled.keys() - queries(preset, TEMPO).keys()
    assert {compiled[name] for name in nothing} == {"vector(1) < 0"}
    canonical = Canonical(labels)
    found = Labels.of({"service": "a", "span_name": "GET /", "client": "a", "server": "b"})
    for signal in (one for one in asked if one.name not in nothing):
        ours = canonical.of(signal, found)
        assert len(ours) == 2
        assert canonical.of(answered[signal.name], found) == ours


def test_a_server_answers_the_load_of_an_entry_by_its_request_rate() -> None:
    load = Signal(
        LOAD_SIGNAL, Kind.TRAFFIC, SpanMetric(SpanMeasure.CALLS, service="a"), (), "req/s"
    )
    answered = over_metrics(load, TEMPO, ("service", "service_name"))
    assert compile(answered, window=30).value == (
        'sum(rate(traces_spanmetrics_calls_total{span_kind="SPAN_KIND_SERVER",service="a"}[30s]))'
    ).replace("sum(", "sum (")
