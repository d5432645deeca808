"""Which operations a run called is asked of staging's server once, at its end."""

from __future__ import annotations

from typing import Any

import pytest

from anomalyd import config
from anomalyd.exercise import Exercise
from anomalyd.model import Environment, Run, RunState
from anomalyd.query import QueryError, Trouble
from anomalyd.risk.evidence import CALLED
from anomalyd.sources.base import Side
from tests.parity.test_collectors import Fake

METRICS = {
    "http_server_request_duration_seconds_bucket": frozenset({"le", "service", "http_route"}),
    "http_server_request_duration_seconds_count": frozenset({"service", "http_route"}),
    "http_server_request_duration_seconds_sum": frozenset({"service", "http_route"}),
}
RUN = Run("r1", "nightly", RunState.FINISHED, 1000.0, selector="blue", stopped_at=1290.0)
ANSWER = [
    ({"service": "cart", "http_route": "/add"}, 120.4),
    ({"service": "cart-stg", "http_route": "/add"}, 1.2),
    ({"service": "pay", "http_route": ""}, 3.0),
]


def asked(api: Any, metrics: Any = METRICS, **sections: Any) -> Exercise:
    tree = {
        "environments": {"staging": {"url": "http://localhost:1", "matchers": 'env="stg"'}},
        "identity": {"service": ["service"], "rewrite": [{"match": "(.*)-stg", "to": r"\1"}]},
        "runs": {"label": "testid"},
    }
    settings = config.parse(tree | sections)
    side = Side(Environment.STAGING, settings.environments.staging, api, metrics, 15.0)
    return Exercise(settings, side, lambda: 1300.0)


async def test_operations_are_told_by_how_often_the_run_called_them():
    api = Fake({}, {"sum by (service, http_route) (increase(": ANSWER})
    facts = await asked(api).called(RUN)
    assert [(fact.place, fact.number) for fact in facts[1:]] == [
        ("cart /add", pytest.approx(121.6))
    ]
    assert (facts[0].kind, facts[0].place) == (CALLED, "")
    (query,) = api.asked
    assert 'env="stg"' in query
    assert 'testid="blue"' in query
    assert "[300s]" in query


async def test_a_run_that_called_nothing_is_known_to_have_called_nothing():
    facts = await asked(Fake({}, {})).called(RUN)
    assert [fact.place for fact in facts] == [""]


class Broken(Fake):
    async def instant(self, query: str, time: float | None = None) -> Any:
        raise QueryError(self.told["trouble"], "the server is away")


@pytest.mark.parametrize("trouble", [Trouble.UNREACHABLE, Trouble.TIMEOUT])
async def test_what_a_server_does_not_answer_is_not_known(trouble):
    assert await asked(Broken({"trouble": trouble}, {})).called(RUN) == ()


@pytest.mark.parametrize("case", ["no route", "no metric", "no server", "not wished"])
async def test_where_nothing_tells_operations_apart_nothing_is_asked(case):
    plain = {name: labels - {"http_route"} for name, labels in METRICS.items()}
    api = Fake({}, {})
    made = {
        "no route": lambda: asked(api, plain),
        "no metric": lambda: asked(api, {}),
        "no server": lambda: asked(None),
        "not wished": lambda: asked(api, parity={"with_runs": False}),
    }[case]()
    assert await made.called(RUN) == ()
    assert api.asked == []
