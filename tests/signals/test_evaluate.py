from __future__ import annotations

import math
import struct

import numpy as np
import pytest

from anomalyd.model import (
    Gauge,
    HistogramQuantile,
    Kind,
    Labels,
    Matcher,
    PromQL,
    Rate,
    Ratio,
    Samples,
    Selector,
    Signal,
)
from anomalyd.signals.evaluate import Evaluator
from anomalyd.signals.identity import Canonical
from anomalyd.signals.selector import parse_selector
from anomalyd.signals.table import SeriesTable, SignalTable

START = 1_700_000_000.0
REQUESTS = Selector("requests_total")
TRAFFIC = Signal("traffic", Kind.TRAFFIC, Rate(REQUESTS))
ERRORS = Signal(
    "errors", Kind.ERRORS, Ratio(parse_selector('requests_total{code=~"5.."}'), REQUESTS)
)
P50 = Signal("p50", Kind.LATENCY, HistogramQuantile(Selector("latency"), 0.5))
MEMORY = Signal("memory", Kind.RESOURCE, Gauge(Selector("memory"), "max"))
MINE = Signal("mine", Kind.OTHER, PromQL("up{$matchers}"))

[STALE] = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))


class Bench:
    """An evaluator over 30 s windows, fed by name and labels."""

    def __init__(
        self, *signals: Signal, limit: int = 100, matchers: tuple[Matcher, ...] = ()
    ) -> None:
        self.table = SignalTable(signals, limit)
        self.series = SeriesTable(1000)
        canonical = Canonical(["service", "job"])
        self.evaluator = Evaluator(self.table, self.series, canonical, 30.0, matchers=matchers)

    def feed(self, name: str, values: list[float], **labels: str) -> None:
        """One sample every 10 s from START + 1."""
        whole = Labels.of({**labels, "__name__": name})
        row = self.series.row(str(whole).encode(), lambda _: whole)
        self.evaluator.take(
            Samples(
                np.full(len(values), row),
                START + 1 + 10.0 * np.arange(len(values)),
                np.array(values),
            )
        )

    def at(self, seconds: float) -> dict[str, float]:
        batch = self.evaluator.evaluate(START + seconds)
        return {
            self.table.keys[r]: v for r, v in zip(batch.rows, batch.values.tolist(), strict=True)
        }

    def counts(self, seconds: float) -> dict[str, float]:
        batch = self.evaluator.evaluate(START + seconds)
        return {
            self.table.keys[r]: c for r, c in zip(batch.rows, batch.counts.tolist(), strict=True)
        }


def test_counters_of_one_service_add_up_under_its_one_name():
    bench = Bench(TRAFFIC)
    bench.feed("requests_total", [1000, 1100, 1200, 1300], service="cart", instance="a")
    bench.feed("requests_total", [1000, 1010, 1020, 1030], job="cart", instance="b")
    bench.feed("requests_total", [1000, 1001, 1002, 1003], job="search")
    bench.feed("unheard_of", [1, 2, 3, 4], job="cart")
    assert bench.at(32) == {
        'traffic{service="cart"}': pytest.approx(11.0),
        'traffic{service="search"}': pytest.approx(0.1),
    }


def test_a_series_no_signal_needs_is_named_and_not_stored():
    bench = Bench(TRAFFIC)
    bench.feed("unheard_of", [1, 2, 3, 4], job="cart")
    assert len(bench.series) == 1
    assert bench.evaluator._counters.ring.rows == bench.evaluator._gauges.ring.rows == 0


def test_no_bad_series_is_a_ratio_of_0_and_no_traffic_is_no_data():
    bench = Bench(ERRORS)
    bench.feed("requests_total", [1000, 1100, 1200, 1300], job="clean", code="200")
    bench.feed("requests_total", [1000, 1090, 1180, 1270], job="poor", code="200")
    bench.feed("requests_total", [1000, 1010, 1020, 1030], job="poor", code="503")
    bench.feed("requests_total", [1000, 1000, 1000, 1000], job="idle", code="200")
    bench.feed("requests_total", [1000, 1000, 1000, 1000], job="idle", code="500")
    assert bench.at(32) == {
        'errors{service="clean"}': 0.0,
        'errors{service="poor"}': pytest.approx(0.1),
    }
    assert bench.counts(32) == {
        'errors{service="clean"}': pytest.approx(300),
        'errors{service="poor"}': pytest.approx(300),
    }


def test_buckets_are_the_same_however_their_bound_is_written():
    bench = Bench(P50)
    for instance, one in (("a", "1"), ("b", "1.0")):
        for le, pace in ((one, 10), ("2", 20), ("+Inf", 20), ("broken", 99), ("NaN", 99)):
            values = [1e6 + pace * i for i in range(4)]
            bench.feed("latency_bucket", values, job="cart", instance=instance, le=le)
        bench.feed("latency_count", [1e6 + 20 * i for i in range(4)], job="cart", instance=instance)
    assert bench.at(32) == {'p50{service="cart"}': pytest.approx(1.0)}
    assert bench.counts(32) == {'p50{service="cart"}': pytest.approx(120)}


