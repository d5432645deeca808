"""The service map and the timeline are placed right, for any graph."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalyd.report.graph import graph
from anomalyd.report.timeline import marks, timeline
from tests.report import samples

NAMES = st.sampled_from([f"s{i}" for i in range(12)])


def picture(edges, worse=("cart",)):
    document = samples.failing()
    found = [samples.finding(service, state="fired", evidence=20.0) for service in worse]
    return graph(
        document | {"edges": edges, "incidents": [], "findings": samples.build_findings(*found)}
    )


def test_callers_stand_left_of_what_they_call():
    places = {node.service: node.x for node in graph(samples.failing()).nodes}
    for caller, callees in samples.EDGES.items():
        for callee in callees:
            assert places[caller] < places[callee]


def test_the_map_looks_first_at_the_likeliest_origin():
    drawn = graph(samples.failing())
    place = next(node.x for node in drawn.nodes if node.service == "cart-db")
    assert drawn.focus * drawn.width == place + drawn.box[0] / 2


def test_each_service_says_its_state():
    states = {node.service: (node.state, node.note) for node in graph(samples.failing()).nodes}
    assert states["cart-db"] == ("origin", "began here, 1 worse")
    assert states["cart"] == ("worse", "1 signal worse")
    assert states["catalog"] == ("ok", "in band")
    assert states["catalog-db"] == ("unseen", "not seen")


@pytest.mark.parametrize(
    ("edges", "worse"), [({}, ["cart"]), ({"a": ["b"]}, []), ({"cart": ["cart"]}, ["cart"])]
)
def test_without_edges_or_anything_worse_there_is_no_map(edges, worse):
    assert picture(edges, worse) is None


@given(st.dictionaries(NAMES, st.lists(NAMES, unique=True, max_size=6)))
def test_any_graph_cycles_included_is_laid_out_without_overlap(edges):
    drawn = picture(edges, ["s0"])
    if drawn is None:
        return
    assert len({(node.x, node.y) for node in drawn.nodes}) == len(drawn.nodes)
    for node in drawn.nodes:
        assert 0 <= node.x <= drawn.width - drawn.box[0]
        assert 0 <= node.y <= drawn.height - drawn.box[1]
    assert len(drawn.lines) == sum(a != b for a, callees in edges.items() for b in callees)
    assert 0 <= drawn.focus <= 1


def test_a_large_graph_shows_what_is_worse_and_its_neighbours():
    edges = {f"s{i}": [f"s{i + 1}"] for i in range(100)}
    shown = {node.service for node in picture(edges, ["s50"]).nodes}
    assert shown == {"s49", "s50", "s51"}


def test_the_timeline_places_bars_in_percent_of_the_run():
    rows = {row.name: row.bars for row in timeline(samples.failing())}
    steady = rows["load"][2]
    assert (steady.text, steady.left, steady.width) == ("steady", 21.62, 59.46)
    assert rows['latency_p95{service="frontend"}'][0].title == "14:06:24 to 14:17:40 UTC"
    assert rows["telemetry: search"][0].kind == "fault"
    assert marks(samples.failing())[-1] == (100.0, "14:18:30")


def test_an_incident_still_open_lasts_to_the_end():
    document = samples.failing()
    document["incidents"][0]["ended_at"] = None
    bar = next(row.bars[0] for row in timeline(document) if row.name == "incident (critical)")
    assert bar.left + bar.width == pytest.approx(100)
    assert bar.title.endswith("14:06:12 UTC to the end of the run")
