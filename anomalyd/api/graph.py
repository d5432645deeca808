"""The service graph: who calls whom, and where it hurts; in our words, and in Grafana's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aiohttp import web

from anomalyd import codec
from anomalyd.api.errors import Refusal, answer
from anomalyd.api.keys import CONTROL
from anomalyd.model import Edge, Incident
from anomalyd.units import format_value

FRESH_SECONDS = 600.0
"""An edge that carried calls within that is fresh."""

STATES = ("origin", "worse", "ok")

Body = dict[str, Any]


async def graph(request: web.Request) -> web.Response:
    control, form = request.app[CONTROL], request.query.get("format", "plain")
    if form not in ("plain", "nodegraph"):
        raise Refusal(400, "bad_request", f"format={form}: write plain or nodegraph")
    edges = control.edges()
    states = _states(edges, [one for one in control.incidents(None) if one.open])
    if form == "nodegraph":
        return answer(nodegraph(edges, states))
    return answer(plain(edges, states, control.now()))


def plain(edges: Sequence[Edge], states: Mapping[str, str], now: float) -> Body:
    """`fresh`: it carried calls within the last `FRESH_SECONDS`."""
    return {
        "nodes": [{"service": service, "state": state} for service, state in states.items()],
        "edges": [{**codec.to_dict(edge), "fresh": _fresh(edge, now)} for edge in edges],
    }


def nodegraph(edges: Sequence[Edge], states: Mapping[str, str]) -> Body:
    """The fields of the two frames that Grafana's node graph panel draws."""
    served = {service: [e.rate for e in edges if e.server == service] for service in states}
    return {
        "nodes": [
            {
                "id": service,
                "title": service,
                "subtitle": state,
                "mainstat": _rate(sum(rate for rate in served[service] if rate == rate)),
                **{f"arc__{one}": float(one == state) for one in STATES},
            }
            for service, state in states.items()
        ],
        "edges": [
            {
                "id": f"{edge.client}/{edge.server}",
                "source": edge.client,
                "target": edge.server,
                "mainstat": _rate(edge.rate),
            }
            for edge in edges
        ],
    }


def _states(edges: Iterable[Edge], incidents: Sequence[Incident]) -> dict[str, str]:
    """By service: `origin` where an open incident most likely began, `worse`, or `ok`."""
    services = {name for edge in edges for name in (edge.client, edge.server)}
    firing = [a for one in incidents for a in one.anomalies if a.resolved_at is None]
    worse = {anomaly.service for anomaly in firing if anomaly.service}
    origins = {one.suspects[0].service for one in incidents if one.suspects}
    return {
        name: "origin" if name in origins else "worse" if name in worse else "ok"
        for name in sorted(services | worse | origins)
    }


def _fresh(edge: Edge, now: float) -> bool:
    return edge.seen_at is not None and now - edge.seen_at <= FRESH_SECONDS


def _rate(rate: float) -> str:
    return format_value(rate, "req/s") if rate > 0 else ""
