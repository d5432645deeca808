"""A shop whose traces a Jaeger keeps, judged by searching for them, with either of its APIs."""

from __future__ import annotations

import time

import pytest

from anomalyd.config import parse
from anomalyd.model import Outcome
from anomalyd.refresh import Fitter
from tests.daemon.bench import STEP, Bench, bench
from tests.daemon.shop_traces import WINDOW, kept, worked
from tests.fakes.jaeger_store import FakeJaegerStore
from tests.fakes.traces import serve


def tree(state, url: str, apart: bool, **more):
    """apart: each environment has a Jaeger of its own."""

    def environment(name: str):
        found = {"url": url, "services": ["cart"], "timeout": "20s"}
        return {"jaeger": {**found, "environment": [] if apart else [name]}}

    return {
        "environments": {name: environment(name) for name in ("staging", "production")},
        "signals": {"presets": ["http", "operations", "edges"]},
        "identity": {"entry": "cart"},
        "step": f"{STEP:g}s",
        "window": f"{WINDOW}s",
        "state_dir": str(state),
        "judgement": {"warmup": "90s", "settle": "80s"},
        "api": {"listen": "127.0.0.1:0"},
        **more,
    }


async def ticks(made: Bench, jaeger: FakeJaegerStore, seconds: float, **slow) -> None:
    for _ in range(round(seconds / STEP)):
        jaeger.spans += worked(made.now, STEP, 3, "staging", **slow)
        made.now += STEP
        jaeger.now = made.now
        await made.session.tick(made.now)


async def fitted(config, jaeger: FakeJaegerStore, now: float) -> int:
    jaeger.spans = kept(now - 2600, now, "production")
    async with Fitter(config) as fitter:
        _, series = await fitter.fit(lambda *_: None, lambda *_: None)
    jaeger.spans = []
    return series


@pytest.mark.parametrize(("flavour", "spm", "slower"), [("v1", True, 4.0), ("v3", False, 1.0)])
async def test_runs_of_a_shop_whose_traces_a_jaeger_keeps(flavour, spm, slower, tmp_path):
    async with serve(FakeJaegerStore(flavour=flavour, spm=spm, delay=2.0)) as jaeger:
        config = parse(tree(tmp_path, jaeger.url, spm, baseline={"days": 0.03}))
        now = time.time() // WINDOW * WINDOW
        assert await fitted(config, jaeger, now) >= (11 if not spm else 9)
        async with bench(config) as made:
            made.now = now
            async with made.at_work() as session:
                assert session.settled
                await ticks(made, jaeger, 120)
                run = made.start()
                await ticks(made, jaeger, 330)
                await ticks(made, jaeger, 330, pricing=slower)
                assert session.degraded() == []
                session.runs.stop(run.id)
                await ticks(made, jaeger, 90, pricing=slower)
                assert session.pipeline.graph.callees == {"cart": ("pricing",)}
            verdict = made.store.verdict(run.id)
    if slower == 1.0:
        assert verdict.outcome is Outcome.PASS, verdict.reasons
        return
    assert verdict.outcome is Outcome.FAIL, verdict.reasons
    assert verdict.incidents[0].suspects[0].service == "pricing"
