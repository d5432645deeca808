from __future__ import annotations

import itertools

import pytest

from anomalyd.config import SignalConfig
from anomalyd.model import (
    LOAD_SIGNAL,
    HistogramQuantile,
    Kind,
    Matcher,
    PromQL,
    Ratio,
    Worse,
)
from anomalyd.signals.presets import PRESETS, describe, load_signal, resolve
from anomalyd.signals.promql import compile

OTEL = {
    f"http_server_request_duration_seconds_{part}": frozenset(
        {"service_name", "http_route", "http_response_status_code", *extra}
    )
    for part, extra in (("bucket", {"le"}), ("count", set()), ("sum", set()))
}
CLIENT = {
    "http_requests_total": frozenset({"code", "handler", "job"}),
    "http_request_duration_seconds_bucket": frozenset({"handler", "job", "le"}),
    "http_request_duration_seconds_count": frozenset({"handler", "job"}),
}
SPANS = {
    "traces_spanmetrics_calls_total": frozenset({"service", "span_kind", "status_code"}),
    "traces_spanmetrics_latency_bucket": frozenset({"service", "span_kind", "le"}),
}
PROCESS = {
    name: frozenset({"job", "instance"})
    for name in ("process_cpu_seconds_total", "process_resident_memory_bytes")
}


def queries(presets, metrics) -> dict[str, str]:
    return {s.name: compile(s, window=30).value for s in resolve(presets, metrics)}


def test_opentelemetry_servers():
    found = queries(["http"], OTEL | CLIENT)
    base = "http_server_request_duration_seconds"
    assert found == {
        "request_rate": f"sum by (service) (rate({base}_count[30s]))",
        "latency_p95": f"histogram_quantile(0.95, sum by (le, service) (rate({base}_bucket[30s])))",
        "error_ratio": (
            f'(sum by (service) (rate({base}_count{{http_response_status_code=~"5.."}}[30s]))'
            f" or 0 * sum by (service) (rate({base}_count[30s])))"
            f" / sum by (service) (rate({base}_count[30s]))"
        ),
    }


def test_client_libraries_whose_histogram_has_no_status():
    found = queries(["http"], CLIENT)
    assert "http_request_duration_seconds_count" in found["request_rate"]
    assert 'http_requests_total{code=~"5.."}' in found["error_ratio"]


@pytest.mark.parametrize("label", ["code", "status", "status_code"])
def test_a_status_label_by_any_usual_name(label):
    [rate, errors] = resolve(["http"], {"http_requests_total": frozenset({label})})
    assert rate.name == "request_rate"
    assert isinstance(errors.definition, Ratio)
    assert errors.definition.bad.matchers == (Matcher(label, "=~", "5.."),)


def test_span_metrics_count_server_spans_only():
    signals = resolve(["http"], SPANS)
    assert [s.name for s in signals] == ["request_rate", "latency_p95", "error_ratio"]
    for signal in signals:
        assert 'span_kind="SPAN_KIND_SERVER"' in compile(signal, window=30).value


def test_processes():
    assert queries(["process"], PROCESS) == {
        "cpu": "sum by (service) (rate(process_cpu_seconds_total[30s]))",
        "memory": "max by (service) (avg_over_time(process_resident_memory_bytes[30s]))",
    }


@pytest.mark.parametrize(
    ("metrics", "names"),
    [
        ({"k6_http_req_duration_p99": frozenset({"scenario"})}, ["k6_latency_p99"]),
        ({"k6_http_req_duration_p95": frozenset({"scenario"})}, ["k6_latency_p95"]),
        (
            {
                "k6_http_reqs_total": frozenset({"expected_response"}),
                "k6_http_req_failed_rate": frozenset({"status"}),
            },
            ["k6_error_ratio"],
        ),
        ({"k6_http_req_failed_rate": frozenset({"scenario"})}, ["k6_error_ratio"]),
        ({"k6_http_req_failed_rate": frozenset({"scenario", "status"})}, []),
        ({"k6_dropped_iterations_total": frozenset()}, ["k6_dropped_iterations"]),
        ({"k6_vus": frozenset()}, []),
    ],
)
def test_k6(metrics, names):
    assert [s.name for s in resolve(["k6"], metrics)] == names


