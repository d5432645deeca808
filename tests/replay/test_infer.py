"""What a column measures, by its name, and which of them is the load."""

from __future__ import annotations

import pytest

from anomalyd.model import LOAD_SIGNAL, Gauge, HistogramQuantile, Kind, Rate, Ratio, Worse
from anomalyd.replay.infer import columns, parse_header
from anomalyd.replay.recording import RecordingError


def found(name, overrides=None):
    """(signal, series) of a metric beside a load."""
    read = columns(["load", f'{name}{{service="cart"}}'], {}, overrides)
    (signal,) = (one for one in read.signals if one.name == name)
    (series,) = (one for one in read.series if one.signal == name)
    return signal, series


@pytest.mark.parametrize(
    ("name", "kind", "unit", "worse", "total"),
    [
        ("request_rate", "traffic", "req/s", "both", True),
        ("http_requests_per_second", "traffic", "req/s", "both", True),
        ("rps", "traffic", "req/s", "both", True),
        ("throughput", "traffic", "req/s", "both", True),
        ("latency_p95_seconds", "latency", "s", "up", False),
        ("latency_p50", "latency", "s", "up", False),
        ("http_request_duration_seconds", "latency", "s", "up", False),
        ("response_time_p99_ms", "latency", "ms", "up", False),
        ("own_time_p95", "latency", "s", "up", False),
        ("error_ratio", "errors", "ratio", "up", False),
        ("http_error_rate", "errors", "ratio", "up", False),
        ("failures", "errors", "ratio", "up", False),
        ("cpu_utilization", "saturation", "", "up", False),
        ("cpu", "saturation", "", "up", False),
        ("thread_pool_usage", "saturation", "", "up", False),
        ("consumer_lag", "saturation", "", "up", False),
        ("inflight_requests", "saturation", "", "up", True),
        ("queue_length", "saturation", "", "up", True),
        ("memory_bytes", "resource", "By", "up", False),
        ("jvm_heap_used_bytes", "resource", "By", "up", False),
        ("open_fds", "resource", "", "up", False),
        ("calls_per_request", "other", "", "up", False),
        ("retry_ratio", "other", "", "up", False),
        ("retries_per_request", "other", "", "up", False),
        ("temperature", "other", "", "both", False),
        ("scpus", "other", "", "both", False),  # a word within a word is none
    ],
)
def test_the_words_of_a_name_tell_what_it_is(name, kind, unit, worse, total):
    signal, series = found(name)
    said = (signal.kind, signal.unit, signal.worse, series.total)
    assert said == (Kind(kind), unit, Worse(worse), total)


@pytest.mark.parametrize(
    ("name", "definition"),
    [
        ("request_rate", Rate), ("error_ratio", Ratio), ("latency_p95_seconds", HistogramQuantile),
        ("cpu_utilization", Gauge), ("temperature", Gauge),
    ],
)  # fmt: skip
def test_how_it_comes_about_follows_from_what_it_is(name, definition):
    assert isinstance(found(name)[0].definition, definition)


def test_errors_are_judged_in_points():
    signal, _ = found("error_ratio")
    assert signal.tolerate.absolute == 0.005
    assert signal.detect.absolute == 0.05


def test_what_a_name_suggests_can_be_corrected():
    own = {"kind": "latency", "worse": "up", "unit": "ms", "tolerate": "20%"}
    signal, _ = found("temperature", {"temperature": own})
    assert (signal.kind, signal.worse, signal.unit) == (Kind.LATENCY, Worse.UP, "ms")
    assert signal.tolerate.relative == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("header", "metric", "labels"),
    [
        ("load", "load", {}),
        ('x{service="cart"}', "x", {"service": "cart"}),
        ('x{service_name="cart",zone="a"}', "x", {"service": "cart", "zone": "a"}),
        ('x{app="cart"}', "x", {"service": "cart"}),
        ('x{job="cart"}', "x", {"service": "cart"}),
        ('x{service="cart",job="k8s"}', "x", {"service": "cart", "job": "k8s"}),
    ],
)
def test_a_header_is_a_series_under_canonical_labels(header, metric, labels):
    name, found = parse_header(header)
    assert (name, dict(found)) == (metric, labels)


@pytest.mark.parametrize("header", ["", "p95 of cart", 'x{service="cart"', "x{service=cart}"])
def test_a_header_that_is_no_series_says_how_to_write_one(header):
    with pytest.raises(RecordingError, match="is not a series: write it as name") as caught:
        columns([header], {})
    assert "\n" not in str(caught.value)


RATES = ['request_rate{service="cart"}', 'request_rate{service="web"}', 'rps{service="db"}']


@pytest.mark.parametrize(
    ("headers", "edges", "load"),
    [
        (["offered_load", *RATES], {}, ["offered_load"]),  # of no service
        (RATES, {"db": ["web"], "web": ["cart"]}, ['rps{service="db"}']),  # where calls come in
        (RATES, {"web": ["cart"], "db": ["cart"]}, [RATES[1], RATES[2]]),  # at either
        (RATES, {}, ['request_rate{service="web"}']),  # by its name
        ([RATES[0], RATES[2]], {}, ['request_rate{service="cart"}']),  # the first
        (['latency{service="cart"}'], {}, []),
    ],
)
def test_the_load_is_what_comes_in(headers, edges, load):
    read = columns(headers, edges)
    assert list(read.load) == load
    assert not {one.key for one in read.series} & set(load)
    assert read.signals[0].name == LOAD_SIGNAL


def test_what_is_named_load_is_judged_in_no_case():
    read = columns(["offered_load", 'load{service="cart"}', *RATES], {})
    assert read.load == ("offered_load",)
    assert [one.signal for one in read.series] == ["request_rate", "request_rate", "rps"]
    assert [one.name for one in read.signals].count(LOAD_SIGNAL) == 1


def test_a_baseline_s_load_is_kept():
    assert columns(RATES, {}, load=[RATES[2]]).load == (RATES[2],)


def test_requests_are_looked_up_by_service():
    read = columns(["load", *RATES], {})
    assert dict(read.requests) == {"cart": RATES[0], "web": RATES[1], "db": RATES[2]}


def test_a_signal_that_is_told_apart_must_be_there():
    with pytest.raises(RecordingError, match="no column is named nope; the recordings have load, "):
        columns(["load", 'errors{service="cart"}'], {}, {"nope": {"kind": "latency"}})
