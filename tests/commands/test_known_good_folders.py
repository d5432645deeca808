"""`anomalyd calibrate` and `anomalyd mutate` over what `anomalyd record` saved."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from anomalyd.cli import main
from anomalyd.exits import USAGE
from anomalyd.replay import bundle, judge
from anomalyd.replay.faults import FaultKind
from anomalyd.replay.given import of_csv
from anomalyd.replay.infer import columns
from anomalyd.replay.production import fit_production
from anomalyd.replay.recorded import RecordedRun, Resumed
from tests.commands.test_mutate import narrow
from tests.replay.system import CALLS, production, run, slower

EDGES = {caller: [callee] for caller, callee in CALLS}


@pytest.fixture(scope="module")
def runs() -> dict[str, RecordedRun]:
    """As a daemon would have recorded them."""
    history = narrow(production(hours=2))
    found = columns(history.headers, EDGES)
    accepted = [narrow(run(3, minutes=9))]
    reference = judge.learn(found, fit_production(history, found, 15.0), 15.0, accepted, EDGES)
    good = of_csv(narrow(run(2, minutes=9)), reference, EDGES)
    bad = of_csv(narrow(slower(run(4, minutes=9), "cart", 4.0, after=240)), reference, EDGES)
    (stretch,) = good.stretches
    again = replace(stretch, windows=(), resumed=Resumed(None, ()))
    return {"good": good, "bad": bad, "torn": replace(good, stretches=(stretch, again))}


@pytest.fixture(scope="module")
def folders(runs: dict[str, RecordedRun], tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("folders")
    for name, recorded in runs.items():
        bundle.write(recorded, place / name)
    (place / "run.csv").write_text("time,load\n0,1\n15,1\n")
    return place


def anomalyd(command: str, folders: Path, *words: str) -> Result:
    given = [word if word.startswith("-") or "%" in word else str(folders / word) for word in words]
    return CliRunner().invoke(main, [command, *given])


@pytest.fixture(scope="module")
def mutated(folders: Path) -> dict:
    done = anomalyd("mutate", folders, "good", "--onsets=1", "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_faults_are_put_into_a_recorded_run_and_found_where_they_are(mutated):
    assert mutated["runs"][0]["verdict"] in ("pass", "inconclusive")
    lost = [one for one in mutated["trials"] if one["kind"] == "lost-series"]
    assert {one["service"] for one in lost} == {"cart", "pricing"}
    of_cart = {one["kind"]: one for one in mutated["trials"] if one["service"] == "cart"}
    assert of_cart["lost-series"]["size"] == 1.0
    assert of_cart["latency"]["size"] is not None
    assert all("cart" in series for series in of_cart["latency"]["series"])


def test_the_answer_has_every_service_and_kind_once_and_blind_spots_first(mutated):
    pairs = [(one["service"], one["kind"]) for one in mutated["services"]]
    assert len(pairs) == len(set(pairs))
    assert {kind for service, kind in pairs if service == "cart"} == {str(k) for k in FaultKind}
    blind = [one["blind"] for one in mutated["services"]]
    assert blind == sorted(blind, reverse=True)
    assert mutated["runs"][0]["replays"] >= len(mutated["trials"])
    for one in mutated["recall"]:
        low, high = one["interval"]
        assert low <= one["recall"] <= high
    json.dumps(mutated, allow_nan=False)


def test_recorded_runs_are_calibrated_as_they_were_judged_and_an_offender_exits_1(folders):
    done = anomalyd("calibrate", folders, "good", "bad", "--false-fail", "0.1%", "--json")
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert (found["way"], found["budget"], found["within_budget"]) == ("recorded", 0.001, False)
    assert [one["verdict"] == "fail" for one in found["runs"]] == [False, True]
    assert (found["failed"], found["judged"], found["as_first_run"]) == (1, 2, None)
    assert found["spared_by_settings"] == 1
    first = found["signals"][0]
    assert first["offends"]
    assert [one["series"] for one in first["series"]] == ['latency_p95_seconds{service="cart"}']
    assert first["interval"][0] > first["share_of_budget"]
    assert "latency_p95_seconds" in found["settings"]
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(
    ("command", "words", "sentence"),
    [
        ("mutate", ["bad"], "is no good run, its verdict is fail"),
        ("mutate", ["torn"], "its daemon was restarted or reloaded in mid-run"),
        ("mutate", ["good", "run.csv"], "name only one sort"),
        ("mutate", ["good", "--edges=e.csv"], "--edges is for CSVs"),
        ("calibrate", ["good", "--production=p.csv"], "--production is for CSVs"),
        ("calibrate", ["good", "run.csv"], "name only one sort"),
        ("calibrate", [""], "is not a recording"),
    ],
)
def test_what_a_user_got_wrong_is_one_sentence(folders, command, words, sentence):
    done = anomalyd(command, folders, *words)
    assert done.exit_code == USAGE, done.output
    (line,) = done.stderr.splitlines()
    assert line.startswith("anomalyd: ")
    assert sentence in line


def test_runs_that_were_judged_by_different_budgets_need_one(folders, runs, tmp_path):
    (stretch,) = runs["good"].stretches
    settings = replace(stretch.settings, false_fail=0.05)
    other = replace(runs["good"], stretches=(replace(stretch, settings=settings),))
    bundle.write(other, tmp_path / "loose")
    done = anomalyd("calibrate", folders, "good", str(tmp_path / "loose"))
    assert done.exit_code == USAGE
    assert "name one for all with --false-fail" in done.stderr
