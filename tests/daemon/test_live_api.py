"""The API of a daemon at work: what is asked there takes effect, and shows."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from anomalyd.commands import recordings
from tests.daemon.process import Process, command, fast, serving, with_baseline, written
from tests.daemon.shop import Shop
from tests.fakes.prometheus import serve

with_others = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
async def daemon(staging, production, tmp_path) -> AsyncIterator[Process]:
    tree = fast(staging.url, production.url, tmp_path / "state")
    with_baseline(tree)
    async with serving(written(tmp_path / "c.yaml", tree)) as served:
        await served.answers("/api/v1/series", lambda _, told: told.get("total") == 7)
        yield served


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def calm(tmp_path_factory) -> AsyncIterator[Process]:
    """One daemon for all tests that only start a run and end it."""
    state = tmp_path_factory.mktemp("calm")
    async with serve(Shop()) as staging, serve(Shop()) as production:
        tree = fast(staging.url, production.url, state / "state")
        with_baseline(tree)
        async with serving(written(state / "c.yaml", tree)) as served:
            await served.answers("/api/v1/series", lambda _, told: told.get("total") == 7)
            yield served


async def test_a_silence_keeps_a_series_from_deciding_until_it_is_ended(daemon, staging, tmp_path):
    asked = {"signal": "errors", "match": 'service="cart"', "reason": "known", "duration": "1h"}
    status, silence = await daemon.ask("/api/v1/silences", "POST", asked)
    assert status == 201
    run = await daemon.start()
    staging.failing["cart"] = 0.5
    row = 'errors{service="cart"}'
    await daemon.answers(
        "/api/v1/series?match=errors",
        lambda _, told: any(
            one["series"] == row and one["observed"] > 0.4 for one in told["series"]
        ),
    )
    assert (await daemon.ask(f"/api/v1/silences/{silence['id']}", "DELETE"))[0] == 204
    await daemon.answers(f"/api/v1/incidents?run={run}", lambda _, told: told["total"] == 1)
    await daemon.ask("/api/v1/silences", "POST", asked)
    refused = await command("record", run, "-o", str(tmp_path / "r"), "--server", daemon.url)
    assert refused.said[-1].endswith(
        "has no recording; see limits.recording_bytes, or wait for its verdict"
    )
    verdict = await daemon.verdict(run)
    assert verdict["outcome"] == "fail"
    done = await command("record", run, "-o", str(tmp_path / "r"), "--server", daemon.url)
    assert done.child.returncode == 0, done.said
    assert recordings.replay(tmp_path / "r", (), None)["recorded"]["identical"]


async def test_a_silenced_series_is_listed_in_the_verdict(daemon, staging):
    asked = {"signal": "errors", "reason": "being replaced", "duration": "1h"}
    await daemon.ask("/api/v1/silences", "POST", asked)
    staging.failing["cart"] = 0.5
    run = await daemon.start()
    await daemon.answers(f"/api/v1/runs/{run}", lambda _, told: told["phase"] == "steady")
    verdict = await daemon.verdict(run)
    assert verdict["outcome"] != "fail"
    assert verdict["incidents"] == []
    assert 'errors{service="cart"}' in verdict["coverage"]["silenced"]


@with_others
async def test_a_note_is_in_the_run_and_in_its_report(calm):
    run = await calm.start()
    status, noted = await calm.ask(f"/api/v1/runs/{run}/notes", "POST", {"text": "cold cache"})
    assert (status, noted["notes"]) == (201, ["cold cache"])
    await calm.verdict(run)
    path = f"/api/v1/runs/{run}/report.json"
    report = await calm.answers(path, lambda status, _: status == 200)
    assert report["run"]["notes"] == ["cold cache"]
    await calm.ask(f"/api/v1/runs/{run}/notes", "POST", {"text": "and on Monday"})
    report = await calm.answers(path, lambda status, _: status == 200)
    assert report["run"]["notes"] == ["cold cache", "and on Monday"]


@with_others
async def test_a_report_that_is_being_written_is_told_apart_from_none(calm):
    run = await calm.start()
    status, told = await calm.ask(f"/api/v1/runs/{run}/report.json")
    assert (status, told["error"]["code"]) == (404, "no_report")
    await calm.verdict(run)
    status, told = await calm.ask(f"/api/v1/runs/{run}/report.json")
    assert status == 200 or told["error"]["code"] == "not_ready"


@with_others
async def test_what_the_daemon_does_is_on_its_metrics_page(calm):
    run = await calm.start()
    await calm.verdict(run)
    _, text = await calm.ask("/metrics")
    assert f'anomalyd_run_verdict{{outcome="inconclusive",run="{run}"}} 1.0' in text
    assert 'anomalyd_source_up{source="staging"} 1.0' in text


@with_others
async def test_the_page_of_a_run_is_there_before_and_after_its_reports(calm):
    run = await calm.start()
    for _ in range(2):
        status, page = await calm.ask(f"/runs/{run}")
        assert (status, run in page) == (200, True)
        await calm.verdict(run)
