"""What a person accepts holds for the runs that come after it, as long as it is to, and is told."""

from __future__ import annotations

import pytest

from anomalyd import accepting
from anomalyd.model import Finding, Outcome, Run, Verdict
from anomalyd.runs.acceptance import Asked, BadAcceptance, NotAcceptable, Undone
from tests.daemon.bench import Bench
from tests.daemon.test_record import replays
from tests.daemon.test_teaching import accepted, judged, look, of_pricing, taught_by, troubled

LATENCY = 'latency{service="pricing"}'
MOST = 0.6
"""Of what is slower than production, which may be accepted here."""


def accept(shop: Bench, run: Run | str, **asked: object) -> None:
    run_id = run if isinstance(run, str) else run.id
    accepting.accept(shop.store, MOST, run_id, Asked(**asked), shop.now)


def told(verdict: Verdict) -> str:
    return "\n".join(verdict.reasons)


def crept(verdict: Verdict) -> list[Finding]:
    return [found for found in verdict.findings if found.detector == "golden"]


async def test_an_accepted_change_is_expected_told_and_over_with_its_version(shop, staging):
    async with shop.at_work():
        await accepted(shop, staging)
        troubled(staging, fault=1.4)
        failed, verdict = await judged(shop, version="v2.3.0")
        assert verdict.outcome is Outcome.FAIL
        accept(shop, failed, signal=LATENCY, change="+40%", until="v2.4", note="it looks up taxes")
        known, verdict = await judged(shop, version="v2.3.1")
        assert verdict.outcome is not Outcome.FAIL
        assert f"+40% is accepted until v2.4 (run {failed.id}: it looks up taxes)" in told(verdict)
        found = of_pricing(verdict)
        assert "+40% is accepted" in found.note
        assert abs(found.effect) < 0.05
        _, verdict = await judged(shop, version="v2.4.0")
        assert verdict.outcome is Outcome.FAIL
        assert "is accepted" not in told(verdict)
        accepting.undo(shop.store, failed.id, Undone(signal=LATENCY))
        _, verdict = await judged(shop, version="v2.3.1")
        assert verdict.outcome is Outcome.FAIL
    (change,) = replays(shop, known.id).ended.changes
    assert (change.run, change.relative) == (failed.id, 0.4)


async def test_a_restart_goes_on_with_the_changes_that_the_run_began_with(shop, staging):
    async with shop.at_work():
        await accepted(shop, staging, runs=2)
        first, _ = await judged(shop)
        troubled(staging, fault=1.4)
        accept(shop, first, signal=LATENCY, change="+40%", note="it looks up taxes")
        run = shop.start()
        await shop.passes(60)
    async with shop.at_work():
        accept(shop, first, signal='latency{service="cart"}', change="+30%")
        await shop.passes(330)
        verdict = await shop.verdict(run)
    assert verdict.outcome is Outcome.PASS
    assert "+30%" not in told(verdict)
    assert [len(one.begun.changes) for one in replays(shop, run.id).stretches] == [1, 1]


async def test_a_change_that_was_accepted_is_not_learned_as_well(shop, staging):
    async with shop.at_work() as session:
        (first,) = await accepted(shop, staging, runs=1)
        before = session.pipeline.judged_by.transfer
        troubled(staging, fault=1.4)
        accept(shop, first, signal=LATENCY, change="+40%")
        second, _ = await judged(shop)
        accept(shop, second)
        await look(shop)
        after = session.pipeline.judged_by.transfer
        keys = session.pipeline.judged_by.baseline.profiles.keys
    at = keys.index(LATENCY)
    assert after.runs == 2
    assert after.mean[at] == pytest.approx(before.mean[at], abs=0.03)


async def test_what_teaches_until_a_version_is_not_judged_by_from_then_on(shop, staging):
    async with shop.at_work():
        first, second = await accepted(shop, staging, runs=2)
        accept(shop, first, golden=True)
        accept(shop, second, until="v2.4")
        await look(shop)
        run, verdict = await judged(shop, version="v2.3")
        assert verdict.reference == "accepted-runs"
        assert replays(shop, run.id).references[-1].transfer.runs == 2
        run = shop.start(version="v2.4")
        assert taught_by(shop) == 0
        assert shop.session.pipeline.judged_by.golden.run == first, "what is pinned stays"
        await look(shop)
        assert taught_by(shop) == 1
        await shop.passes(330)
        verdict = await shop.verdict(run)
        assert verdict.reference == "accepted-runs"
        assert shop.store.accepted() == [first, second]


