"""`anomalyd watch --server`: judged by a daemon that may be away, busy or strict."""

from __future__ import annotations

import json
import signal
from collections.abc import AsyncIterator

import pytest

from tests.daemon.process import Process, command, serving, spawned, until, written
from tests.servers import free_port

ACCEPT = ("--accept", "inconclusive")


@pytest.fixture
async def daemon(config) -> AsyncIterator[Process]:
    async with serving(config) as served:
        await served.answers("/-/ready", lambda status, _: status == 200)
        yield served


async def watch(server: str, *run: str, options: tuple[str, ...] = (), **more) -> Process:
    return await command("watch", "--server", server, *options, "--", *run, **more)


def told(process: Process) -> list[str]:
    return [line.removeprefix("anomalyd: ") for line in process.said if "anomalyd: " in line]


async def test_a_run_is_judged_there_and_its_reports_are_brought_here(daemon, tmp_path, staging):
    staging.failing["cart"] = 0.5
    output = tmp_path / "out"
    ended = await watch(daemon.url, "sleep", "4", options=("--output", str(output), "--json"))
    assert ended.child.returncode == 1, ended.said
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


async def test_only_the_right_token_is_let_in(tree, tmp_path):
    tree["api"]["token"] = "right"
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.write_text("right\n")
    wrong.write_text("wrong\n")
    async with serving(written(tmp_path / "c.yaml", tree)) as daemon:
        daemon.token = "right"
        await daemon.answers("/-/ready", lambda status, _: status == 200)
        output = ("--output", str(tmp_path / "out"), *ACCEPT)
        for options, environ, code in (
            ((), {}, 2),
            (("--token-file", str(wrong)), {}, 2),
            (("--token-file", str(tmp_path / "none")), {}, 2),
            ((), {"ANOMALYD_TOKEN": "wrong"}, 2),
            ((*output, "--token-file", str(right)), {}, 0),
            (output, {"ANOMALYD_TOKEN": "right"}, 0),
        ):
            ended = await watch(daemon.url, "true", options=options, environ=environ)
            assert ended.child.returncode == code, ended.said
            if code == 2:
                assert len(ended.said) == 1, ended.said
                assert "Traceback" not in ended.said[0]


async def test_beside_a_run_under_way_nothing_is_started(daemon):
    run = await daemon.start("other")
    ended = await watch(daemon.url, "true")
    assert (ended.child.returncode, len(ended.said)) == (2, 1), ended.said
    assert f"run {run} (other) is under way" in ended.said[0]


async def test_a_run_that_settles_is_waited_for(tree, tmp_path):
    tree["judgement"]["settle"] = "2s"
    async with serving(written(tmp_path / "c.yaml", tree)) as daemon:
        run = await daemon.start("other")
        await daemon.ask(f"/api/v1/runs/{run}/stop", "POST")
        options = ("--output", str(tmp_path / "out"), *ACCEPT)
        ended = await watch(daemon.url, "true", options=options)
    assert ended.child.returncode == 0, ended.said
    assert any("is settling for another" in line for line in told(ended))


async def test_a_server_that_was_away_for_most_of_the_run_is_waited_for_and_says_invalid(
    tree, tmp_path
):
    tree["api"] = {"listen": f"127.0.0.1:{free_port()}"}
    config = written(tmp_path / "c.yaml", tree)
    url = f"http://{tree['api']['listen']}"
    options = ("--output", str(tmp_path / "out"), *ACCEPT)
    async with serving(config) as daemon:
        await daemon.answers("/-/ready", lambda status, _: status == 200)
        async with spawned("watch", "--server", url, *options, "--", "sleep", "3") as process:
            await process.says("run is active")
            await daemon.killed()
            await process.says("cannot be reached")
            async with serving(config):
                assert await process.ended() == 4, process.said
            assert process.has_said("run is finished")


async def test_a_server_that_never_comes_back_is_given_up(tree, tmp_path):
    tree["api"] = {"listen": f"127.0.0.1:{free_port()}"}
    url = f"http://{tree['api']['listen']}"
    async with serving(written(tmp_path / "c.yaml", tree)) as daemon:
        await daemon.answers("/-/ready", lambda status, _: status == 200)
        options = ("--wait", "1s")
        async with spawned("watch", "--server", url, *options, "--", "sleep", "1") as process:
            await process.says("run ")
            await daemon.killed()
            assert await process.ended() == 2, process.said
    assert not process.has_said("Traceback")
    assert "cannot be reached" in told(process)[-1]
    assert process.out == []


async def test_an_interruption_stops_the_run_there(daemon, tmp_path):
    options = ("--output", str(tmp_path / "out"))
    async with spawned("watch", "--server", daemon.url, *options, "--", "sleep", "30") as process:
        await process.says("run is active")
        process.child.send_signal(signal.SIGINT)
        assert await process.ended() == 130, process.said
    _, listed = await daemon.ask("/api/v1/runs")
    assert [run["state"] for run in listed["runs"]] == ["finished"]


async def test_a_run_that_is_left_is_stopped_there(tree, tmp_path):
    tree["judgement"]["settle"] = "60s"
    async with serving(written(tmp_path / "c.yaml", tree)) as daemon:
        await daemon.answers("/-/ready", lambda status, _: status == 200)
        async with spawned("watch", "--server", daemon.url, "--", "sleep", "30") as process:
            await process.says("run is active")
            for line in ("once more kills it", "the run is being judged", "left without"):
                process.child.send_signal(signal.SIGINT)
                if line == "once more kills it":
                    await process.says("run is settling")
            await until(lambda: process.has_said("left without a verdict"), "left", process)
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
