"""`anomalyd watch` with the whole pipeline in its own process."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from anomalyd.runs.store import Store
from tests.commands.conftest import asked_times, windows_pass
from tests.daemon.process import (
    PROGRAM,
    Process,
    command,
    fast,
    serving,
    spawned,
    until,
    written,
)
from tests.fakes.prometheus import never, refuse

LONG = ("sleep", "120")
ENOUGH = 11
"""Windows in which a run can pass."""


async def watch(config: str, *run: str, options: tuple[str, ...] = ()) -> Process:
    return await command("watch", "-c", config, *options, "--", *run)


def watching(config: str, *run: str, options: tuple[str, ...] = (), program=None):
    return spawned("watch", "-c", config, *options, "--", *run, program=program)


async def watched(config: str, gate, staging, windows: int = ENOUGH, program=None) -> Process:
    """A run that ends once so many windows of it have passed."""
    async with watching(config, *gate.command(), program=program) as process:
        await process.says("run is active")
        await windows_pass(staging, process, windows)
        gate.open()
        await process.ended()
    return process


def lives(pid: str) -> bool:
    """Whether there is such a process, other than one that only waits to be forgotten."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def told(process: Process) -> list[str]:
    return [line.removeprefix("anomalyd: ") for line in process.said if "anomalyd: " in line]


async def test_a_good_run_passes(config, gate, staging, tmp_path):
    ended = await watched(config, gate, staging, program=PROGRAM)
    assert ended.child.returncode == 0, (ended.out, ended.said)
    assert "PASS" in "\n".join(ended.out).upper()
    (report,) = (tmp_path / "state" / "reports").glob("*/report.json")
    assert any(str(report.parent) in line for line in ended.out)


@pytest.mark.parametrize("status", [0, 3])
async def test_a_bad_run_fails_whatever_the_command_says(config, gate, staging, status):
    staging.failing["cart"] = 0.5
    async with watching(config, *gate.command(status)) as process:
        await process.says("incident open: cart")
        gate.open()
        assert await process.ended() == 1, (process.out, process.said)
    assert process.has_said("command exited with 3") == (status == 3)


async def test_a_run_too_short_is_inconclusive_unless_that_is_accepted(config):
    assert (await watch(config, "true")).child.returncode == 3
    accepting = ("--accept", "inconclusive")
    assert (await watch(config, "true", options=accepting)).child.returncode == 0


async def test_a_run_without_data_is_invalid(config, gate, staging):
    async with watching(config, *gate.command()) as process:
        await process.says("run is active")
        staging.trouble = refuse(503)
        before = asked_times(staging)
        gone_for = 2 * (before[-1] - before[0]) + 1.0
        await until(
            lambda: asked_times(staging)[-1] - before[-1] > gone_for, "most is gone", process
        )
        gate.open()
        assert await process.ended() == 4, (process.out, process.said)
    assert not process.has_said("incident open")


async def test_a_command_that_fails_by_itself(config):
    ended = await watch(config, "sh", "-c", "exit 7")
    assert ended.child.returncode == 5
    assert told(ended)[-1] == "the command failed by itself with status 7"


@pytest.mark.parametrize("missing", ["no-such-command-at-all", "/no/such/path"])
async def test_a_command_that_is_not_there_starts_nothing(config, missing, staging):
    ended = await watch(config, missing)
    assert (ended.child.returncode, len(ended.said)) == (2, 1)
    assert "no such command; nothing was started" in ended.said[0]
    assert staging.seen == []


async def test_a_command_that_cannot_be_started_leaves_no_run_behind(config, tmp_path):
    script = tmp_path / "script"
    script.write_bytes(b"\x7fELF not really")
    script.chmod(0o755)
    ended = await watch(config, str(script))
    assert ended.child.returncode == 2, ended.said
    assert told(ended)[-1].startswith(f"{script} cannot be started")
    with Store.open(tmp_path / "state" / "anomalyd.db") as store:
        assert [run.state for run in store.unfinished_runs()] in ([], ["settling"])