async def test_creep_is_caught_at_the_golden_run_and_again_in_a_replay(shop, staging):
    async with shop.at_work():
        golden, *_ = await accepted(shop, staging)
        accept(shop, golden, golden=True)
        await look(shop)
        outcomes = []
        for step in range(1, 9):
            troubled(staging, fault=1.03**step)
            run, verdict = await judged(shop)
            outcomes.append(verdict.outcome)
            if verdict.outcome is Outcome.FAIL:
                break
            accept(shop, run)
            await look(shop)
        assert outcomes == [Outcome.PASS] * (len(outcomes) - 1) + [Outcome.FAIL]
        assert 1.15 < 1.03 ** len(outcomes) < 1.25
        assert {found.series for found in crept(verdict)} == {LATENCY}
        assert f"of the golden run {golden} at the same load" in told(verdict)
        assert verdict.incidents == ()
    assert replays(shop, run.id).references[-1].golden.run == golden


async def test_without_a_golden_run_the_same_creep_is_followed(shop, staging):
    async with shop.at_work():
        await accepted(shop, staging)
        for step in range(1, 9):
            troubled(staging, fault=1.03**step)
            run, verdict = await judged(shop)
            assert verdict.outcome is Outcome.PASS
            accept(shop, run)
            await look(shop)


async def test_what_cannot_be_accepted_is_refused_in_a_sentence(shop, staging):
    async with shop.at_work():
        run, _ = await judged(shop)
        for asked, said in {
            "a change alone": ({"change": "+8%"}, "needs both"),
            "a signal alone": ({"signal": LATENCY}, "needs both"),
            "no selector": ({"signal": "{", "change": "+8%"}, "is not a selector"),
            "no sign": ({"signal": LATENCY, "change": "8%"}, "has no sign"),
            "no size": ({"signal": LATENCY, "change": "+much"}, "is not a change"),
            "points of a latency": ({"signal": LATENCY, "change": "+1pp"}, r"like \+8%"),
            "per cent of errors": ({"signal": "errors", "change": "+8%"}, r"like \+0.5pp"),
            "no such series": ({"signal": "speed", "change": "+8%"}, "its signals are"),
            "too much": ({"signal": LATENCY, "change": "+61%"}, "more than may be accepted"),
            "no end": ({"until": "soon"}, "no version and no date"),
            "a golden change": (
                {"signal": LATENCY, "change": "+8%", "golden": True},
                "are for whole runs",
            ),
        }.values():
            with pytest.raises((BadAcceptance, NotAcceptable), match=said):
                accept(shop, run, **asked)
        accept(shop, run, signal=LATENCY, change="+40%")
        accept(shop, run, signal=LATENCY, change="+50%")
        with pytest.raises(NotAcceptable, match="with the 1 before, is more"):
            accept(shop, run, signal="latency", change="+40%")
        with pytest.raises(NotAcceptable, match="no change of latency was accepted"):
            accepting.undo(shop.store, run.id, Undone(signal="latency"))


async def test_all_of_a_run_is_taken_back_at_once_or_one_by_one(shop, staging):
    async with shop.at_work():
        run, _ = await judged(shop)
        accept(shop, run, golden=True, until="2040-01-01")
        accept(shop, run, signal=LATENCY, change="+8%")
        accepting.undo(shop.store, run.id, Undone(golden=True))
        found = accepting.told(shop.store, run.id)
        assert (found["golden"], found["until"]) == (False, "2040-01-01")
        assert [one["change"] for one in found["changes"]] == ["+8%"]
        accepting.undo(shop.store, run.id, Undone())
        assert accepting.told(shop.store, run.id) == {"until": "", "golden": False, "changes": []}
        assert shop.store.accepted() == []
