"""Which service began it."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalyd.explain.suspects import Graph, suspects
from anomalyd.model import Kind
from tests.explain.anomalies import anomaly

L, E, T, S, R = Kind.LATENCY, Kind.ERRORS, Kind.TRAFFIC, Kind.SATURATION, Kind.RESOURCE
SHOP = {
    "gateway": ["cart", "inventory"],
    "cart": ["pricing", "inventory"],
    "pricing": ["rates"],
    "inventory": ["db"],
}


def order(anomalies, calls=SHOP):
    return [s.service for s in suspects(anomalies, Graph(calls))]


@pytest.mark.parametrize(
    ("anomalies", "expected"),
    [
        pytest.param(
            [anomaly("gateway"), anomaly("cart"), anomaly("pricing")],
            ["pricing"],
            id="latency that is felt all the way up began at the deepest",
        ),
        pytest.param(
            [anomaly("gateway", E), anomaly("cart", E), anomaly("inventory", E), anomaly("db", E)],
            ["db"],
            id="errors come up from the deepest",
        ),
        pytest.param(
            [anomaly("gateway", E), anomaly("cart")],
            ["cart"],
            id="a caller fails because what it calls is slow",
        ),
        pytest.param(
            [anomaly("gateway"), anomaly("pricing")],
            ["pricing"],
            id="blame goes on through a service that shows nothing yet",
        ),
        pytest.param(
            [anomaly("cart", R), anomaly("pricing")],
            ["cart", "pricing"],
            id="a leak is a service's own",
        ),
        pytest.param(
            [anomaly("cart", R), anomaly("cart"), anomaly("gateway")],
            ["cart"],
            id="a leak and the latency that comes of it",
        ),
        pytest.param(
            [anomaly("pricing", T), anomaly("pricing", S), anomaly("pricing")],
            ["cart"],
            id="who is called more is overloaded by who calls",
        ),
        pytest.param(
            [anomaly("pricing", T), anomaly("rates", T)],
            ["cart"],
            id="calls that fan out twice began at the top",
        ),
        pytest.param(
            [anomaly("inventory", T), anomaly("cart", R)],
            ["cart"],
            id="of two callers the one that shows something",
        ),
        pytest.param(
            [anomaly("inventory", T)],
            ["cart", "gateway"],
            id="two callers of which neither shows anything share it",
        ),
        pytest.param(
            [anomaly("gateway", T)], ["gateway"], id="an entry that is called more keeps it"
        ),
        pytest.param(
            [anomaly("pricing", T, effect=-1.0), anomaly("cart", E)],
            ["cart"],
            id="who is called less has a caller that fails",
        ),
        pytest.param(
            [anomaly("pricing", T, effect=-0.5), anomaly("pricing"), anomaly("cart")],
            ["pricing"],
            id="a slow service is called less too",
        ),
        pytest.param(
            [anomaly("cart", S, gone=True), anomaly("gateway", E, since=-60), anomaly("gateway")],
            ["cart"],
            id="a service that died explains the errors of its callers",
        ),
        pytest.param(
            [
                anomaly("cart", L, gone=True),
                anomaly("cart", E, gone=True),
                anomaly("pricing", T, effect=-1.0),
                anomaly("inventory", L),
            ],
            ["cart", "inventory"],
            id="a service that died blames nobody it called",
        ),
    ],
)
def test_the_likeliest_origin_comes_first(anomalies, expected):
    assert order(anomalies) == expected
    assert order(list(reversed(anomalies))) == expected


def test_of_equals_the_earlier_is_likelier():
    found = suspects([anomaly("b", R, since=0), anomaly("a", R, since=60)], Graph({}))
    assert [s.service for s in found] == ["b", "a"]
    assert found[0].score == pytest.approx(2 / 3)


def test_ties_break_by_name():
    assert order([anomaly("b", R), anomaly("a", R), anomaly("c", R)], {}) == ["a", "b", "c"]


def test_more_and_stronger_anomalies_weigh_more_but_one_enormous_one_not_without_end():
    one = suspects([anomaly("a", R, evidence=500), anomaly("b", R, evidence=5)], Graph({}))
    assert one[0].score == pytest.approx(30 / 35)


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        ({"a": ["b"], "b": ["a"]}, ["a", "b"]),
        ({"a": ["b"], "b": ["c"], "c": ["a"]}, ["a", "b", "c"]),
        ({"a": ["b"], "b": ["a", "c"]}, ["c"]),
        ({"a": ["a"], "b": [], "c": []}, ["a", "b", "c"]),
    ],
    ids=["two", "three", "a circle with a way out", "itself"],
)
def test_circles_end(calls, expected):
    services = {"a", "b"} | ({"c"} if len(expected) != 2 else set())
    assert order([anomaly(s) for s in services], calls) == expected


def test_without_a_graph_every_service_keeps_its_own():
    assert order([anomaly("cart"), anomaly("gateway", E, evidence=25)], {}) == ["gateway", "cart"]


def test_anomalies_without_a_service_suspect_nobody():
    assert suspects([anomaly("")], Graph(SHOP)) == ()


def test_reasons_say_what_was_seen():
    (found,) = suspects([anomaly("pricing", R), anomaly("pricing"), anomaly("cart")], Graph(SHOP))
    assert found.reason == "latency_p95 +100%, memory +100%; cart only waits for it"
    (found,) = suspects([anomaly("cart", S, gone=True)], Graph(SHOP))
    assert found.reason == "cpu stopped arriving"
    (found,) = suspects([anomaly("pricing", T)], Graph(SHOP))
    assert found.reason == "calls pricing"


def test_a_dense_graph_of_sixty_anomalous_services_takes_no_time():
    names = [f"s{i}" for i in range(60)]
    graph = Graph({a: [b for b in names if b != a] for a in names})
    started = time.perf_counter()
    assert len(suspects([anomaly(name) for name in names], graph)) == 60
    assert time.perf_counter() - started < 5.0


NAMES = st.sampled_from(["", "a", "b", "c", "d", "e", "stranger"])
ANOMALIES = st.lists(
    st.builds(
        anomaly,
        NAMES,
        st.sampled_from(Kind),
        since=st.sampled_from([0.0, 30.0, 60.0]),
        evidence=st.floats(0, 700),
        effect=st.sampled_from([-1.0, 1.0, float("nan")]),
        gone=st.booleans(),
        route=st.sampled_from(["", "/x"]),
    ),
    max_size=12,
)
GRAPHS = st.dictionaries(NAMES, st.lists(NAMES, max_size=4), max_size=6)


@given(ANOMALIES, GRAPHS, st.integers(0, 2**16))
def test_scores_sum_to_one_and_do_not_depend_on_the_order_of_anomalies(anomalies, calls, seed):
    unique = list({a.series: a for a in anomalies}.values())
    found = suspects(unique, Graph(calls))
    random.Random(seed).shuffle(unique)  # noqa: S311
    assert suspects(unique, Graph(dict(reversed(calls.items())))) == found
    if any(a.service for a in unique):
        assert sum(s.score for s in found) == pytest.approx(1.0)
        assert [s.score for s in found] == sorted((s.score for s in found), reverse=True)
    else:
        assert found == ()


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("cart", "db", True),
        ("pricing", "inventory", True),
        ("cart", "billing", False),
        ("stranger", "cart", True),
        ("stranger", "other", True),
    ],
)
def test_services_are_connected_over_any_number_of_calls(a, b, expected):
    assert Graph(SHOP | {"billing": ["ledger"]}).connected(a, b) is expected
