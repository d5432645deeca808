"""`anomalyd calibrate`, by the command line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from anomalyd import assembly, config
from anomalyd.cli import main
from anomalyd.commands import calibrated
from anomalyd.exits import USAGE
from anomalyd.model import Labels
from anomalyd.replay.calibrate import measure
from tests.commands.test_mutate import narrow
from tests.replay.system import production, run, written
from tests.replay.test_calibrate import verdict

GOOD = ("good2", "good3")
MINUTES = 9


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = {name: run(seed, minutes=MINUTES) for seed, name in enumerate(GOOD, start=2)}
    made["production"] = production(hours=2)
    narrowed = {name: narrow(recording) for name, recording in made.items()}
    return written(tmp_path_factory.mktemp("recordings"), **narrowed)


def calibrate(files: dict[str, Path], *words: str) -> Result:
    given = [str(files.get(word, word)) for word in words]
    paths = ["--production", str(files["production"]), "--edges", str(files["edges"])]
    return CliRunner().invoke(main, ["calibrate", *paths, *given])


def test_good_runs_are_within_the_budget_and_what_few_of_them_exclude_is_said(files):
    done = calibrate(files, *GOOD)
    assert done.exit_code == 0, done.output
    assert done.stderr == ""
    assert "failed: 0 of 2 (0.0% to 84.2%)" in done.stdout
    assert "up to 78% is not excluded" in done.stdout
    assert "299 good runs without a fail would show 1.0%" in done.stdout
    assert "offenders" not in done.stdout
    assert len(re.findall(r"good\d\.csv: \w+, as a first run \w+", done.stdout)) == 2


def test_the_settings_that_are_proposed_demote_what_offends_where_it_fired_and_nothing_else():
    made = [verdict({"latency": ("a", "c")})] * 3 + [verdict()] * 3
    until = 1_800_000_000.0
    tree = yaml.safe_load(calibrated.settings(measure(made, 0.01), until))
    staging = {"staging": {"url": "http://localhost:9090"}}
    (silence,) = assembly.silences(config.parse({"environments": staging, **tree}))
    covered = {
        f"{signal}/{service}"
        for signal in ("latency", "latency_p95", "cpu")
        for service in ("a", "b", "c", "ac")
        if silence.covers(signal, Labels.of({"service": service}))
    }
    assert covered == {"latency/a", "latency/c"}
    assert silence.until == until
    assert "3 of 6" in silence.reason


def test_a_single_run_can_only_be_judged_as_a_first_one(files):
    done = calibrate(files, "good2")
    assert done.exit_code == 0
    assert "1 run known to be good, each judged as a first run" in done.stdout


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["good2", "good2"], "is named twice; name each run once"),
        (["absent.csv"], "absent.csv: cannot be read"),
        (["good2", "--false-fail", "0%"], "write a share above 0%"),
    ],
)
def test_what_a_user_got_wrong_is_one_sentence(files, words, sentence):
    done = calibrate(files, *words)
    assert done.exit_code == USAGE
    (line,) = done.stderr.splitlines()
    assert line.startswith("anomalyd: ")
    assert sentence in line
