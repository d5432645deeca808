"""A shop whose spans a Tempo keeps, judged by TraceQL metrics alone."""

from __future__ import annotations

import time

from anomalyd.config import parse
from anomalyd.model import Outcome
from anomalyd.refresh import Fitter
from tests.daemon.bench import STEP, Bench, bench
from tests.daemon.shop_traces import WINDOW, kept, worked
from tests.fakes.tempo_metrics import FakeTempoMetrics
from tests.fakes.traces import serve


def tree(state, url: str, **more):
    def environment(name: str):
        condition = f'resource.deployment.environment.name = "{name}"'
        return {"tempo": {"url": url, "filter": condition, "timeout": "20s"}}

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


async def ticks(made: Bench, tempo: FakeTempoMetrics, seconds: float, rate: float, **slow) -> None:
    for _ in range(round(seconds / STEP)):
        tempo.spans += worked(made.now, STEP, rate, "staging", **slow)
        made.now += STEP
        tempo.now = made.now
        await made.session.tick(made.now)


async def test_a_good_and_a_bad_run_of_a_shop_whose_spans_a_tempo_keeps(tmp_path):
    async with serve(FakeTempoMetrics()) as tempo:
        config = parse(tree(tmp_path, tempo.url, baseline={"days": 0.03}))
        now = time.time() // WINDOW * WINDOW
        tempo.spans = kept(now - 2600, now, "production")
        async with Fitter(config) as fitter:
            _, series = await fitter.fit(lambda *_: None, lambda *_: None)
        assert series > 8
        tempo.spans = []
        outcomes, suspects = [], []
        for slower, usual in ((1.0, 330), (4.0, 150)):
            async with bench(config) as made:
                made.now = now
                async with made.at_work() as session:
                    assert session.settled
                    await ticks(made, tempo, 120, 3)
                    run = made.start()
                    await ticks(made, tempo, usual, 3)
                    await ticks(made, tempo, 300, 3, pricing=slower)
                    session.runs.stop(run.id)
                    await ticks(made, tempo, 90, 3, pricing=slower)
                verdict = made.store.verdict(run.id)
            now = made.now + 600
            outcomes.append(verdict.outcome)
            suspects += [i.suspects[0].service for i in verdict.incidents if i.suspects]
    assert outcomes == [Outcome.PASS, Outcome.FAIL], verdict.reasons
    assert suspects[0] == "pricing"
