"""`anomalyd watch --server`: judged by a daemon that may be away, busy or strict."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import TextIO

import pytest

from tests.commands.conftest import windows_pass
from tests.commands.here import answered
from tests.daemon.process import (
    Process,
    command,
    serving,
    spawned,
    until,
    until_async,
    written,
)
from tests.servers import free_port

LONG = ("sleep", "120")
ACCEPT = ("--accept", "inconclusive")


@pytest.fixture
async def daemon(config) -> AsyncIterator[Process]:
    async with serving(config) as served:
        await served.answers("/-/ready", lambda status, _: status == 200)
        yield served


async def watch(server: str, *run: str, options: tuple[str, ...] = (), **more) -> Process:
    return await command("watch", "--server", server, *options, "--", *run, **more)


def watching(server: str, *run: str, options: tuple[str, ...] = ()):
    return spawned("watch", "--server", server, *options, "--", *run)


def told(process: Process) -> list[str]:
    return [line.removeprefix("anomalyd: ") for line in process.said if "anomalyd: " in line]


async def test_a_run_is_judged_there_and_its_reports_are_brought_here(
    daemon, gate, tmp_path, staging
):
    staging.failing["cart"] = 0.5
    output = tmp_path / "out"
    options = ("--output", str(output), "--json")
    async with watching(daemon.url, *gate.command(), options=options) as ended:
        await ended.says("incident open: cart")
        gate.open()
        assert await ended.ended() == 1, ended.said
    (line,) = ended.out
    document = json.loads(line)
    assert (document["verdict"]["outcome"], document["exit_code"]) == ("fail", 1)
    assert [path.name for path in output.iterdir()] == ["report.json"]
    assert any(line.startswith("incident open: cart") for line in told(ended))


async def test_all_formats_of_the_server_are_brought(tree, tmp_path):
    tree["reports"] = {"formats": ["json", "junit", "markdown", "html"]}
    output = tmp_path / "out"
    async with serving(written(tmp_path / "c.yaml", tree)) as daemon:
        await daemon.answers("/-/ready", lambda status, _: status == 200)
        ended = await watch(daemon.url, "true", options=("--output", str(output), *ACCEPT))
    assert ended.child.returncode == 0, ended.said
    names = {path.name for path in output.iterdir()}
    assert names == {"report.json", "junit.xml", "report.md", "report.html"}


async def test_reports_that_cannot_be_kept_cost_no_verdict(daemon, tmp_path):
    (tmp_path / "file").write_text("")
    output = str(tmp_path / "file" / "out")
    ended = await watch(daemon.url, "true", options=("--output", output, *ACCEPT))
    assert ended.child.returncode == 0, ended.said
    assert any("the report cannot be written" in line for line in told(ended))


@pytest.mark.parametrize("path", ["", "/behind/a/proxy"])
async def test_a_server_that_is_away_at_the_start_is_one_sentence(path):
    url = f"http://127.0.0.1:{free_port()}{path}"
    ended = await watch(url, "true", options=("--wait", "1s"))
    assert (ended.child.returncode, len(ended.said)) == (2, 1), ended.said
    assert "cannot be reached" in ended.said[0]


async def test_a_url_that_is_none_is_one_sentence():
    ended = await watch("localhost:1", "true")
    assert (ended.child.returncode, len(ended.said)) == (2, 1), ended.said
    assert "write http://host:port" in ended.said[0]


async def test_a_server_that_is_no_anomalyd_is_one_sentence(staging):
    ended = await watch(staging.url, "true")
    assert (ended.child.returncode, len(told(ended))) == (2, 1), ended.said


async def test_only_the_right_token_is_let_in(tree, tmp_path, monkeypatch):
    tree["api"]["token"] = "right"
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.write_text("right\n")
    wrong.write_text("wrong\n")
    async with serving(written(tmp_path / "c.yaml", tree)) as daemon:
        daemon.token = "right"
        await daemon.answers("/-/ready", lambda status, _: status == 200)
        output = ("--output", str(tmp_path / "out"), *ACCEPT)
        for options, environ, code in (
            (("--token-file", str(wrong)), {}, 2),
            ((*output, "--token-file", str(right)), {}, 0),
            (output, {"ANOMALYD_TOKEN": "right"}, 0),
        ):
            ended = await watch(daemon.url, "true", options=options, environ=environ)
            assert ended.child.returncode == code, ended.said
            if code == 2:
                assert len(ended.said) == 1, ended.said
                assert "Traceback" not in ended.said[0]
        for options, token in (
            ((), None),
            ((), "wrong"),
            (("--token-file", str(tmp_path / "none")), "right"),
        ):
            if token is not None:
                monkeypatch.setenv("ANOMALYD_TOKEN", token)
            asked = await answered("runs", "list", "--server", daemon.url, *options)
            assert (asked.code, len(asked.said)) == (2, 1), asked


async def test_beside_a_run_under_way_nothing_is_started(daemon):
    run = await daemon.start("other")
    ended = await watch(daemon.url, "true")
    assert (ended.child.returncode, len(ended.said)) == (2, 1), ended.said
    assert f"run {run} (other) is under way" in ended.said[0]


async def test_a_run_that_settles_is_waited_for(tree, tmp_path):
    tree["judgement"]["settle"] = "3s"
    tree["api"]["token"] = "right"
    token = tmp_path / "token"
    os.mkfifo(token)
    options = ("--output", str(tmp_path / "out"), *ACCEPT, "--token-file", str(token))
    async with serving(written(tmp_path / "c.yaml", tree)) as daemon:
        daemon.token = "right"
        run = await daemon.start("other")
        async with watching(daemon.url, "true", options=options) as process:
            with await writer(token, process) as once_it_waits:
                await daemon.ask(f"/api/v1/runs/{run}/stop", "POST")
                once_it_waits.write("right")
            assert await process.ended() == 0, process.said
    assert any("is settling for another" in line for line in told(process))


async def writer(pipe: Path, process: Process) -> TextIO:
    """Opened as soon as the process reads."""
    opened: list[int] = []

    def opens() -> bool:
        with suppress(OSError):
            opened.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        return bool(opened)

    await until(opens, f"{pipe.name} is read", process)
    return os.fdopen(opened[0], "w")


async def test_a_server_that_was_away_for_most_of_the_run_is_waited_for_and_says_invalid(
    tree, tmp_path, gate, staging
):
    tree["api"] = {"listen": f"127.0.0.1:{free_port()}"}
    config = written(tmp_path / "c.yaml", tree)
    url = f"http://{tree['api']['listen']}"
    options = ("--output", str(tmp_path / "out"), *ACCEPT)
    async with serving(config) as daemon:
        await daemon.answers("/-/ready", lambda status, _: status == 200)
        async with watching(url, *gate.command(), options=options) as process:
            started = time.time()
            await process.says("run is active")
            await windows_pass(staging, daemon, 1)
            await daemon.killed()
            killed = time.time()
            gate.open()
            await process.says("cannot be reached")
            back = killed + 3 * (killed - started) + 8.0
            await until(lambda: time.time() > back, "most of the run is over", process)
            async with serving(config) as daemon:
                await windows_pass(staging, daemon, 2)
                await stops(daemon, told(process)[0].split()[1])
                code = await process.ended()
            assert code == 4, ("\n".join(process.out), process.said, daemon.said)
            assert process.has_said("waiting for the verdict of")


async def stops(daemon: Process, run: str) -> None:
    async def stopped() -> bool:
        return (await daemon.ask(f"/api/v1/runs/{run}/stop", "POST"))[0] == 200

    await until_async(stopped, f"{run} is stopped", daemon)


async def test_a_server_that_never_comes_back_is_given_up(tree, tmp_path, gate):
    tree["api"] = {"listen": f"127.0.0.1:{free_port()}"}
    url = f"http://{tree['api']['listen']}"
    async with serving(written(tmp_path / "c.yaml", tree)) as daemon:
        await daemon.answers("/-/ready", lambda status, _: status == 200)
        async with watching(url, *gate.command(), options=("--wait", "4s")) as process:
            await process.says("run ")
            await daemon.killed()
            gate.open()
            assert await process.ended() == 2, process.said
    assert not process.has_said("Traceback")
    assert "cannot be reached" in told(process)[-1]
    assert process.out == []


async def test_an_interruption_stops_the_run_there(daemon, tmp_path):
    options = ("--output", str(tmp_path / "out"))
    async with spawned("watch", "--server", daemon.url, *options, "--", *LONG) as process:
        await process.says("run is active")
        process.child.send_signal(signal.SIGINT)
        assert await process.ended() == 130, process.said
    _, listed = await daemon.ask("/api/v1/runs")
    assert [run["state"] for run in listed["runs"]] == ["finished"]


async def test_a_run_that_is_left_is_stopped_there(tree, tmp_path):
    tree["judgement"]["settle"] = "60s"
    async with serving(written(tmp_path / "c.yaml", tree)) as daemon:
        await daemon.answers("/-/ready", lambda status, _: status == 200)
        async with spawned("watch", "--server", daemon.url, "--", *LONG) as process:
            await process.says("run is active")
            for line in ("run is settling", "left without a verdict"):
                process.child.send_signal(signal.SIGINT)
                await process.says(line)
            assert await process.ended() == 130
        _, listed = await daemon.ask("/api/v1/runs")
        assert [run["state"] for run in listed["runs"]] == ["settling"]


async def test_a_server_that_is_yet_to_start_is_waited_for_and_that_is_said_once(tree, tmp_path):
    tree["api"] = {"listen": f"127.0.0.1:{free_port()}"}
    url = f"http://{tree['api']['listen']}"
    options = ("--output", str(tmp_path / "out"), *ACCEPT)
    async with spawned("watch", "--server", url, *options, "--", "true") as process:
        await process.says("cannot be reached")
        async with serving(written(tmp_path / "c.yaml", tree)):
            assert await process.ended() == 0, process.said
    assert process.count("cannot be reached") == 1
    assert process.count("the server answers again") == 1
    assert process.count(f"waiting for the verdict of {url}") == 1
