"""Log lines of the suspect, and the shapes of them that tell something."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from anomalyd.model import Kind
from tests.enrich.incidents import NOW, RUN, START, gatherer, incident, of
from tests.fakes.loki import FakeLoki
from tests.fakes.traces import refuse, serve


def lines(fake: FakeLoki) -> FakeLoki:
    """Requests all the time, a cache that misses more often, and a refused connection."""
    before, during = START - 600, START
    fake.add("cart", np.linspace(before, NOW - 1, 200), "INFO served GET /cart/%n in %nms")
    fake.add("cart", np.linspace(before, START - 1, 4), "WARN cache miss for user %n")
    fake.add("cart", np.linspace(during, NOW - 1, 40), "WARN cache miss for user %n")
    fake.add("cart", np.linspace(during, NOW - 1, 12), "ERROR connection to 10.0.0.%n:5432 refused")
    fake.add("search", np.linspace(during, NOW - 1, 50), "ERROR of somebody else")
    return fake


async def found(fake: FakeLoki, case=None, run=RUN, **settings):
    async with serve(fake), gatherer(loki={"url": fake.url, **settings}) as made:
        return await made.gather(run, case or incident(), NOW)


@pytest.mark.parametrize("metadata", [False, True])
async def test_only_shapes_that_are_new_or_grew_are_kept(metadata):
    got = await found(lines(FakeLoki(metadata=metadata)))
    assert got.troubles == ()
    refused, missed = got.logs
    assert (refused.template, refused.count, refused.before) == (
        "ERROR connection to <*> refused",
        12,
        0.0,
    )
    assert refused.example.startswith("ERROR connection to 10.0.0.")
    assert missed.template == "WARN cache miss for user <*>"
    assert missed.rate == pytest.approx(40 / 600)
    assert missed.before == pytest.approx(4 / 600)


async def test_both_times_are_asked_for_within_the_limit():
    fake = lines(FakeLoki())
    await found(fake, lines=100)
    during, before = fake.asked("/loki/api/v1/query_range")
    assert during == {
        "query": '{service_name="cart"}',
        "start": f"{int(START)}000000000",
        "end": f"{int(NOW)}000000000",
        "limit": "100",
        "direction": "backward",
    }
    assert (before["start"], before["end"]) == (f"{int(START - 600)}000000000", during["start"])


async def test_lines_that_were_too_many_are_compared_by_the_time_that_they_cover():
    fake = FakeLoki()
    fake.add("cart", np.linspace(START - 600, NOW - 1, 6000), "INFO served request %n")
    got = await found(fake, lines=100)
    assert got.logs == ()


async def test_an_incident_that_began_with_the_run_has_nothing_to_compare_with():
    fake = lines(FakeLoki())
    got = await found(fake, run=replace(RUN, started_at=START - 5))
    assert got.logs == ()
    assert "began with the run" in got.troubles[0]
    assert fake.seen == []


async def test_the_query_of_ones_own_keeps_what_is_in_a_name():
    fake = lines(FakeLoki(label="app"))
    fake.add('ca"rt', [START + 1] * 9, "FATAL out of luck")
    case = incident(('ca"rt', 1.0), anomalies=(of('ca"rt', kind=Kind.ERRORS),))
    got = await found(fake, case, query='{app="$service"}')
    assert [one.service for one in got.logs] == ['ca"rt']
    assert fake.asked("/loki/api/v1/query_range")[0]["query"] == '{app="ca\\"rt"}'


@pytest.mark.parametrize(
    ("fake", "settings", "told"),
    [
        (
            FakeLoki(tenant="shop"),
            {},
            "does not know us; check auth and headers (HTTP 401): no org",
        ),
        (FakeLoki(most=100), {}, "refuses the query (HTTP 400): max entries limit per query"),
        (FakeLoki(), {"query": "cart $service"}, "refuses the query (HTTP 400): parse error at"),
        (
            FakeLoki(),
            {"query": 'rate({a="$service"}[1m])'},
            "answers matrix, not log lines; enrich.loki.query must select lines",
        ),
        (FakeLoki(trouble=refuse(500, "context canceled")), {}, "fails (HTTP 500): context"),
        (
            FakeLoki(
                trouble=refuse(
                    200,
                    '{"data":{"resultType":"streams","result":[{"values":[["x","line"]]}]}}',
                    "application/json",
                )
            ),
            {},
            "answers a line at 'x'",
        ),
        (
            FakeLoki(
                trouble=refuse(
                    200,
                    '{"data":{"resultType":"streams","result":[{"values":[["1"]]}]}}',
                    "application/json",
                )
            ),
            {},
            "answers a line without its time",
        ),
    ],
)
async def test_what_loki_answers_instead_is_told_in_a_sentence(fake, settings, told):
    got = await found(lines(fake), **settings)
    assert got.logs == ()
    assert got.troubles[0].startswith(f"enrich.loki ({fake.url}) {told}")
