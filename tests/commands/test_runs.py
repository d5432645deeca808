"""`anomalyd runs …` against a daemon."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from anomalyd.model import Outcome
from anomalyd.runs.store import Store
from anomalyd.units import rfc3339
from tests.commands.here import Ended, answered
from tests.daemon.process import PROGRAM, Process, command, serving
from tests.runs import samples
from tests.servers import free_port


@pytest.fixture
async def daemon(demanding) -> AsyncIterator[Process]:
    async with serving(demanding) as served:
        await served.answers("/-/ready", lambda status, _: status == 200)
        yield served


async def runs(daemon: Process, *arguments: str) -> Ended:
    return await answered("runs", *arguments, "--server", daemon.url)


async def answer(daemon: Process, *arguments: str):
    ended = await runs(daemon, *arguments, "--json")
    assert ended.code == 0, ended.said
    (line,) = ended.out
    return json.loads(line)


async def reported(daemon: Process, run: str) -> None:
    await daemon.answers(f"/api/v1/runs/{run}/report.json", lambda status, _: status == 200)


async def test_a_run_from_start_to_report(daemon):
    assert (await runs(daemon, "list")).out == ["no run yet"]
    run = (await answer(daemon, "start", "nightly"))["id"]
    assert (await runs(daemon, "show", run)).out[0].startswith(run)
    assert (await answer(daemon, "note", run, "cold cache"))["notes"] == ["cold cache"]
    assert "note: cold cache" in (await runs(daemon, "show", run)).out
    assert (await answer(daemon, "stop", run))["state"] == "settling"
    await reported(daemon, run)
    report = await runs(daemon, "report", run, "--format", "json")
    document = json.loads("".join(report.out))
    assert document["run"]["notes"] == ["cold cache"]
    (listed,) = await answer(daemon, "list")
    assert (listed["id"], listed["outcome"]) == (run, "inconclusive")
    accepted = await answer(daemon, "accept", run, "--note", "as ever")
    assert (accepted["accepted"], accepted["notes"][-1]) == (True, "as ever")
    await reported(daemon, run)
    assert "inconclusive, accepted  nightly" in (await runs(daemon, "list")).out[0]
    undone = await runs(daemon, "accept", run, "--undo")
    assert undone.out == (await runs(daemon, "show", run)).out[:1]
    assert "accepted" not in undone.out[0]
    alone = await command("runs", "list", "--server", daemon.url, program=PROGRAM)
    assert alone.child.returncode == 0
    assert "inconclusive" in alone.out[0]
    as_json = await runs(daemon, "report", run, "--json")
    document["run"]["notes"].append("as ever")
    assert json.loads("".join(as_json.out)) == document
    torn = await runs(daemon, "report", run, "--json", "--format", "xml")
    assert (torn.code, len(torn.said), torn.out) == (2, 1, [])
    assert "choose one" in torn.said[0]
    absent = await runs(daemon, "report", run)
    assert (absent.code, len(absent.said)) == (2, 1)
    assert "has no report as markdown" in absent.said[0]


REFUSED = {
    "an unknown run": (("show", "none"), "there is no run none"),
    "the stop of an unknown run": (("stop", "none"), "there is no run none"),
    "a note to an unknown run": (("note", "none", "text"), "there is no run none"),
    "the acceptance of an unknown run": (("accept", "none"), "there is no run none"),
    "the acceptance of a run under way": (("accept", "{run}"), "has no verdict yet"),
    "an undoing with a reason": (("accept", "{run}", "--undo", "--note", "x"), "takes no --note"),
    "a daemon and a state directory to list": (("list", "-c", "c.yaml"), "choose one"),
    "a daemon and a state directory": (("accept", "{run}", "-c", "c.yaml"), "choose one"),
    "the report of an unknown run": (("report", "none"), "there is no run none"),
    "a selector without a label": (("start", "x", "--selector", "blue"), "set runs.label"),
    "a second run beside another": (("start", "second"), "is under way"),
    "the report of a run under way": (("report", "{run}"), "has no report as markdown"),
}


async def test_what_the_daemon_refuses_is_one_sentence(daemon):
    run = (await answer(daemon, "start", "first"))["id"]
    for what, (arguments, sentence) in REFUSED.items():
        ended = await runs(daemon, *(word.format(run=run) for word in arguments))
        assert (ended.code, len(ended.said), ended.out) == (2, 1, []), (what, ended)
        assert sentence in ended.said[0], what


async def test_a_run_in_a_state_directory_is_accepted_without_a_daemon(config, tmp_path):
    state = tmp_path / "state"
    (state / "recordings" / "r1").mkdir(parents=True)
    with Store.open(state / "anomalyd.db") as store:
        verdict = samples.verdict(outcome=Outcome.PASS)
        store.save_verdict(samples.finished(), verdict, now=2000.0)
        done = await answered("runs", "accept", "r1", "-c", config, "--note", "why", "--json")
        assert done.code == 0, done.said
        row = json.loads(done.out[0])
        assert (row["id"], row["accepted"], row["outcome"]) == ("r1", True, "pass")
        assert row["notes"] == ["why"]
        assert store.accepted() == ["r1"]
        asked = ("--signal", verdict.findings[0].signal, "--change", "+8%", "--until", "v2.4")
        done = await answered("runs", "accept", "r1", "-c", config, *asked)
        assert done.out[1:] == [
            "accepted",
            f"{verdict.findings[0].signal} +8% is accepted until v2.4",
        ]
        done = await answered(
            "runs", "accept", "r1", "-c", config, "--golden", "--until", "2040-01-01"
        )
        assert done.out[1] == "accepted until 2040-01-01, the golden run"
        finished = samples.finished()
        since, until = (rfc3339(one) for one in (finished.started_at, finished.stopped_at))
        line = f"r1  {since} to {until}  pass, accepted, golden  {finished.name}"
        assert (await answered("runs", "list", "-c", config)).out == [line]
        shown = await answered("runs", "show", "r1", "-c", config)
        assert (shown.out[0], "note: why" in shown.out) == (line, True)
        done = await answered("runs", "accept", "r1", "-c", config, "--undo")
        assert done.out[0].endswith("pass  nightly")
        assert store.accepted() == []
    for what in ("accept", "show"):
        refused = await answered("runs", what, "none", "-c", config)
        assert (refused.code, len(refused.said)) == (2, 1)
        assert "there is no run none" in refused.said[0]


async def test_a_look_into_a_state_directory_that_is_not_there_makes_none(config, tmp_path):
    assert (await answered("runs", "list", "-c", config)).out == ["no run yet"]
    refused = await answered("runs", "show", "r1", "-c", config)
    assert (refused.code, len(refused.said)) == (2, 1)
    assert "there is no run r1" in refused.said[0]
    assert not (tmp_path / "state" / "anomalyd.db").exists()


async def test_a_daemon_that_is_away_is_one_sentence():
    server = f"http://127.0.0.1:{free_port()}"
    ended = await answered("runs", "list", "--server", server)
    assert (ended.code, len(ended.said)) == (2, 1)
    assert f"anomalyd at {server} cannot be reached" in ended.said[0]


@pytest.mark.parametrize("token", [b"two\nlines", b"\xff\xfe"], ids=["two lines", "binary"])
async def test_a_token_that_cannot_be_sent_is_one_sentence(tmp_path, token):
    file = tmp_path / "token"
    file.write_bytes(token)
    ended = await answered("runs", "list", "--token-file", str(file))
    assert (ended.code, len(ended.said)) == (2, 1)
    assert f"--token-file {file}: " in ended.said[0]


async def test_a_token_of_the_environment_may_end_with_a_line_break_and_have_none_within(
    monkeypatch,
):
    server = f"http://127.0.0.1:{free_port()}"
    for token, said in (
        ("one\n", "cannot be reached"),
        ("two\nlines", "ANOMALYD_TOKEN has a line"),
    ):
        monkeypatch.setenv("ANOMALYD_TOKEN", token)
        ended = await answered("runs", "list", "--server", server)
        assert (ended.code, len(ended.said)) == (2, 1)
        assert said in ended.said[0]
