"""The service graph as it is known now."""

from __future__ import annotations

import math

from anomalyd.model import Edge


def known(api) -> None:
    api.daemon.known_edges = [
        Edge("cart", "db", ("config",)),
        Edge("gateway", "cart", ("config", "staging"), api.daemon.clock - 30, 12.5),
    ]


async def test_edges_have_their_sources_and_freshness_and_services_their_state(api):
    known(api)
    run = api.daemon.start_run("nightly", "", {})
    api.daemon.open_incident(run.id)
    status, body = await api.call("GET", "/api/v1/graph")
    assert status == 200
    assert body["nodes"] == [
        {"service": "cart", "state": "origin"},
        {"service": "db", "state": "ok"},
        {"service": "gateway", "state": "ok"},
    ]
    declared, seen = body["edges"]
    assert declared == {
        "client": "cart",
        "server": "db",
        "sources": ["config"],
        "seen_at": None,
        "rate": None,
        "fresh": False,
    }
    assert (seen["fresh"], seen["rate"], seen["seen_at"]) == (True, 12.5, api.daemon.clock - 30)
    api.daemon.clock += 601
    _, body = await api.call("GET", "/api/v1/graph")
    assert [edge["fresh"] for edge in body["edges"]] == [False, False]


async def test_grafana_gets_the_fields_of_its_node_graph(api):
    known(api)
    _, body = await api.call("GET", "/api/v1/graph?format=nodegraph")
    assert body["edges"] == [
        {"id": "cart/db", "source": "cart", "target": "db", "mainstat": ""},
        {"id": "gateway/cart", "source": "gateway", "target": "cart", "mainstat": "12.5 req/s"},
    ]
    cart = body["nodes"][0]
    assert (cart["id"], cart["title"], cart["subtitle"]) == ("cart", "cart", "ok")
    assert cart["mainstat"] == "12.5 req/s"
    for node in body["nodes"]:
        arcs = [value for name, value in node.items() if name.startswith("arc__")]
        assert math.fsum(arcs) == 1.0


async def test_another_format_is_refused(api):
    status, body = await api.call("GET", "/api/v1/graph?format=dot")
    assert (status, body["error"]["code"]) == (400, "bad_request")
