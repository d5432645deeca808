"""A run that the daemon recorded is judged again to the last digit."""

from __future__ import annotations

import pytest

from anomalyd import codec
from anomalyd.model import Outcome
from anomalyd.replay import bundle, tape
from anomalyd.replay.again import play
from anomalyd.replay.recorded import RecordedRun
from tests.daemon.bench import Bench
from tests.daemon.test_restart import STORIES, after, good


def recorded(shop: Bench, run_id: str) -> RecordedRun:
    return tape.read(shop.config.state_dir / "recordings" / run_id)


def replays(found: RecordedRun) -> None:
    """To the same verdict, as it is and from a bundle of it."""
    assert found.verdict is not None
    assert codec.to_dict(play(found).verdict) == codec.to_dict(found.verdict)


@pytest.mark.parametrize("story", STORIES)
async def test_a_run_replays_to_its_verdict(shop, staging, story, tmp_path):
    async with shop.at_work():
        await shop.passes(100)
        run = shop.start()
        await story(shop, staging)
        verdict = await shop.verdict(run)
    found = recorded(shop, run.id)
    assert found.verdict == verdict
    replays(found)
    bundle.write(found, tmp_path / "run")
    replays(bundle.read(tmp_path / "run"))
    replays(bundle.unpack(bundle.pack(found), "run"))
