"""`anomalyd score`: one stream from CSV to CSV."""

from __future__ import annotations

import csv
import io
import os
import pty
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from anomalyd.cli import main
from anomalyd.commands.score import moment
from anomalyd.exits import USAGE
from anomalyd.streams.score import THRESHOLD, scores

START = 1_700_000_000
VALUES = np.random.default_rng(1).normal(10, 1, 600).round(3)
VALUES[500] = 99.0
SERIES = "timestamp,value\n" + "".join(f"{START + 300 * i},{v}\n" for i, v in enumerate(VALUES))


@pytest.fixture
def series(tmp_path):
    path = tmp_path / "series.csv"
    path.write_text(SERIES)
    return path


def score(*words: object, told: str | None = None):
    return CliRunner().invoke(main, ["score", *map(str, words)], input=told)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_every_row_is_written_as_it_was_with_its_score(series):
    done = score(series)
    found = rows(done.stdout)
    assert done.exit_code == 0
    assert [(row["timestamp"], row["value"]) for row in found] == [
        tuple(line.split(",")) for line in SERIES.splitlines()[1:]
    ]
    expected = scores(START + 300.0 * np.arange(600), VALUES)
    np.testing.assert_allclose([float(row["score"]) for row in found], expected, atol=1e-6)


def test_a_file_is_written_and_what_is_in_it_is_told(series, tmp_path):
    out = tmp_path / "scored.csv"
    done = score(series, "-o", out)
    anomalies = sum(float(row["score"]) >= THRESHOLD for row in rows(out.read_text()))
    assert 1 <= anomalies <= 5
    assert done.stdout == f"{out}: 600 rows, {anomalies} score at least {THRESHOLD}\n"
    assert done.stderr == ""
    assert sorted(os.listdir(tmp_path)) == ["scored.csv", "series.csv"]


def test_a_file_may_be_scored_into_itself(series):
    assert score(series, "-o", series).exit_code == 0
    assert len(rows(series.read_text())) == 600


def test_a_device_stays_a_device(series):
    assert score(series, "-o", os.devnull).exit_code == 0
    assert not os.path.isfile(os.devnull)


def test_stdin_is_scored_to_stdout():
    assert rows(score("-", told=SERIES).stdout)[500]["score"] >= "0.9"


def test_a_row_of_a_pipe_is_scored_before_the_next_one_comes():
    with subprocess.Popen(
        [sys.executable, "-m", "anomalyd", "score", "-"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
    ) as child:  # fmt: skip
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write("timestamp,value\n0,1\n")
        assert child.stdout.readline() == "timestamp,value,score\n"
        assert child.stdout.readline() == "0,1,0.000000\n"
        child.stdin.write("300,2\n")
        assert child.stdout.readline() == "300,2,0.000000\n"
        child.stdin.close()
        assert child.wait(timeout=30) == 0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1700000000", 1_700_000_000),
        ("1700000000.5", 1_700_000_000.5),
        ("2023-11-14T22:13:20Z", 1_700_000_000),
        ("2023-11-14 22:13:20", 1_700_000_000),
        ("2023-11-14 23:13:20+01:00", 1_700_000_000),
        (" 2023-11-14T22:13:20.000 ", 1_700_000_000),
    ],
)
def test_times_are_unix_seconds_or_iso_8601(text, seconds):
    assert score("-", told=f"timestamp,value\n{text},1\n").exit_code == 0
    if "-" in text:
        assert moment(text) == seconds


