"""Exemplars that come with metrics, as incidents look for them."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from anomalyd.model import Labels
from anomalyd.signals import exemplars
from anomalyd.signals.exemplars import EACH, KEEP_SECONDS, Exemplars, MetricExemplar
from anomalyd.signals.identity import Canonical

NOW = 1_800_000_000.0
BUCKET = {"__name__": "request_seconds_bucket", "service": "cart", "le": "0.5"}


def kept() -> Exemplars:
    return Exemplars(Canonical(["service"]))


def take(store: Exemplars, trace: str, value=0.2, at=0.0, labels=None, name="trace_id") -> bool:
    one = MetricExemplar({name: trace}, value, NOW + at)
    return store.take(Labels.of(BUCKET | (labels or {})), one, NOW)


def found(store: Exemplars, **wanted) -> list[str]:
    return [one.trace_id for one in store.find("cart", NOW - 100, NOW, **wanted)]


def test_the_slowest_come_first_and_bounds_are_kept():
    store = kept()
    for trace, value in (("quick", 0.1), ("slow", 0.9), ("usual", 0.3)):
        assert take(store, trace, value)
    assert found(store) == ["slow", "usual", "quick"]
    assert found(store, above=0.3) == ["slow"]
    assert found(store, upto=0.3) == ["usual", "quick"]


def test_a_trace_is_found_once_of_whichever_series():
    store = kept()
    for bound in ("0.5", "1.0"):
        take(store, "same", labels={"le": bound})
    assert found(store) == ["same"]


@pytest.mark.parametrize(
    ("labels", "failed"),
    [
        ({"code": "503"}, True),
        ({"http_response_status_code": "500"}, True),
        ({"status_code": "STATUS_CODE_ERROR"}, True),
        ({"code": "200"}, False),
        ({"version": "500"}, False),
        ({}, False),
    ],
)
def test_labels_of_the_series_say_what_failed(labels, failed):
    store = kept()
    take(store, "one", labels=labels)
    assert found(store, failed=failed) == ["one"]
    assert found(store, failed=not failed) == []


@pytest.mark.parametrize("label", ["operation", "http_route", "handler"])
def test_labels_of_the_series_say_which_operation(label):
    store = kept()
    take(store, "one", labels={label: "GET /cart"})
    assert found(store, operation="GET /cart") == ["one"]
    assert found(store, operation="GET /items") == []


@pytest.mark.parametrize(
    ("name", "value", "seconds"),
    [
        ("request_seconds", 0.5, 0.5),
        ("request_duration_milliseconds_bucket", 500, 0.5),
        ("requests_total", 1, math.nan),
        ("cpu_seconds_total", 1, math.nan),
        ("request_bytes_bucket", 500, math.nan),
    ],
)
def test_a_value_is_a_duration_where_the_name_says_so(name, value, seconds):
    store = kept()
    take(store, "one", value, labels={"__name__": name})
    (one,) = store.find("cart", NOW - 1, NOW)
    assert one.duration == pytest.approx(seconds, nan_ok=True)
    slow = [one.trace_id for one in store.find("cart", NOW - 1, NOW, above=0.1)]
    assert slow == ([] if math.isnan(seconds) else ["one"])


@pytest.mark.parametrize("name", ["trace_id", "traceID", "TraceID"])
def test_a_trace_goes_by_several_names(name):
    store = kept()
    assert take(store, "one", name=name)
    assert found(store) == ["one"]


def test_what_names_no_trace_or_is_of_another_time_is_not_kept():
    store = kept()
    assert not take(store, "x", name="span_id")
    assert not take(store, "x" * 65)
    assert not take(store, "x", at=-KEEP_SECONDS - 1)
    assert not take(store, "x", at=KEEP_SECONDS + 1)
    assert len(store) == 0


def test_of_a_series_a_few_are_kept_spread_over_time_and_the_newest():
    store = kept()
    for second in range(1700):
        take(store, f"{second:04}", at=second - 1700)
    ages = sorted(1700 - int(one) for one in (e.trace_id for e in store.find("cart", 0, NOW)))
    assert len(ages) == EACH
    assert ages[0] == 1
    assert ages[-1] > 1500
    gaps = [b - a for a, b in pairwise(ages)]
    assert max(gaps) < 400


def test_the_same_one_once_more_is_no_other():
    store = kept()
    for _ in range(3):
        assert take(store, "one")
    assert len(store) == 1


def test_series_are_bounded_and_those_without_any_for_long_give_way(monkeypatch):
    monkeypatch.setattr(exemplars, "SERIES", 3)
    store = kept()
    for number in (0, 1, 2, 0, 3):
        take(store, str(number), labels={"instance": str(number)})
    assert sorted(found(store)) == ["0", "2", "3"]
