"""A production that cannot be had, and baselines that cannot be used: said, never judged by."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from anomalyd.model import Outcome
from tests.daemon.shop import configuration, write_baseline
from tests.fakes.prometheus import refuse


def truncated(path, config):
    path.write_bytes(path.read_bytes()[:-200])


def empty(path, config):
    path.write_bytes(b"")


def of_another_version(path, config):
    with np.load(path) as file:
        arrays = dict(file)
    meta = arrays["meta"].tobytes().replace(b'"version": ', b'"version": 9')
    arrays["meta"] = np.frombuffer(meta, dtype=np.uint8)
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)


def of_another_window(path, config):
    write_baseline(path, config, window=60.0, windows=60)


def without_series(path, config):
    with np.load(path) as file:
        arrays = dict(file)
    arrays["keys"] = np.frombuffer(b"[]", dtype=np.uint8)
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)


UNUSABLE = {
    "truncated": (truncated, "is not a whole baseline"),
    "empty": (empty, "is not a whole baseline"),
    "of another version": (of_another_version, "this anomalyd reads format"),
    "of another window": (of_another_window, "windows of 1m, staging is judged with 30s"),
    "without series": (without_series, "holds no series"),
}


@pytest.mark.parametrize(("spoil", "sentence"), UNUSABLE.values(), ids=UNUSABLE)
async def test_an_unusable_baseline_is_refused_and_nothing_passes(shop, spoil, sentence, caplog):
    spoil(shop.config.state_dir / "baseline.npz", shop.config)
    async with shop.at_work() as session:
        assert any(sentence in reason for reason in session.unready())
        run = shop.start()
        await shop.passes(600)
        verdict = await shop.verdict(run)
    assert (verdict.outcome, verdict.reference) == (Outcome.INCONCLUSIVE, "none")
    assert "no baseline" in verdict.reasons[0]
    assert sum(sentence in record.message for record in caplog.records) == 1


async def test_without_a_baseline_nothing_passes(shop):
    (shop.config.state_dir / "baseline.npz").unlink()
    async with shop.at_work() as session:
        assert "no baseline has been fitted yet" in session.unready()[0]
        run = shop.start()
        await shop.passes(600)
        verdict = await shop.verdict(run)
    assert verdict.outcome is Outcome.INCONCLUSIVE


async def test_without_a_production_nothing_passes_and_nothing_is_missing(shop, staging):
    config = configuration(staging.url, None, shop.config.state_dir)
    (shop.config.state_dir / "baseline.npz").unlink()
    async with shop.at_work(config) as session:
        run = shop.start()
        await shop.passes(600)
        assert session.unready() == []
        verdict = await shop.verdict(run)
    assert verdict.outcome is Outcome.INCONCLUSIVE


async def test_a_baseline_that_comes_during_a_run_is_taken_up(shop, baseline):
    path = shop.config.state_dir / "baseline.npz"
    path.unlink()
    async with shop.at_work() as session:
        run = shop.start()
        await shop.passes(300)
        shutil.copy(baseline, path)
        await shop.passes(1800)
        assert session.unready() == []
        verdict = await shop.verdict(run)
    assert verdict.outcome is Outcome.PASS, verdict.reasons


async def test_a_run_keeps_the_baseline_that_it_began_with(shop):
    path = shop.config.state_dir / "baseline.npz"
    async with shop.at_work() as session:
        run = shop.start()
        await shop.passes(300)
        before = session.pipeline.reference
        write_baseline(path, shop.config, windows=120)
        await shop.passes(300)
        assert session.pipeline.reference is before
        await shop.verdict(run)
        await shop.passes(10)
        assert session.pipeline.reference is not before


async def test_a_baseline_that_is_spoilt_while_it_is_used_is_told_and_the_old_one_judges(shop):
    path = shop.config.state_dir / "baseline.npz"
    async with shop.at_work() as session:
        empty(path, shop.config)
        await shop.passes(10)
        assert "is not a whole baseline" in session.unready()[0]
        run = shop.start()
        await shop.passes(1800)
        assert (await shop.verdict(run)).outcome is Outcome.PASS


async def test_a_production_that_is_away_does_not_hinder_what_is_known_of_it(shop, production):
    production.trouble = refuse(503)
    async with shop.at_work() as session:
        assert session.settled
        assert any("production" in reason for reason in session.degraded())
        run = shop.start()
        await shop.passes(1800)
        assert (await shop.verdict(run)).outcome is Outcome.PASS
        production.trouble = None
        assert await session.may_know_more()
