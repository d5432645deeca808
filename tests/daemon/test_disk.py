"""A disk that is full: the daemon judges on, and says so."""

from __future__ import annotations

import resource
import sys

import pytest

from tests.daemon.process import Process, command, fast, serving, with_baseline, written


@pytest.fixture
def tree(staging, production, tmp_path):
    made = fast(staging.url, production.url, tmp_path / "state")
    made["reports"] = {"formats": ["json", "html"]}
    with_baseline(made)
    return made


def disk_is_full(daemon: Process, full: bool) -> None:
    """From now on no file of the daemon's can grow; or it can again."""
    limit = 1 if full else resource.RLIM_INFINITY
    hard = resource.RLIM_INFINITY
    resource.prlimit(daemon.child.pid, resource.RLIMIT_FSIZE, (limit, hard))


async def test_a_full_disk_degrades_the_daemon_and_costs_no_verdict(tree, tmp_path, staging):
    async with serving(written(tmp_path / "c.yaml", tree)) as daemon:
        run = await daemon.start()
        disk_is_full(daemon, True)
        staging.failing["cart"] = 0.5
        await daemon.answers(f"/api/v1/incidents?run={run}", lambda _, told: told["total"] == 1)
        health = await daemon.answers("/-/healthy", lambda _, told: len(told["reasons"]) >= 2)
        verdict = await daemon.verdict(run)
        await daemon.says("report not written")
        disk_is_full(daemon, False)
        await daemon.answers("/-/healthy", lambda _, told: told["status"] == "ok")
        assert await daemon.stopped() == 0
    assert verdict["outcome"] == "fail"
    assert health["status"] == "degraded"
    assert any("state database" in reason for reason in health["reasons"])
    assert any("the snapshot cannot be written" in reason for reason in health["reasons"])
    told = ("the snapshot cannot be written", "the recording cannot be written")
    for once in (*told, "report not written", "none waits"):
        assert daemon.count(once) == 1, daemon.said
    assert not daemon.has_said("Traceback")
    async with serving(written(tmp_path / "c.yaml", tree)) as daemon:
        _, listed = await daemon.ask("/api/v1/runs")
        assert [(one["id"], one["outcome"]) for one in listed["runs"]] == [(run, "fail")]


async def test_a_disk_that_is_full_at_the_start_ends_it_in_one_sentence(tree, tmp_path):
    ended = await command("serve", "-c", str(written(tmp_path / "c.yaml", tree)), program=FULL)
    assert ended.child.returncode == 2
    assert "the state database" in ended.said[-1]
    assert not ended.has_said("Traceback")


async def test_a_fit_on_a_full_disk_ends_in_one_sentence(tree, tmp_path):
    tree["baseline"] = {"days": 0.01, "step": "1s"}
    config = str(written(tmp_path / "c.yaml", tree))
    ended = await command("baseline", "fit", "-c", config, program=FULL)
    assert ended.child.returncode == 2, ended.said
    told = [line for line in ended.said if line.startswith("anomalyd: ")]
    assert len(told) == 1, ended.said
    assert "free some space" in told[0]
    assert not ended.has_said("Traceback")


LIMIT = "import resource as r; r.setrlimit(r.RLIMIT_FSIZE, (1, 1))"
FULL = (sys.executable, "-c", f"{LIMIT}; from anomalyd.cli import main; main()")
"""anomalyd where no file can grow."""
