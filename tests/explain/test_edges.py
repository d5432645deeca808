"""Who calls whom, by the configuration and by what was seen."""

from __future__ import annotations

import math

import pytest

from anomalyd.explain.edges import FORGET_SECONDS, MOST, Call, Edges
from anomalyd.model import Edge

DECLARED = {"gateway": ["cart"], "batch": []}


def test_what_is_declared_needs_not_be_seen_and_is_never_forgotten():
    edges = Edges(DECLARED)
    [edge] = edges.edges()
    assert (edge.client, edge.server, edge.sources, edge.seen_at) == (
        "gateway",
        "cart",
        ("config",),
        None,
    )
    assert math.isnan(edge.rate)
    graph = edges.graph(1e9)
    assert graph.services == graph.declared == {"gateway", "cart", "batch"}


def test_what_is_seen_joins_what_is_declared_and_says_who_saw_it():
    edges = Edges(DECLARED)
    edges.see("production", [Call("gateway", "cart", 40.0), Call("cart", "db", 80.0)], 100.0)
    edges.see("staging", [Call("gateway", "cart", 4.0)], 130.0)
    assert edges.edges() == [
        Edge("cart", "db", ("production",), 100.0, 80.0),
        Edge("gateway", "cart", ("config", "production", "staging"), 130.0, 4.0),
    ]
    graph = edges.graph(130.0)
    assert graph.callees["cart"] == ("db",)
    assert "db" in graph.services
    assert "db" not in graph.declared


def test_an_edge_without_calls_stays_as_old_as_its_last_call():
    edges = Edges({})
    edges.see("staging", [Call("a", "b", 2.0)], 100.0)
    edges.see("staging", [Call("a", "b", 0.0)], 160.0)
    assert edges.edges() == [Edge("a", "b", ("staging",), 100.0, 2.0)]
    edges.see("staging", [Call("c", "d", 0.0)], 160.0)
    assert edges.edges()[1] == Edge("c", "d", ("staging",), 160.0, 0.0)


def test_an_edge_that_was_not_seen_for_a_day_is_forgotten():
    edges = Edges(DECLARED)
    edges.see("staging", [Call("a", "b", 1.0), Call("gateway", "cart", 1.0)], 0.0)
    edges.see("production", [Call("b", "c", 1.0)], 10.0)
    kept = edges.graph(FORGET_SECONDS)
    assert kept.callees == {"a": ("b",), "b": ("c",), "batch": (), "gateway": ("cart",)}
    assert edges.graph(FORGET_SECONDS) is kept
    assert edges.graph(FORGET_SECONDS + 5).callees == {
        "b": ("c",),
        "batch": (),
        "gateway": ("cart",),
    }


@pytest.mark.parametrize(
    ("client", "server"), [("unknown", "b"), ("a", "unknown"), ("", "b"), ("a", ""), ("a", "a")]
)
def test_a_side_that_nobody_knows_and_a_call_to_oneself_are_no_edge(client, server):
    edges = Edges({})
    edges.see("staging", [Call(client, server, 1.0)], 0.0)
    assert edges.edges() == []


def test_a_label_that_holds_anything_at_all_does_not_fill_the_memory():
    edges = Edges({})
    edges.see("staging", [Call("a", str(n), 1.0) for n in range(MOST + 5)], 0.0)
    assert len(edges.edges()) == MOST
