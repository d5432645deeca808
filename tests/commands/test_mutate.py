"""`anomalyd mutate`, by the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from anomalyd.cli import main
from anomalyd.exits import USAGE
from anomalyd.replay.recording import Recording
from tests.replay.system import production, run, written


def narrow(recording: Recording) -> Recording:
    """Of the small system, the load and what one service shows."""
    kept = [i for i, h in enumerate(recording.headers) if "request_rate" in h or "cart" in h]
    headers = tuple(recording.headers[i] for i in kept)
    return Recording(recording.times, headers, recording.values[:, kept])


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = {
        "production": production(hours=2),
        "good": run(2, minutes=9),
        "accepted": run(3, minutes=9),
    }
    narrowed = {name: narrow(recording) for name, recording in made.items()}
    return written(tmp_path_factory.mktemp("recordings"), **narrowed)


def mutate(files: dict[str, Path], name: str, *more: str) -> Result:
    given = [str(files[name]), "--production", str(files["production"]), "--onsets", "1"]
    given += ["--edges", str(files["edges"]), "--accepted", str(files["accepted"])]
    return CliRunner().invoke(main, ["mutate", *given, *more])


def test_blind_spots_are_printed_first_then_sizes_then_recall(files):
    done = mutate(files, "good")
    assert done.exit_code == 0, done.output
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    places = [
        next(at for at, line in enumerate(lines) if line.startswith(word))
        for word in ("blind spots", "found in every trial", "recall")
    ]
    assert places == sorted(places)
    assert any("no series that it would show in" in line for line in lines[places[0] : places[1]])
    assert any(
        line.split()[:3] == ["cart", "lost-series", "all"] for line in lines[places[1] : places[2]]
    )


@pytest.mark.parametrize(
    ("name", "words", "sentence"),
    [
        ("accepted", [], "is to be mutated and accepted; name it once"),
        ("edges", [], "needs one column named time"),
        ("good", ["--false-fail", "often"], "'often' is not a size of change"),
    ],
)
def test_what_a_user_got_wrong_is_one_sentence(files, name, words, sentence):
    done = mutate(files, name, *words)
    assert done.exit_code == USAGE
    (line,) = done.stderr.splitlines()
    assert line.startswith("anomalyd: ")
    assert sentence in line
