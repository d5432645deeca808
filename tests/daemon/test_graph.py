"""A session learns who calls whom and explains by it; a run keeps what it began with."""

from __future__ import annotations

from anomalyd.commands.whatif import with_settings
from anomalyd.model import Outcome
from tests.daemon.shop import configuration
from tests.daemon.test_record import recorded, replays
from tests.fakes.prometheus import refuse, vector

GRAPH = "traces_service_graph_request_total"
ASKED = f"sum by (client, server) (rate({GRAPH}[%ds]))"


def calls(*edges: tuple[str, str, float]):
    return vector(*(({"client": c, "server": s}, rate) for c, s, rate in edges))


def tells(shop, *edges: tuple[str, str, float]) -> None:
    shop.metrics[GRAPH] = ["client", "server"]
    shop.answers |= {ASKED % over: calls(*edges) for over in (3600, 300)}


def without_graph(shop, staging, production, **more):
    state = shop.config.state_dir
    return configuration(staging.url, production.url, state, graph={}, **more)


async def test_what_production_shows_explains_what_fails_in_staging(shop, staging, production):
    tells(production, ("gateway", "cart", 40.0), ("cart", "pricing", 80.0))
    async with shop.at_work(without_graph(shop, staging, production)) as session:
        await shop.passes(60)
        run = shop.start()
        await shop.passes(150)
        staging.slower |= {"pricing": 3.0, "cart": 2.0, "gateway": 2.0}
        await shop.passes(240)
        [incident] = session.runs.open_incidents()
        assert incident.suspects[0].service == "pricing"
        verdict = await shop.verdict(run)
        found = session.learner.edges.edges()
    assert [(e.client, e.server, e.sources) for e in found] == [
        ("cart", "pricing", ("production",)),
        ("gateway", "cart", ("production",)),
    ]
    assert verdict.outcome is Outcome.FAIL
    document = shop.ended[-1].document
    assert document["edges"] == {"cart": ["pricing"], "gateway": ["cart"]}
    [stretch] = replays(shop, run.id).stretches
    assert (stretch.graph, stretch.declared) == (document_edges(document), frozenset())
    [other] = with_settings(recorded(shop, run.id), ["graph={web: [gateway]}"]).stretches
    assert other.graph == {"cart": ("pricing",), "gateway": ("cart",), "web": ("gateway",)}
    assert other.declared == {"web", "gateway"}


def document_edges(document) -> dict[str, tuple[str, ...]]:
    return {caller: tuple(callees) for caller, callees in document["edges"].items()}


async def test_what_is_learned_in_the_middle_of_a_run_explains_what_comes_after(
    shop, staging, production
):
    async with shop.at_work(without_graph(shop, staging, production)) as session:
        await shop.passes(60)
        run = shop.start()
        await shop.passes(120)
        assert session.pipeline.graph.callees == {}
        tells(staging, ("gateway", "cart", 4.0), ("cart", "pricing", 4.0))
        await session.learner._look(300)
        staging.slower |= {"pricing": 3.0, "cart": 2.0, "gateway": 2.0}
        await shop.passes(240)
        [incident] = session.runs.open_incidents()
        assert incident.suspects[0].service == "pricing"
        await shop.verdict(run)
    [stretch] = replays(shop, run.id).stretches
    assert stretch.graph == {}
    graphs = [window.conditions.graph for window in stretch.windows]
    assert graphs[0] == {}
    assert graphs[-1] == {"gateway": ("cart",), "cart": ("pricing",)}
    [other] = with_settings(recorded(shop, run.id), ["graph={web: [gateway]}"]).stretches
    assert other.windows[0].conditions.graph == {"web": ("gateway",)}
    assert other.windows[-1].conditions.graph == {
        "web": ("gateway",),
        "gateway": ("cart",),
        "cart": ("pricing",),
    }


async def test_an_edge_that_is_a_signal_is_learned_from_its_values(shop, staging, production):
    edges = {
        "name": "calls",
        "kind": "traffic",
        "rate": GRAPH,
        "by": ["client", "server"],
    }
    staging.answers[ASKED % 30] = calls(("cart", "rates", 2.0), ("cart", "unknown", 1.0))
    signals = {"presets": [], "custom": [edges]}
    config = without_graph(shop, staging, production, signals=signals)
    async with shop.at_work(config) as session:
        await shop.passes(10)
        assert session.pipeline.graph.callees == {"cart": ("rates",)}


async def test_nothing_is_learned_where_nothing_is_to_be_or_nobody_answers(
    shop, staging, production
):
    for side in (staging, production):
        tells(side, ("a", "b", 1.0))
        side.trouble, side.troubled = refuse(503), lambda query: GRAPH in query
    async with shop.at_work(without_graph(shop, staging, production)) as session:
        assert session.learner.edges.edges() == []
        assert session.degraded() == []
    staging.trouble = production.trouble = None
    config = without_graph(shop, staging, production, learn_graph=False)
    async with shop.at_work(config) as session:
        await shop.passes(10)
        assert session.pipeline.graph.callees == {}