@pytest.mark.parametrize("cell", ["", "NaN", "null", "NA", "inf"])
def test_a_missing_value_scores_0(cell):
    assert score("-", told=f"timestamp,value\n0,{cell}\n").stdout.endswith(f"0,{cell},0.000000\n")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("time,value\n0,1\n", id="a column called time"),
        pytest.param(" Timestamp , Value \n0,1\n", id="another way to write the header"),
        pytest.param("host,value,timestamp\na,1,0\n", id="more columns in another order"),
        pytest.param("timestamp,value\r\n0,1\r\n\r\n", id="lines of another system"),
    ],
)
def test_what_is_meant_is_taken(text):
    done = score("-", told=text)
    assert done.exit_code == 0
    assert done.stdout == "timestamp,value,score\n0,1,0.000000\n"


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path):
    path = tmp_path / "marked.csv"
    path.write_text("timestamp,value\n0,1\n", encoding="utf-8-sig")
    assert score(path).exit_code == 0


HEAD = "timestamp,value\n"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "stdin: has no column timestamp; its first line must be: timestamp,value"),
        ("timestamp,v\n0,1\n", "stdin: has no column value; its first line must be: "
         "timestamp,value"),
        ("timestamp;value\n0;1\n", "stdin: has no column timestamp; its first line must be: "
         "timestamp,value"),
        (HEAD, "stdin: has no rows below its header; write one per measurement"),
        (HEAD + "0,1\n1,many\n", "stdin, line 3: 'many' is no number; leave it empty if the value "
         "is missing"),
        (HEAD + "yesterday,1\n", "stdin, line 2: 'yesterday' is no time; write ISO 8601 or unix "
         "seconds"),
        (HEAD + "1700000000000,1\n", "stdin, line 2: 1700000000000 is no time in unix seconds; "
         "divide milliseconds by 1000"),
        (HEAD + "nan,1\n", "stdin, line 2: nan is no time in unix seconds; divide milliseconds by "
         "1000"),
        (HEAD + "0\n", "stdin, line 2: has 1 of the header's columns; write all of them"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_one_sentence(text, sentence):
    done = score("-", told=text)
    assert done.exit_code == USAGE
    assert done.stderr == f"anomalyd: {sentence}\n"


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("absent.csv", None, "No such file or directory"),
        ("image.png", b"\x89PNG\r\n\xff\xfe", "is not UTF-8 text"),
        ("zeros.csv", b"timestamp,value\n\x00\n", "zeros.csv, line 2: "),
    ],
)
def test_a_file_that_is_no_csv_is_one_sentence(tmp_path, name, content, sentence):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    done = score(tmp_path / name)
    assert done.exit_code == USAGE
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"anomalyd: {tmp_path / name}")
    assert sentence in line


def test_a_file_that_ends_badly_leaves_no_output_and_an_older_one_as_it_was(tmp_path):
    bad, out = tmp_path / "bad.csv", tmp_path / "out.csv"
    bad.write_text(SERIES + "never,1\n")
    out.write_text("older")
    done = score(bad, "-o", out)
    assert done.exit_code == USAGE
    assert out.read_text() == "older"
    assert sorted(os.listdir(tmp_path)) == ["bad.csv", "out.csv"]


def test_an_output_in_no_folder_is_one_sentence(series, tmp_path):
    done = score(series, "-o", tmp_path / "none" / "o.csv")
    assert done.exit_code == USAGE
    assert done.stderr == (
        f"anomalyd: {tmp_path / 'none' / 'o.csv'}: its folder is not there; make it first\n"
    )


def on_a_terminal(*words: str) -> str:
    """What a command writes to stderr when that is a terminal."""
    master, slave = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "anomalyd", *words], stdout=subprocess.PIPE, stderr=slave, check=True
    )
    os.close(slave)
    said = os.read(master, 65536).decode()
    os.close(master)
    assert done.stdout
    return said


def test_progress_is_shown_on_a_terminal_and_nowhere_else(series, tmp_path):
    assert "scoring" in on_a_terminal("score", str(series), "-o", str(tmp_path / "o.csv"))
    assert "100%" in on_a_terminal("score", str(series))
    assert score(series).stderr == ""


def test_the_threshold_that_is_recommended_is_the_one_that_counts():
    assert f"Recommended threshold: {THRESHOLD}." in " ".join(score("--help").stdout.split())
