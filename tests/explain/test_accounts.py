"""Who adds what to what is waited for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalyd.explain.accounts import Accounts
from anomalyd.explain.graph import Graph, merged
from anomalyd.explain.signs import Sign
from anomalyd.explain.suspects import explain, suspects
from anomalyd.model import Kind
from tests.explain.anomalies import anomaly

SHOP = Graph({"gateway": ["cart", "ads"], "cart": ["pricing"], "pricing": ["db"]})


def sign(service, excess=float("nan"), kind=Kind.LATENCY, strength=20.0, **more):
    named = {"signal": "latency", "since": 60.0, "effect": 1.0, **more}
    return Sign(service=service, kind=kind, strength=strength, excess=excess, **named)


def names(signs, graph=SHOP):
    return [s.service for s in explain(signs, graph).suspects]


def test_what_a_caller_shows_beyond_its_callees_is_its_own():
    accounts = Accounts([sign("gateway", 10.0), sign("cart", 9.0), sign("pricing", 3.0)], SHOP)
    assert accounts.own[Kind.LATENCY] == {"gateway": 1.0, "cart": 6.0, "pricing": 3.0}
    assert accounts.bearers(sign("gateway")) == {
        "cart": 0.6,
        "gateway": 0.1,
        "pricing": pytest.approx(0.3),
    }
    assert accounts.bearers(sign("pricing")) == {"pricing": 1.0}
    assert accounts.bearers(sign("gateway", kind=Kind.ERRORS)) == {}


def test_a_service_without_figures_is_seen_through():
    accounts = Accounts([sign("gateway", 10.0), sign("pricing", 10.0)], SHOP)
    assert accounts.own[Kind.LATENCY] == {"gateway": 0.0, "pricing": 10.0}


def test_a_deep_service_that_is_slower_by_little_is_not_why():
    signs = [sign("gateway", 10.0), sign("cart", 10.0), sign("db", 0.2)]
    assert names(signs)[0] == "cart"


def test_a_quantile_of_a_service_that_adds_nothing_weighs_little():
    signs = [sign("cart", 5.0), sign("ads", 0.0, signal="latency_p99", strength=30.0)]
    assert names(signs) == ["cart", "ads"]


def test_measured_own_time_beats_the_difference():
    signs = [
        sign("gateway", 10.0),
        sign("gateway", 8.0, own=True, signal="own_time"),
        sign("cart", 9.0),
        sign("cart", 0.5, own=True, signal="own_time"),
    ]
    assert names(signs)[0] == "gateway"


def test_own_time_in_a_run_says_who_of_a_chain_it_is():
    slow = [replace(anomaly(s), observed=0.5, expected=0.1) for s in ("gateway", "cart", "pricing")]
    own = replace(anomaly("cart"), signal="operation_own_time_p95", observed=0.4, expected=0.1)
    assert [s.service for s in suspects(slow, SHOP)] == ["pricing"]
    found = suspects([*slow, own], SHOP)
    assert found[0].service == "cart"
    assert found[0].reason.endswith("gateway only waits for it")
    little = replace(own, observed=0.11)
    assert suspects([*slow, little], SHOP)[0].service == "pricing"


@pytest.mark.parametrize(
    ("waits", "expected"),
    [
        pytest.param([("gateway", "ads")], "ads", id="one callee of several"),
        pytest.param([("gateway", "cart"), ("gateway", "ads")], "gateway", id="all callees"),
        pytest.param([("gateway", "cart"), ("cart", "pricing")], "cart", id="on both its sides"),
    ],
)
def test_a_wait_is_of_the_end_whose_other_calls_wait_too(waits, expected):
    signs = [sign(a, 5.0, own=True, signal="wait", peer=b) for a, b in waits]
    assert names(signs)[0] == expected


def test_a_request_that_ends_with_a_call_is_the_callees():
    ends = sign("gateway", 5.0, Kind.ERRORS, own=True, signal="page ends after add", peer="cart")
    assert names([ends, sign("pricing", kind=Kind.TRAFFIC, effect=-0.5, strength=6.0)])[0] == "cart"


def test_who_is_called_less_puts_it_down_to_what_fails_its_caller():
    ends = sign("gateway", 5.0, Kind.ERRORS, own=True, signal="page ends after add", peer="cart")
    odd = sign("ads", 0.5, Kind.ERRORS, own=True, signal="list ends after nothing")
    less = sign("db", kind=Kind.TRAFFIC, effect=-0.5, strength=6.0)
    graph = Graph({"gateway": ["cart", "ads", "db"]})
    found = {s.service: s.score for s in explain([ends, odd, less], graph).suspects}
    assert found["cart"] > 0.8
    assert "db" not in found


def test_edges_that_signs_name_belong_to_the_graph():
    graph = merged({"a": ["b"]}, [("a", "c"), ("", "d"), ("e", "e"), ("f", "")])
    assert graph.callees == {"a": ("b", "c")}
    assert graph.below("a") == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("signs", "why"),
    [
        ([], "nothing of any service is off"),
        ([sign("")], "nothing of any service is off"),
        (
            [sign("cart", strength=3.0)],
            "what is off is hardly further off than normal times are",
        ),
    ],
)
def test_it_abstains_when_the_evidence_is_thin_and_says_why(signs, why):
    found = explain(signs, SHOP)
    assert (found.suspects, found.abstained) == ((), why)


KNOWN = st.floats(0, 1e6) | st.just(float("nan"))
SIGNS = st.lists(
    st.builds(
        sign,
        st.sampled_from(["gateway", "cart", "pricing", "db", "ads", "stranger"]),
        KNOWN,
        st.sampled_from(Kind),
        st.floats(4, 30),
        own=st.booleans(),
        peer=st.sampled_from(["", "", "cart", "db"]),
        signal=st.sampled_from(["a", "b"]),
        since=st.sampled_from([0.0, 60.0, 120.0]),
        step=st.sampled_from([0.0, 60.0]),
        effect=st.sampled_from([-1.0, 1.0]),
    ),
    min_size=1,
    max_size=10,
)


@given(SIGNS, st.randoms(use_true_random=False))
def test_any_signs_give_the_same_ranking_in_any_order(signs, random):
    unique = list({s.key: s for s in signs}.values())
    found = explain(unique, SHOP)
    random.shuffle(unique)
    assert explain(unique, SHOP) == found
    assert sum(s.score for s in found.suspects) == pytest.approx(1.0)


def test_own_time_says_whose_a_delay_is_where_nobody_knows_who_calls_whom():
    slow = [anomaly(name, since=60.0) for name in ("cart", "gateway", "pricing")]
    own = replace(anomaly("pricing", since=70.0), signal="operation_own_time_p95")
    assert [one.service for one in suspects([*slow, own], Graph({}))] == ["pricing"]
    assert len(suspects(slow, Graph({}))) == 3
