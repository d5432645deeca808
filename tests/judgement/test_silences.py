from __future__ import annotations

import pytest

from anomalyd.judgement.silences import Silence, silenced
from anomalyd.model import Labels, Matcher
from anomalyd.signals.selector import matches

CART = Labels.of({"service": "cart", "route": "/pay"})


@pytest.mark.parametrize(
    ("op", "pattern", "value", "expected"),
    [
        ("=", "cart", "cart", True),
        ("=", "cart", "cart2", False),
        ("=", "", "", True),  # an absent label is ''
        ("!=", "cart", "cart", False),
        ("!=", "cart", "", True),
        ("=~", "car", "cart", False),  # anchored at both ends
        ("=~", "ca.*", "cart", True),
        ("=~", "cart|pay", "pay", True),
        ("=~", "cart|pay", "paying", False),
        ("=~", ".*", "", True),
        ("=~", ".+", "", False),
        ("!~", "ca.*", "cart", False),
        ("!~", "ca.*", "", True),
        ("!~", ".+", "", True),
        ("=~", "a.b", "a\nb", True),  # Go's (?s): the dot matches a newline
    ],
)
def test_matchers_mean_what_they_mean_in_prometheus(op, pattern, value, expected):
    assert matches(Matcher("x", op, pattern), value) is expected


@pytest.mark.parametrize(
    ("signal", "matchers", "expected"),
    [
        ("latency_p95", (), True),
        ("latency", (), False),
        ("latency.*", (), True),
        ("latency.*", (Matcher("service", "=", "cart"),), True),
        ("latency.*", (Matcher("service", "=", "cart"), Matcher("route", "=", "/x")), False),
        ("latency.*", (Matcher("version", "=", ""),), True),
    ],
)
def test_a_silence_covers_a_series_if_signal_and_all_matchers_do(signal, matchers, expected):
    assert Silence(signal, matchers, "why", 100.0).covers("latency_p95", CART) is expected


def test_the_first_silence_that_is_not_over_gives_the_reason():
    silences = [
        Silence(".*", (), "over", 50.0),
        Silence("latency.*", (), "first", 200.0),
        Silence(".*", (), "second", 200.0),
    ]
    mask, reasons = silenced(silences, [("latency_p95", CART), ("cpu", CART)], 50.0)
    assert mask.tolist() == [True, True]
    assert reasons == ["first", "second"]
    mask, reasons = silenced(silences, [("cpu", CART)], 200.0)
    assert (mask.tolist(), reasons) == ([False], [""])