@pytest.mark.parametrize("options", [("--label", "nonsense"), ("--wait", "soon")])
async def test_options_that_make_no_sense_are_one_sentence(config, options):
    ended = await watch(config, "true", options=options)
    assert (ended.child.returncode, len(ended.said)) == (2, 1), ended.said
    assert ended.said[0].startswith(f"anomalyd: {options[0]}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_one_interruption_ends_the_command_and_judges(demanding, number, tmp_path):
    async with watching(demanding, *LONG) as process:
        await process.says("run is active")
        process.child.send_signal(number)
        assert await process.ended() == 130, process.said
    assert process.has_said("the command is told to end; once more kills it")
    assert "inconclusive" in "\n".join(process.out).lower()
    assert list((tmp_path / "state" / "reports").glob("*/report.json"))


def stubborn(pid: Path) -> tuple[str, ...]:
    """A command that does not end when asked; the number of its child is in `pid` by then."""
    script = f"trap '' INT TERM; sleep 600 & echo $! > {pid}; while :; do sleep 1; done"
    return "sh", "-c", script


async def test_two_interruptions_kill_a_command_with_all_its_children(config, tmp_path):
    pid = tmp_path / "pid"
    async with watching(config, *stubborn(pid)) as process:
        await until(lambda: pid.exists() and bool(pid.read_text()), "it is stubborn", process)
        process.child.send_signal(signal.SIGINT)
        await process.says("once more kills it")
        process.child.send_signal(signal.SIGINT)
        assert await process.ended() == 130, process.said
    assert not lives(pid.read_text().strip())


async def test_three_interruptions_leave_without_a_verdict(config, tree, tmp_path):
    tree["judgement"]["settle"] = "60s"
    config, pid = str(written(tmp_path / "c.yaml", tree)), tmp_path / "pid"
    async with watching(config, *stubborn(pid)) as process:
        await until(lambda: pid.exists() and bool(pid.read_text()), "it is stubborn", process)
        for line in ("once more kills it", "once more leaves", "left without a verdict"):
            process.child.send_signal(signal.SIGINT)
            await process.says(line)
        assert await process.ended() == 130
    assert process.out == []


async def test_an_interruption_while_staging_is_waited_for_starts_nothing(config, staging):
    staging.trouble = never
    async with watching(config, *LONG) as process:
        await until(lambda: bool(staging.seen), "staging is asked", process)
        process.child.send_signal(signal.SIGTERM)
        assert await process.ended() == 130
    assert not process.has_said("run ")
    assert not process.has_said("Traceback")


async def test_a_staging_that_stays_away_is_given_up(config, staging):
    staging.trouble = refuse(503)
    ended = await watch(config, "true", options=("--wait", "5s"))
    assert ended.child.returncode == 2, ended.said
    assert "not ready within 5s" in told(ended)[-1]
    assert "HTTP 503" in told(ended)[-1]


async def test_a_staging_that_comes_in_time_is_judged(config, staging):
    staging.trouble = refuse(503)
    async with watching(config, "true") as process:
        await process.says("waiting: ")
        staging.trouble = None
        assert await process.ended() == 3, process.said


async def test_a_staging_that_refuses_us_is_one_sentence(config, staging):
    staging.trouble = refuse(401)
    ended = await watch(config, "true")
    assert ended.child.returncode == 2
    assert len(told(ended)) == 1, ended.said
    assert "HTTP 401" in told(ended)[0]


async def test_a_production_that_is_away_is_told_and_nothing_passes(
    config, gate, staging, production, tmp_path
):
    (tmp_path / "state" / "baseline.npz").unlink()
    production.trouble = refuse(503)
    ended = await watched(config, gate, staging)
    assert ended.child.returncode == 3, ended.said
    assert any("judging without a baseline: production" in line for line in told(ended))


async def test_a_state_directory_in_use_is_one_sentence(config, tmp_path):
    with Store.open(tmp_path / "state" / "anomalyd.db", exclusive=True):
        ended = await watch(config, "true")
    assert (ended.child.returncode, len(told(ended))) == (2, 1), ended.said
    assert "is in use by another anomalyd" in told(ended)[0]


async def test_a_run_that_a_killed_watch_left_is_ended_first(config, gate):
    async with watching(config, *gate.command()) as process:
        await process.says("run is active")
        process.child.kill()
        gate.open()
        await process.ended()
    ended = await watch(config, "true", options=("--accept", "inconclusive"))
    assert ended.child.returncode == 0, ended.said
    assert any("was left behind by an anomalyd" in line for line in told(ended))


async def test_json_is_one_line_and_the_command_speaks_on_stderr(config):
    options = ("--json", "--accept", "inconclusive")
    ended = await watch(config, "echo", "hello from k6", options=options)
    assert ended.child.returncode == 0, ended.said
    (line,) = ended.out
    document = json.loads(line)
    assert document["verdict"]["outcome"] == "inconclusive"
    assert document["exit_code"] == 0
    assert "hello from k6" in ended.said


async def test_a_full_disk_costs_no_verdict(config, gate, staging, tmp_path):
    reports = tmp_path / "state" / "reports"
    reports.write_text("in the way")
    ended = await watched(config, gate, staging)
    assert ended.child.returncode == 0, ended.said
    assert ended.count("report not written") == 1
    assert not ended.has_said("Traceback")


async def test_without_a_production_nothing_passes(gate, staging, tmp_path):
    config = str(written(tmp_path / "c.yaml", fast(staging.url, None, tmp_path / "state")))
    ended = await watched(config, gate, staging, windows=3)
    assert ended.child.returncode == 3, ended.said
    assert any("environments.production is not set" in line for line in told(ended))


async def test_a_run_that_a_stopped_daemon_left_is_ended_first_as_interrupted(config, tmp_path):
    async with serving(config) as daemon:
        left = await daemon.start("nightly")
        assert await daemon.stopped() == 0
    ended = await watch(config, "true", options=("--accept", "inconclusive"))
    assert ended.child.returncode == 0, ended.said
    assert any(f"run {left} (nightly) was left behind" in line for line in told(ended))
    with Store.open(tmp_path / "state" / "anomalyd.db") as store:
        run = store.run(left)
        assert store.verdict(left) is not None
    assert run is not None
    assert any(note.startswith("interrupted: ") for note in run.notes)