def test_locust_fails_by_a_label_that_need_not_have_been_seen():
    name = "locust_client_duration_seconds"
    assert queries(["locust"], {f"{name}_bucket": {"le"}, f"{name}_count": set()}) == {
        "locust_latency_p95": "histogram_quantile(0.95, sum by (le, name) "
        f"(rate({name}_bucket[30s])))",
        "locust_error_ratio": f'(sum by (name) (rate({name}_count{{error_type!=""}}[30s])) or '
        f"0 * sum by (name) (rate({name}_count[30s]))) / sum by (name) (rate({name}_count[30s]))",
    }


def test_nothing_is_found_where_nothing_is_and_description_says_what_was_tried():
    assert resolve(list(PRESETS), {}) == []
    for found in describe(["http"], {}):
        assert found.signal is found.metric is None
        assert len(found.tried) == len(set(found.tried)) > 3


def test_description_names_preset_quantity_and_metric():
    found = describe(["process"], PROCESS)
    assert next((f.preset, f.quantity.name, f.metric) for f in found) == (
        "process",
        "cpu",
        "process_cpu_seconds_total",
    )


@pytest.mark.parametrize("quantity", list(itertools.chain(*PRESETS.values())), ids=lambda q: q.name)
def test_every_alternative_makes_a_signal_with_the_defaults_of_its_kind(quantity):
    for alternative in quantity.alternatives:
        signal = quantity.signal(alternative)
        config = SignalConfig.model_validate(
            {"name": signal.name, "kind": signal.kind, "rate": "x"}
        )
        told = config.signal()
        assert (signal.tolerate, signal.detect, signal.worse) == (
            told.tolerate,
            told.detect,
            told.worse,
        )
        assert alternative.found_in({alternative.metric: alternative.labels})
        if isinstance(alternative.definition, HistogramQuantile):
            assert alternative.metric.endswith("_bucket")


@pytest.mark.parametrize(
    ("entry", "order", "metrics", "query"),
    [
        (None, ["service"], CLIENT, "sum (rate(http_request_duration_seconds_count[30s]))"),
        (
            "gate",
            ["service", "job"],
            CLIENT,
            'sum (rate(http_request_duration_seconds_count{job="gate"}[30s]))',
        ),
        (
            "gate",
            ["service"],
            SPANS,
            "sum (rate(traces_spanmetrics_calls_total"
            '{span_kind="SPAN_KIND_SERVER",service="gate"}[30s]))',
        ),
    ],
)
def test_load_is_the_request_rate_at_the_entry(entry, order, metrics, query):
    load = load_signal(resolve(["http"], metrics), entry, order, metrics, None)
    assert load is not None
    assert (load.name, load.by, load.kind, load.worse) == (
        LOAD_SIGNAL,
        (),
        Kind.TRAFFIC,
        Worse.BOTH,
    )
    assert compile(load, window=30).value == query


def test_configured_load_wins_and_without_requests_there_is_none():
    mine = PromQL("sum(rate(orders_total{$matchers}[1m]))")
    load = load_signal(resolve(["http"], CLIENT), "gate", ["job"], CLIENT, mine)
    assert load is not None
    assert load.definition is mine
    assert load_signal(resolve(["process"], PROCESS), None, ["job"], PROCESS, None) is None
    assert load_signal(resolve(["http"], CLIENT), "gate", ["service"], CLIENT, None) is None


def test_the_load_is_never_what_services_ask_of_one_another():
    graph = {"traces_service_graph_request_total": frozenset({"client", "server"})}
    assert load_signal(resolve(["edges"], graph), None, ["service"], graph, None) is None
    both = graph | CLIENT
    load = load_signal(resolve(["edges", "http"], both), None, ["job"], both, None)
    assert load is not None
    assert "http_request_duration_seconds_count" in compile(load, window=30).value
