"""`anomalyd record`, and `anomalyd replay` of what it recorded, by the command line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from anomalyd.cli import main
from anomalyd.commands import recordings
from anomalyd.config import parse
from anomalyd.exits import USAGE
from anomalyd.recorder import judging
from anomalyd.replay import bundle, judge, references, tape
from anomalyd.replay.again import play
from anomalyd.replay.frames import told
from anomalyd.replay.given import of_csv
from anomalyd.replay.infer import columns
from anomalyd.replay.production import fit_production
from anomalyd.replay.recorded import RecordedRun
from tests.replay.system import CALLS, production, run, slower

EDGES = {caller: [callee] for caller, callee in CALLS}
ENVIRONMENTS = {
    "staging": {"url": "http://localhost:1", "capacity": 0.5},
    "production": {"url": "http://localhost:1"},
}


@pytest.fixture(scope="module")
def recorded() -> RecordedRun:
    """A run with a service that is slower by half, as a daemon would have recorded it."""
    history = production(hours=2)
    found = columns(history.headers, EDGES)
    good = [run(seed, minutes=10) for seed in (2, 3, 4)]
    reference = judge.learn(found, fit_production(history, found, 15.0), 15.0, good, EDGES)
    made = of_csv(slower(run(5, minutes=10), "pricing", 1.6, after=300), reference, EDGES)
    config = parse({"environments": ENVIRONMENTS, "graph": EDGES, "judgement": {"warmup": "60s"}})
    (stretch,) = made.stretches
    settings = replace(stretch.settings, capacity=0.5, ratio=0.5, totals=False)
    made = replace(made, stretches=(replace(stretch, settings=settings),), config=judging(config))
    return replace(made, verdict=play(made).verdict)


@pytest.fixture(scope="module")
def folder(recorded: RecordedRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recorded") / "run"
    bundle.write(recorded, path)
    return path


def anomalyd(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def answered(*words: object, code: int) -> dict:
    done = anomalyd(*words, "--json")
    assert (done.exit_code, done.stderr) == (code, "")
    return json.loads(done.stdout)


def test_a_replay_is_the_verdict_that_was_given(recorded, folder):
    assert recorded.verdict.outcome == "fail"
    answer = answered("replay", folder, code=1)
    assert answer["recorded"]["identical"]
    assert answer["reasons"] == list(recorded.verdict.reasons)
    assert "changed" not in answer
    text = recordings.render(answer)
    assert text.endswith("the recording replays identical to what was judged then")


TOLERATED = "signals.override.latency_p95_seconds={tolerate: 100%, detect: 300%}"
SILENCE = "silences=[{signal: latency.*, reason: known, until: 2100-01-01T00:00:00Z}]"
CHANGES = {
    "what is tolerated": (TOLERATED, "pass", "ok"),
    "a silence": (SILENCE, "pass", "silenced"),
    "a warm-up over most of it": ("judgement.warmup=9m", "inconclusive", "weak"),
}


@pytest.mark.parametrize(("change", "outcome", "state"), CHANGES.values(), ids=CHANGES)
def test_another_setting_gives_both_verdicts(folder, change, outcome, state):
    code = {"pass": 0, "inconclusive": 3}[outcome]
    answer = answered("replay", folder, "--set", change, code=code)
    assert (answer["verdict"], answer["exit_code"]) == (outcome, code)
    assert (answer["recorded"]["verdict"], answer["recorded"]["exit_code"]) == ("fail", 1)
    states = {one["series"]: (one["before"], one["after"]) for one in answer["changed"]}
    assert states['latency_p95_seconds{service="pricing"}'] == ("fired", state)


def test_shadow_mode_changes_the_exit_code_alone(folder):
    done = anomalyd("replay", folder, "--set", "judgement.shadow=true")
    assert done.exit_code == 0
    assert "verdict: fail" in done.stdout
    assert "no series changed its state" in done.stdout


def test_another_configuration_is_compared_without_its_secrets(folder, tmp_path):
    other = {
        "environments": {
            "staging": {
                "url": "${NOWHERE}",
                "capacity": 0.5,
                "auth": {"bearer_file": "/none/there"},
            },
            "production": {"url": "http://localhost:1"},
        },
        "signals": {
            "custom": [
                {
                    "name": "latency_p95_seconds",
                    "kind": "latency",
                    "gauge": "latency_p95_seconds",
                    "tolerate": "100%",
                    "detect": "300%",
                }
            ]
        },
        "graph": EDGES,
    }
    (tmp_path / "other.yaml").write_text(json.dumps(other))
    done = anomalyd("replay", folder, "--config", tmp_path / "other.yaml")
    assert done.exit_code == 0
    assert "verdict: pass" in done.stdout
    assert "as it was recorded: fail" in done.stdout
    assert 'latency_p95_seconds{service="pricing"}: fired became' in done.stdout


REFUSED = {
    "a setting that is in the windows": (
        ["--set", "judgement.settle=5s"], "judgement.settle: changes nothing of a recorded run",
    ),
    "a setting of something else": (["--set", "api.listen=x"], "api.listen: changes nothing"),
    "a wrong value": (["--set", "judgement.false_fail=2"], "judgement.false_fail: 2 is not"),
    "an unknown setting": (["--set", "judgement.flase_fail=1%"], "did you mean false_fail"),
    "an unknown signal": (
        ["--set", "signals.override.nothing.tolerate=1%"], "no such signal was recorded",
    ),
    "a wrong override": (
        ["--set", "signals.override.latency_p95_seconds.tolerate=x"],
        "signals.override.latency_p95_seconds.tolerate: ",
    ),
    "an override of what a signal is": (
        ["--set", "signals.override.latency_p95_seconds.kind=errors"], "may set worse, tolerate",
    ),
    "a configuration that is not there": (["--config", "/none.yaml"], "/none.yaml: cannot be read"),
    "an option for CSVs": (["--false-fail", "1%"], "--false-fail is for CSVs"),
}  # fmt: skip


@pytest.mark.parametrize(("options", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_asked_is_refused_in_one_sentence(folder, options, sentence):
    done = anomalyd("replay", folder, *options)
    assert (done.exit_code, done.stdout) == (USAGE, "")
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_replay_of_nothing_says_what_to_name():
    done = anomalyd("replay")
    assert done.exit_code == USAGE
    assert "name what `anomalyd record` made, or a run as CSV" in done.stderr


def test_settings_are_not_for_csvs(tmp_path):
    done = anomalyd("replay", "--staging", tmp_path / "x.csv", "--set", "judgement.shadow=true")
    assert done.exit_code == USAGE
    assert "--set and --config are for what `anomalyd record` made" in done.stderr


def test_a_folder_of_something_else_is_refused(tmp_path):
    done = anomalyd("replay", tmp_path)
    assert done.exit_code == USAGE
    assert "is not a recording of `anomalyd record`: run.json is missing" in done.stderr


def test_another_version_that_judges_otherwise_is_named(recorded, tmp_path):
    verdict = replace(recorded.verdict, outcome=type(recorded.verdict.outcome).PASS)
    (stretch,) = recorded.stretches
    older = replace(recorded, verdict=verdict, stretches=(replace(stretch, version="0.0.1"),))
    bundle.write(replace(older, lost=2), tmp_path / "run")
    answer = answered("replay", tmp_path / "run", code=1)
    assert not answer["recorded"]["identical"]
    assert answer["recorded"]["differences"] == ["pass became fail"]
    assert "judged by anomalyd 0.0.1" in answer["recorded"]["because"][0]
    text = recordings.render(answer)
    assert "does not replay to what was judged then" in text
    assert "2 windows could not be written" in text


@pytest.fixture
def config(recorded: RecordedRun, tmp_path: Path) -> Path:
    """Of a state directory that has the run."""
    kept = tmp_path / "state" / "recordings" / recorded.run.id
    tape.begin(kept)
    for place, one in enumerate(recorded.references):
        references.write(one, kept, place)
        tape.append(kept, references.frame(one))
    for frame in told(recorded):
        tape.append(kept, frame)
    path = tmp_path / "c.yaml"
    state = str(tmp_path / "state")
    path.write_text(json.dumps({"environments": ENVIRONMENTS, "state_dir": state}))
    return path


def test_a_run_is_recorded_from_the_state_directory(recorded, config, tmp_path):
    name = recorded.run.id
    told_of = answered("record", name, "-o", tmp_path / "run", "-c", config, code=0)
    assert told_of == {
        "run": name,
        "path": str(tmp_path / "run"),
        "windows": len(recorded.batches),
        "outcome": "fail",
        "lost": 0,
    }
    assert answered("replay", tmp_path / "run", code=1)["recorded"]["identical"]
    again = anomalyd("record", name, "-o", tmp_path / "run", "-c", config)
    assert again.exit_code == USAGE
    assert "is there already" in again.stderr


@pytest.mark.parametrize("name", ["none", "../recordings/replay", ".."])
def test_a_run_that_was_not_recorded_is_one_sentence(config, tmp_path, name):
    done = anomalyd("record", name, "-o", tmp_path / "run", "-c", config)
    assert (done.exit_code, done.stdout) == (USAGE, "")
    assert f"has no recording of a run {name}" in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_run_without_a_verdict_is_not_recorded_yet(recorded, config, tmp_path):
    frames = tmp_path / "state" / "recordings" / recorded.run.id / tape.FRAMES
    frames.write_bytes(frames.read_bytes()[:-1])
    done = anomalyd("record", recorded.run.id, "-o", tmp_path / "run", "-c", config)
    assert done.exit_code == USAGE
    assert "has no verdict yet" in done.stderr


def test_settings_are_written_as_they_are_read():
    judgement = {"warmup": "90.5s", "settle": "100ms", "false_fail": "7%", "coverage": "33.3%"}
    config = parse({"environments": ENVIRONMENTS, "judgement": judgement})
    assert parse(dict(judging(config)) | {"environments": ENVIRONMENTS}).judgement == (
        config.judgement
    )
