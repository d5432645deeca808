"""A production whose traces are kept by what is away when the daemon starts."""

from __future__ import annotations

import pytest

from anomalyd.config import parse
from tests.daemon.bench import bench
from tests.fakes.jaeger_store import FakeJaegerStore
from tests.fakes.tempo_metrics import FakeTempoMetrics
from tests.fakes.traces import refuse, serve


@pytest.mark.parametrize(
    ("kind", "make"), [("jaeger", FakeJaegerStore), ("tempo", FakeTempoMetrics)]
)
async def test_the_session_begins_anew_once_it_answers(kind, make, tmp_path):
    async with serve(make()) as staging, serve(make()) as production:
        production.trouble = refuse(503, "starting")
        given = {
            "staging": {kind: {"url": staging.url}},
            "production": {kind: {"url": production.url}},
        }
        config = parse({"environments": given, "state_dir": str(tmp_path), "window": "30s"})
        async with bench(config) as made, made.at_work() as session:
            assert session.production is None, "it is asked for its history, not watched"
            assert any("HTTP 503" in told for told in session.degraded())
            assert not await session.may_know_more()
            production.trouble = None
            assert await session.may_know_more()
