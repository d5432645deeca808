"""What the last look at a deployment counts for: what hangs, is taken down, or has no server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp import web

from anomalyd import deploying
from anomalyd.deploying import Deploying
from anomalyd.deployment import probes
from anomalyd.model import CheckState, Outcome, RunState
from tests.daemon.bench import Bench
from tests.daemon.shop import Shop
from tests.daemon.test_deployment import failed_now, labelled, passes, with_deployment
from tests.deployment.world import NAMES
from tests.fakes.receiver import serving


async def test_a_staging_that_is_taken_down_right_after_the_test_does_not_fail_it(
    shop: Bench, production: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "PAUSE_SECONDS", 0.0)
    probe = {"url": f"{production.url}/api/v1/status/buildinfo", "body": "2.42"}
    async with shop.at_work(with_deployment(shop.config, probes=[probe])) as session:
        await shop.passes(60)
        run = session.runs.start("nightly", "", labelled(""))
        await passes(shop, 480)
        session.runs.stop(run.id)
        production.version = "broken"
        await passes(shop, 10)
        assert failed_now(shop, run) == []
        await passes(shop, 60)
    verdict = shop.store.verdict(run.id)
    assert verdict is not None
    assert verdict.outcome is Outcome.PASS
    assert [one.state for one in verdict.deployment if one.kind == "probe"] == [CheckState.PASSED]


@asynccontextmanager
async def hanging() -> AsyncIterator[tuple[str, asyncio.Event]]:
    """A URL that answers while the event is set."""
    answers, app = asyncio.Event(), web.Application()

    async def answer(request: web.Request) -> web.Response:
        await answers.wait()
        return web.Response()

    app.router.add_get("/", answer)
    async with serving(app) as url:
        yield f"{url}/", answers
        answers.set()


@pytest.mark.parametrize(
    ("hangs", "state"),
    [
        ("always", CheckState.UNKNOWN),
        ("while-tested", CheckState.UNKNOWN),
        ("afterwards", CheckState.PASSED),
    ],
)
async def test_a_probe_that_hangs_until_the_verdict_is_no_pass(
    shop: Bench, monkeypatch: pytest.MonkeyPatch, hangs: str, state: CheckState
) -> None:
    monkeypatch.setattr(deploying, "CONCLUDE_SECONDS", 0.3)
    async with hanging() as (url, answers):
        settings = {"targets": False, "restarts": False, "probes": [{"url": url, "timeout": "60s"}]}
        async with shop.at_work(with_deployment(shop.config, **settings)) as session:
            await shop.passes(60)
            run = session.runs.start("nightly", "", labelled(""))
            await shop.passes(240)
            if hangs != "always":
                answers.set()
                await session.deploying.turn(session.runs.by_id)
                answers.clear()
            await shop.passes(40)
            async with asyncio.TaskGroup() as tasks:
                if hangs != "afterwards":
                    tasks.create_task(session.deploying.turn(session.runs.by_id), name="look")
                await shop.passes(200)
                verdict = await shop.verdict(run)
                answers.set()
            assert session.deploying.checks(run.id) == ()
    assert [one.state for one in verdict.deployment] == [state]
    passed = state is CheckState.PASSED
    assert verdict.outcome is (Outcome.PASS if passed else Outcome.INCONCLUSIVE)


async def test_what_is_asked_for_is_unknown_where_staging_has_no_server(shop: Bench) -> None:
    wishes = {"targets": True, "restarts": True, "version": {"expected": "v2.4"}}
    settings, memory = with_deployment(shop.config, **wishes), shop.store.memory("test")
    async with shop.at_work() as session:
        run = replace(session.runs.start("nightly", "", labelled("")), state=RunState.FINISHED)
        run = replace(run, active_at=shop.now, stopped_at=shop.now + 480)
        made = Deploying(settings, session.pipeline, NAMES, None, memory, lambda: shop.now)
        await made.conclude(run)
        found = [(one.kind.value, one.state) for one in made.checks(run.id)]
    kinds = ("targets", "restarts", "version")
    assert found == [(kind, CheckState.UNKNOWN) for kind in kinds]