@pytest.mark.parametrize(
    ("agg", "expected"), [("sum", 12.0), ("avg", 6.0), ("max", 10.0), ("min", 2.0)]
)
def test_gauges_are_averaged_over_time_and_then_aggregated(agg, expected):
    bench = Bench(Signal("m", Kind.RESOURCE, Gauge(Selector("memory"), agg)))
    bench.feed("memory", [99, 1, 2, 3], job="cart", instance="a")
    bench.feed("memory", [99, 10, 10, 10], job="cart", instance="b")
    assert bench.at(32) == {'m{service="cart"}': pytest.approx(expected)}
    assert math.isnan(bench.counts(32)['m{service="cart"}'])


def test_max_passes_over_nan_and_a_value_that_is_not_finite_is_left_out():
    bench = Bench(MEMORY)
    bench.feed("memory", [math.nan] * 4, job="cart", instance="a")
    bench.feed("memory", [5.0] * 4, job="cart", instance="b")
    bench.feed("memory", [math.nan] * 4, job="search")
    bench.feed("memory", [math.inf] * 4, job="checkout")
    assert bench.at(32) == {'memory{service="cart"}': 5.0}


def test_a_stale_marker_is_no_sample():
    bench = Bench(MEMORY)
    bench.feed("memory", [5, 5, STALE, STALE, STALE], job="cart")
    assert bench.at(39) == {'memory{service="cart"}': 5.0}
    assert bench.at(41.5) == {}


def test_one_metric_may_feed_counters_and_gauges_at_once():
    bench = Bench(TRAFFIC, Signal("level", Kind.OTHER, Gauge(REQUESTS, "sum")))
    bench.feed("requests_total", [1000, 1010, 1020, 1030], job="cart")
    assert bench.at(32) == {
        'traffic{service="cart"}': pytest.approx(1.0),
        'level{service="cart"}': pytest.approx(1020.0),
    }


@pytest.mark.parametrize(
    ("matcher", "kept"),
    [
        (Matcher("env", "=", "a"), "a"),
        (Matcher("env", "!=", "a"), "b "),
        (Matcher("env", "=~", "a|x"), "a"),
        (Matcher("env", "!~", "a|b"), " "),
        (Matcher("env", "=", ""), " "),
        (Matcher("env", "=~", "b?"), "b "),
        (Matcher("env", "=", "a.*"), ""),
    ],
)
def test_matchers_match_whole_values_and_a_missing_label_is_empty(matcher, kept):
    bench = Bench(TRAFFIC, matchers=(matcher,))
    for env in "ab ":
        bench.feed("requests_total", [0, 1, 2, 3], job=f"in {env}", env=env.strip())
    assert set(bench.at(32)) == {f'traffic{{service="in {env}"}}' for env in kept}


def test_an_expression_cannot_be_evaluated_and_is_not_answered():
    bench = Bench(TRAFFIC, MINE)
    assert bench.evaluator.unsupported == ("mine",)
    assert bench.evaluator.evaluate(START).answered == {"traffic"}


def test_signal_series_over_the_limit_are_left_out_and_the_rest_evaluated():
    bench = Bench(TRAFFIC, limit=1)
    for job in ("cart", "search"):
        bench.feed("requests_total", [1000, 1010, 1020, 1030], job=job)
    assert bench.at(32) == {'traffic{service="cart"}': pytest.approx(1.0)}
    assert bench.table.refused == 1


def test_series_that_appear_later_join_and_those_that_end_leave():
    bench = Bench(TRAFFIC)
    bench.feed("requests_total", [1000, 1010, 1020], job="early")
    assert set(bench.at(22)) == {'traffic{service="early"}'}
    whole = Labels.of({"__name__": "requests_total", "job": "late"})
    row = bench.series.row(b"late", lambda _: whole)
    late = Samples(np.full(4, row), START + np.array([35.0, 45.0, 55.0, 65.0]), np.arange(4.0))
    bench.evaluator.take(late)
    assert set(bench.at(66)) == {'traffic{service="late"}'}


def test_samples_in_any_order_count_once_each():
    ordered, shuffled = Bench(TRAFFIC), Bench(TRAFFIC)
    for bench in (ordered, shuffled):
        bench.feed("requests_total", [], job="cart")
    moments, values = START + np.arange(8.0) * 4, np.arange(8.0) ** 2
    order = np.random.default_rng(1).permutation(8)
    ordered.evaluator.take(Samples(np.zeros(8, np.intp), moments, values))
    shuffled.evaluator.take(Samples(np.zeros(8, np.intp), moments[order], values[order]))
    assert ordered.at(30) == shuffled.at(30) != {}
