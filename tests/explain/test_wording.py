from __future__ import annotations

from dataclasses import replace

import pytest

from anomalyd.explain.suspects import Graph, suspects
from anomalyd.explain.wording import describe, reason, summarise, times_longer, too_weak
from anomalyd.model import Finding, Kind, Labels
from tests.explain.anomalies import anomaly

SLOW = replace(anomaly("cart"), unit="s", observed=0.412, low=0.18, high=0.23, effect=0.92)
FAILING = replace(
    anomaly("cart", Kind.ERRORS), unit="ratio", observed=0.06, low=0.0, high=0.01, effect=0.055
)


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (SLOW, "latency_p95 412 ms, expected 180 ms to 230 ms (+92%)"),
        (FAILING, "error_ratio 6%, expected 0% to 1% (+5.5 pp)"),
        (anomaly("cart", gone=True), "latency_p95 stopped arriving"),
    ],
)
def test_an_anomaly_in_one_line(found, text):
    assert describe(found) == text


def test_a_summary_names_the_suspect_its_strongest_signal_and_who_feels_it():
    found = [replace(SLOW, service="pricing", evidence=30), FAILING, anomaly("gateway")]
    ranked = suspects(found, Graph({"gateway": ["cart"], "cart": ["pricing"]}))
    assert summarise(found, ranked) == (
        "pricing: latency_p95 412 ms, expected 180 ms to 230 ms (+92%); also felt in cart, gateway"
    )


def test_a_summary_without_suspects_counts():
    assert summarise([anomaly("")], ()) == "1 signal out of band"


FINDING = Finding(
    signal="latency_p95",
    labels=Labels.of({"service": "cart"}),
    service="cart",
    kind=Kind.LATENCY,
    unit="s",
    state="fired",
    observed=0.412,
    expected=0.2,
    low=0.18,
    high=0.23,
    effect=1.06,
    pass_at=0.25,
)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (
            {},
            'latency_p95{service="cart"} was 412 ms, expected 180 ms to 230 ms at this load '
            "(+106%); passes at 250 ms",
        ),
        (
            {"pass_at": float("nan"), "extrapolated": True},
            'latency_p95{service="cart"} was 412 ms, expected 180 ms to 230 ms at this load '
            "(+106%); beyond production's load range",
        ),
        (
            {"detector": "absence"},
            'latency_p95{service="cart"} stopped arriving; production sends it at this load',
        ),
    ],
)
def test_a_reason_says_what_decided_and_what_would_pass(change, text):
    assert reason(replace(FINDING, **change)) == text


WEAK = replace(FINDING, state="weak", mde=0.9, detect=0.5, windows=20)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({}, "20 windows could have shown +90%, +50% was asked for; run about 4 times as long"),
        (
            {"absolute": True, "mde": 0.08, "detect": 0.05},
            "20 windows could have shown +8 pp, +5 pp was asked for; "
            "run about 4.5 times as long, or at 4.5 times the load",
        ),
        (
            {"mde": 9.0},
            "20 windows could have shown +900%, +50% was asked for; too noisy for a longer run to "
            "promise it: raise the load if requests are few, or ask for less with "
            "signals.override.latency_p95.detect",
        ),
        (
            {"mde": float("inf"), "windows": 5},
            "judged in 5 windows, too few to show +50%; at least 8 are needed",
        ),
    ],
)
def test_what_was_too_weak_ends_with_what_to_do(change, text):
    assert too_weak([replace(WEAK, **change)]) == [f'latency_p95{{service="cart"}}: {text}']


@pytest.mark.parametrize(
    ("mde", "times"), [(0.4, 1.0), (0.5, 1.0), (0.6, 2.0), (1.2, 7.5), (2.0, float("inf"))]
)
def test_the_farther_from_what_was_asked_the_longer(mde, times):
    assert times_longer(mde, 0.5, absolute=False) == times


@pytest.mark.parametrize("mde", [float("nan"), float("inf")])
def test_no_length_is_promised_where_nothing_is_known(mde):
    assert times_longer(mde, 0.5, absolute=False) == float("inf")
