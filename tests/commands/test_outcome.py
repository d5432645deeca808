"""`anomalyd outcome` and `anomalyd risk`, against a daemon and against a state directory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from anomalyd.model import Risk
from anomalyd.runs.store import Store
from tests.api.daemon import Daemon, served
from tests.commands.here import Ended, answered
from tests.risk.outcomes import overstated
from tests.runs import samples


@pytest.fixture
def state(tmp_path: Path) -> Path:
    with Store.open(tmp_path / "state" / "anomalyd.db") as store:
        verdict = samples.verdict(risk=Risk(40.0, ()))
        store.save_verdict(samples.finished(), verdict, now=2000.0)
    return tmp_path / "state"


@pytest.fixture
def config(state: Path, tmp_path: Path) -> str:
    path = tmp_path / "c.yaml"
    path.write_text(
        "environments: {staging: {url: http://localhost:9090}}\n"
        f"state_dir: {state}\nrisk: {{outcomes: 40}}\n"
    )
    return str(path)


async def test_an_outcome_is_kept_in_a_state_directory(config):
    done = await answered("outcome", "r1", "incident", "--note", "down", "-c", config, "--json")
    assert done.code == 0, done.said
    assert json.loads(done.out[0])["became"] == "incident"
    (line,) = (await answered("outcome", "--list", "-c", config)).out
    assert line.startswith("r1  ")
    assert line.endswith("  incident  risk 40  nightly  down")
    undone = await answered("outcome", "r1", "--undo", "-c", config)
    assert undone.out[0].startswith("taken back: r1")
    again = await answered("outcome", "r1", "--undo", "-c", config)
    assert (again.code, again.out) == (2, [])
    assert again.said == ["anomalyd: no outcome of run r1 is recorded: nothing to undo"]
    assert (await answered("outcome", "--list", "-c", config)).out == ["no outcome is recorded"]


async def test_a_daemon_keeps_an_outcome(tmp_path):
    daemon = Daemon(tmp_path)
    async with served(daemon) as api:
        run = daemon.start_run("nightly", "", {})
        daemon.stop_run(run.id)
        daemon.tick(30.0)
        server = ("--server", api.url)
        done = await answered("outcome", run.id, "clean", *server)
        assert done.out[0].startswith(run.id), done.said
        assert len((await answered("outcome", "--list", *server)).out) == 1
        risk = await answered("risk", *server, "--json")
        assert json.loads(risk.out[0])["standing"] == "uncalibrated: 1 of 30 outcomes recorded"
        undone = await answered("outcome", run.id, "--undo", *server, "--json")
        assert json.loads(undone.out[0])["undone"]["became"] == "clean"
        again = await answered("outcome", run.id, "--undo", *server, "--json")
        assert (again.code, again.out, len(again.said)) == (2, [], 1)
        unknown = await answered("outcome", "none", "clean", *server)
        assert (unknown.code, len(unknown.said)) == (2, 1)
        assert "there is no run none" in unknown.said[0]
    daemon.store.close()


async def test_the_reliability_is_shown_once_there_are_as_many_as_configured(config, state):
    some, drawn = overstated(39), state / "risk.svg"
    with Store.open(state / "anomalyd.db") as store:
        for one in some:
            store.save_outcome(one)
    before = await answered("risk", "-c", config, "--svg", str(drawn))
    assert before.out[0] == "release risk is uncalibrated: 39 of 40 outcomes recorded"
    assert before.out[-1] == f"{drawn} is not written: there is nothing to draw yet"
    with Store.open(state / "anomalyd.db") as store:
        for one in overstated(60):
            store.save_outcome(one)
    after = await answered("risk", "-c", config, "--svg", str(drawn))
    assert after.out[0].startswith("release risk is calibrated by 60 outcomes")
    assert drawn.read_text().startswith("<svg xmlns=")


REFUSED = {
    "nothing at all": ((), "name the run and what became of it"),
    "a run alone": (("r1",), "say what became of the release"),
    "an undoing with an outcome": (("r1", "clean", "--undo"), "--undo takes the run alone"),
    "a list of one run": (("r1", "--list"), "leave out the run"),
    "an unknown run": (("r9", "clean", "-c", "{config}"), "there is no run r9"),
    "a daemon and a directory": (
        ("r1", "clean", "-c", "{config}", "--server", "http://x"),
        "choose one",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
async def test_what_cannot_be_is_one_sentence(what, config):
    words, sentence = REFUSED[what]
    ended: Ended = await answered("outcome", *(word.format(config=config) for word in words))
    assert (ended.code, len(ended.said), ended.out) == (2, 1, []), ended
    assert sentence in ended.said[0]
