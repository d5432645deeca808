"""Exemplars from Jaeger, by each of its generations."""

from __future__ import annotations

import pytest

from anomalyd.model import Kind
from tests.enrich.incidents import NOW, RUN, START, gatherer, incident, of
from tests.fakes.jaeger import FakeJaeger
from tests.fakes.traces import Span, refuse, serve

SPANS = [
    Span("a1", "gateway", "GET /", START + 9, 1.2),
    Span("a1", "cart", start=START + 10, duration=0.9),
    Span("a2", "cart", start=START + 20, duration=0.1, failed=True),
    Span("a3", "cart", start=START - 200, duration=0.1),
    Span("a4", "cart", start=START - 1000, duration=0.9),
    Span("a5", "search", start=START + 10, duration=0.9, failed=True),
]
FLAVOURS = ["v1", "v3-old", "v3"]


async def found(fake: FakeJaeger, case=None, **settings):
    async with serve(fake), gatherer(jaeger={"url": fake.url, **settings}) as made:
        return await made.gather(RUN, case or incident(), NOW)


@pytest.mark.parametrize("flavour", FLAVOURS)
async def test_the_same_is_found_by_every_generation(flavour):
    fake = FakeJaeger(SPANS, flavour=flavour)
    got = await found(fake)
    assert got.troubles == ()
    assert [(t.trace_id, t.why, round(t.duration, 6)) for t in got.traces] == [
        ("a2", "error", 0.1),
        ("a1", "slow", 0.9),
        ("a3", "", 0.1),
    ]
    slow = got.traces[1]
    assert (slow.service, slow.operation) == ("cart", "GET /cart")
    assert slow.started_at == pytest.approx(START + 10)
    assert slow.link == f"{fake.url}/trace/a1"


@pytest.mark.parametrize("flavour", FLAVOURS)
async def test_a_search_that_finds_nothing_is_no_trouble(flavour):
    got = await found(FakeJaeger([Span("z", "other")], flavour=flavour))
    assert (got.traces, got.troubles) == ((), ())


@pytest.mark.parametrize("flavour", FLAVOURS)
async def test_no_more_are_taken_than_are_wanted(flavour):
    spans = [Span(f"b{n}", "cart", start=START + n, failed=True) for n in range(40)]
    failing = incident(anomalies=(of("cart", kind=Kind.ERRORS),))
    got = await found(FakeJaeger(spans, flavour=flavour), failing)
    assert len(got.traces) == 5


async def test_which_generation_it_is_is_found_once():
    fake = FakeJaeger(SPANS)
    async with serve(fake), gatherer(jaeger={"url": fake.url}) as made:
        for _ in range(2):
            await made.gather(RUN, incident(), NOW)
    assert len(fake.asked("/api/v3/services")) == len(fake.asked("/api/services")) == 1


async def test_the_names_that_jaeger_has_and_a_link_of_ones_own():
    fake = FakeJaeger([Span("e1", "cart-staging", start=START + 5, failed=True)])
    got = await found(fake, service="$service-staging", link="https://j/$trace_id")
    assert [(t.trace_id, t.link) for t in got.traces] == [("e1", "https://j/e1")]


async def test_a_trace_is_shown_by_the_longest_span_that_the_service_served():
    spans = [
        Span("f1", "cart", "inner", START + 5, 0.95, kind="internal"),
        Span("f1", "cart", "GET /cart", START + 5, 0.9),
        Span("f1", "cart", "GET /cart/1", START + 5.1, 0.5),
    ]
    got = await found(FakeJaeger(spans))
    assert [(t.trace_id, t.operation, t.why) for t in got.traces] == [("f1", "GET /cart", "slow")]


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        (
            refuse(
                500,
                '{"data":null,"total":0,"limit":0,"offset":0,'
                '"errors":[{"code":500,"msg":"storage is away"}]}',
            ),
            "fails (HTTP 500): storage is away",
        ),
        (
            refuse(400, '{"error":{"httpCode":400,"message":"malformed parameter"}}'),
            "refuses the query (HTTP 400): malformed parameter",
        ),
        (refuse(404, "404 page not found"), "offers neither /api/v3 nor /api/services; check url"),
        (refuse(200, "<html>", "text/html"), "offers neither /api/v3 nor /api/services; check url"),
        (refuse(401, "<html>"), "does not know us; check auth and headers (HTTP 401)"),
    ],
)
async def test_what_jaeger_answers_instead_is_told_in_a_sentence(trouble, told):
    fake = FakeJaeger(SPANS, trouble=trouble)
    got = await found(fake)
    assert got.traces == ()
    assert got.troubles == (f"enrich.jaeger ({fake.url}) {told}",)
