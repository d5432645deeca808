"""The risk of a release: of a run that a session judged, its recording, and its facts."""

from __future__ import annotations

from dataclasses import replace

from anomalyd.facts import Fact
from anomalyd.model import Outcome
from anomalyd.replay import tape
from anomalyd.replay.again import play
from anomalyd.risk.evidence import CALLED
from tests.daemon.shop import configuration
from tests.risk.evidence import BOTH, called, drift, operation
from tests.risk.outcomes import outcome


def term(risk, name):
    return next(one for one in risk.terms if one.name == name)


async def test_a_run_has_a_risk_by_what_it_showed_and_what_differs_and_replays_to_it(shop):
    facts = (*BOTH, *operation("cart /a"), *operation("cart /b"), drift("pool", "cart"))

    async def asked(run) -> tuple[Fact, ...]:
        return called(""), called("cart /a")

    async with shop.at_work() as session:
        session.pipeline.facts = facts
        session.runs._called = asked
        await shop.passes(60)
        run = shop.start()
        await shop.passes(300)
        verdict = await shop.verdict(run)
        assert session.pipeline.facts == facts
    risk = verdict.risk
    assert term(risk, "operations").value == 0.5
    assert term(risk, "drift").value == 0.4
    assert term(risk, "load").known
    assert 0 < term(risk, "load").value < 1
    assert (risk.calibrated, risk.outcomes, risk.needed) == (False, 0, 30)
    recorded = tape.read(shop.config.state_dir / "recordings" / run.id)
    assert [one.kind for one in recorded.ended.facts if one.kind == CALLED] == [CALLED, CALLED]
    assert play(recorded).verdict.risk == risk.uncalibrated


async def test_outcomes_that_were_recorded_before_a_run_calibrate_it_and_change_no_verdict(
    shop, staging, production
):
    few = {"risk": {"outcomes": 4, "of_each": 1}}
    shop.config = configuration(staging.url, production.url, shop.config.state_dir, **few)
    async with shop.at_work():
        await shop.passes(60)
        before = await judged(shop)
        for at, had in enumerate((True, False, False, False)):
            shop.store.save_outcome(outcome(before.risk.score, had, shop.now, f"old{at}"))
        shop.now += 10
        after = await judged(shop)
        late = replace(outcome(50.0, True, shop.now + 1e6), run_id="later")
        shop.store.save_outcome(late)
        again = await judged(shop)
    assert not before.risk.calibrated
    assert (after.risk.calibrated, after.risk.calibrated_score) == (True, 25.0)
    assert again.risk.outcomes == 4
    assert before.outcome == after.outcome != Outcome.FAIL
    assert shop.store.risk(after.run_id) == (after.risk.score, 25.0)
    document = shop.ended[1].document
    assert document["risk"]["calibrated_score"] == 25.0


async def judged(shop):
    run = shop.start()
    await shop.passes(300)
    return await shop.verdict(run)


async def test_a_run_beyond_production_s_load_has_no_risk_of_it(shop):
    async with shop.at_work():
        await shop.passes(60)
        for one in shop.shops:
            one.load = 130.0
        verdict = await judged(shop)
    assert term(verdict.risk, "load").value == 0.0
