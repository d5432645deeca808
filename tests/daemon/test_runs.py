"""A run from start to verdict, when all is well and when the system is not."""

from __future__ import annotations

from anomalyd.model import Outcome


async def test_a_good_run_passes(shop):
    async with shop.at_work():
        run = shop.start()
        await shop.passes(1800)
        verdict = await shop.verdict(run)
    assert (verdict.outcome, verdict.integrity) == (Outcome.PASS, ()), verdict.reasons


async def test_a_slow_service_fails_the_run(shop, staging):
    async with shop.at_work():
        run = shop.start()
        await shop.passes(600)
        staging.slower["pricing"] = 3.0
        await shop.passes(600)
        verdict = await shop.verdict(run)
    assert verdict.outcome is Outcome.FAIL
    assert [f.series for f in verdict.findings if f.state == "fired"] == [
        'latency{service="pricing"}'
    ]
