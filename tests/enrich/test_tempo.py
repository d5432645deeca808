"""Exemplars from Tempo: what is asked for, what comes of it, and how it refuses."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from anomalyd.enrich.sought import Sought
from anomalyd.model import Kind
from tests.enrich.incidents import NOW, RUN, START, gatherer, incident, of
from tests.fakes.tempo import FakeTempo
from tests.fakes.traces import Span, refuse, serve

SPANS = [
    Span("a1", "cart", start=START + 10, duration=0.9),
    Span("a2", "cart", start=START + 20, duration=0.1, failed=True),
    Span("a3", "cart", start=START - 200, duration=0.1),
    Span("a3", "db", "SELECT", START - 199.9, 0.05, kind="client"),
    Span("a4", "cart", start=START - 1000, duration=0.9),
    Span("a5", "search", start=START + 10, duration=0.9, failed=True),
    Span("a6", "cart", "flush", START + 30, 0.9, kind="internal"),
]


async def found(fake: FakeTempo, case=None, **settings):
    async with serve(fake), gatherer(tempo={"url": fake.url, **settings}) as made:
        return await made.gather(RUN, case or incident(), NOW)


async def test_failed_ones_slow_ones_and_ordinary_ones_of_before():
    got = await found(FakeTempo(SPANS))
    assert got.troubles == ()
    assert [(t.trace_id, t.why, t.duration) for t in got.traces] == [
        ("a2", "error", 0.1),
        ("a1", "slow", 0.9),
        ("a3", "", 0.1),
    ]
    worst = got.traces[1]
    assert (worst.service, worst.operation, worst.link) == ("cart", "GET /cart", "")
    assert worst.started_at == pytest.approx(START + 10)


async def test_the_searches_are_bounded_in_time_and_number():
    fake = FakeTempo([Span(f"b{n}", "cart", start=START + n, failed=True) for n in range(40)])
    got = await found(fake, incident(anomalies=(of("cart", kind=Kind.ERRORS),)))
    assert len(got.traces) == 5
    bad, usual = fake.asked("/api/search")
    assert bad == {
        "q": '{ resource.service.name = "cart" && status = error }',
        "start": str(int(START)),
        "end": str(int(NOW)),
        "limit": "5",
        "spss": "1",
    }
    assert usual["start"] == str(int(START - 600))


async def test_what_is_in_a_name_stays_in_it():
    fake = FakeTempo([Span("c1", 'ca"rt', 'GET "x\\y"', START + 5, 0.9)])
    case = incident(
        ('ca"rt', 1.0), anomalies=(of('ca"rt', high=0.24, labels={"operation": 'GET "x\\y"'}),)
    )
    got = await found(fake, case, query='resource.service.name = "$service"')
    assert [(t.trace_id, t.operation) for t in got.traces] == [("c1", 'GET "x\\y"')]
    assert got.troubles == ()


async def test_an_operation_that_spans_call_otherwise_is_looked_for_by_its_service():
    fake = FakeTempo([Span("d1", "cart", "cart.get", START + 5, 0.9)])
    case = incident(anomalies=(of("cart", high=0.24, labels={"operation": "GET /cart"}),))
    got = await found(fake, case)
    assert [t.trace_id for t in got.traces] == ["d1"]
    assert len(fake.asked("/api/search")) == 4


async def test_grafana_shows_the_trace_around_its_time():
    grafana = {"url": "https://grafana/x", "datasource": "tempo-1"}
    got = await found(FakeTempo(SPANS), grafana=grafana)
    link = urlsplit(got.traces[1].link)
    assert link.geturl().startswith("https://grafana/x/explore?")
    [panes] = parse_qs(link.query)["panes"]
    [pane] = json.loads(panes).values()
    assert pane["datasource"] == "tempo-1"
    assert pane["queries"][0] | {"datasource": None} == {
        "refId": "A",
        "datasource": None,
        "queryType": "traceql",
        "query": "a1",
    }
    assert int(pane["range"]["from"]) < (START + 10) * 1000 < int(pane["range"]["to"])


async def test_a_link_of_ones_own_wins():
    got = await found(FakeTempo(SPANS), link="https://t/$trace_id?org=1")
    assert got.traces[0].link == "https://t/a2?org=1"


async def test_the_tenant_and_the_credentials_are_sent_and_never_told(caplog):
    fake = FakeTempo(SPANS, tenant="shop", authorization="Bearer s3cret")
    caplog.set_level("DEBUG")
    settings = {"headers": {"X-Scope-OrgID": "shop"}, "auth": {"bearer": "s3cret"}}
    assert len((await found(fake, **settings)).traces) == 3
    refused = await found(fake, auth={"bearer": "wr0ng"})
    assert refused.traces == ()
    assert refused.troubles == (
        f"enrich.tempo ({fake.url}) does not know us; check auth and headers (HTTP 401): no org id",
    )
    assert not any(word in caplog.text + str(refused) for word in ("s3cret", "wr0ng"))


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        (
            refuse(400, "invalid TraceQL query: parse error"),
            "refuses the query (HTTP 400): invalid",
        ),
        (refuse(404, "404 page not found"), "does not offer this; check url (HTTP 404)"),
        (refuse(429, "job queue full"), "asks us to slow down (HTTP 429): job queue full"),
        (refuse(502, "<html>Bad gateway", "text/html"), "fails (HTTP 502)"),
        (refuse(302, "", Location="https://login"), "redirects elsewhere"),
        (refuse(200, "<html>", "text/html"), "answers what cannot be read"),
        (refuse(200, '{"traces": 7}'), "answers what cannot be read"),
        (refuse(200, '{"traces":[' + " " * 2000 + "]}"), "answers more than 1024 bytes"),
    ],
)
async def test_what_tempo_answers_instead_is_told_in_a_sentence(trouble, told):
    fake = FakeTempo(SPANS, trouble=trouble)
    async with serve(fake), gatherer(tempo={"url": fake.url}, body_limit=1024) as made:
        got = await made.gather(RUN, incident(), NOW)
    assert got.traces == ()
    [sentence] = got.troubles
    assert sentence.startswith(f"enrich.tempo ({fake.url}) {told}")
    assert "<html>" not in sentence


async def test_nobody_there_is_told_in_a_sentence():
    async with gatherer(tempo={"url": "http://127.0.0.1:1"}) as made:
        got = await made.gather(RUN, incident(), NOW)
    assert "cannot be reached" in got.troubles[0]


async def test_an_answer_of_no_trace_is_none():
    for body in ('{"traces":null}', "{}", '{"traces":[],"metrics":{}}'):
        got = await found(FakeTempo(trouble=refuse(200, body, "application/json")))
        assert (got.traces, got.troubles) == ((), ())


def test_a_service_is_sought_as_a_whole_by_default():
    assert Sought("cart") == Sought("cart", "", None, False)
