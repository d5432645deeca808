"""Wide CSV: what is written is read again, and what is wrong is said in one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalyd.replay import recording as reading
from anomalyd.replay.recording import (
    LARGEST,
    TIME_COLUMNS,
    Recording,
    RecordingError,
    read_csv,
    write_csv,
)

HEADERS = st.lists(
    st.from_regex(r'[a-z_]{1,12}(\{service="[a-z ,;\-]{0,8}"\})?', fullmatch=True)
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=12).map(
        str.strip
    ),
    unique=True,
    max_size=6,
).map(lambda headers: [h for h in headers if h.lower() not in TIME_COLUMNS])


@st.composite
def recordings(draw) -> Recording:
    headers = draw(HEADERS)
    times = sorted(draw(st.sets(st.floats(-1e12, 1e12), max_size=6)))
    cells = st.floats(-LARGEST, LARGEST) | st.sampled_from([np.nan, np.inf, -np.inf])
    count = len(times) * len(headers)
    values = draw(st.lists(cells, min_size=count, max_size=count))
    grid = np.array(values, dtype=float).reshape(len(times), len(headers))
    return Recording(np.array(times, dtype=float), tuple(headers), grid)


@given(recording=recordings())
def test_what_is_written_is_read_again(recording, tmp_path_factory):
    path = tmp_path_factory.mktemp("recording") / "r.csv"
    write_csv(recording, path)
    again = read_csv(path)
    assert again.headers == recording.headers
    np.testing.assert_array_equal(again.times, recording.times)
    np.testing.assert_array_equal(again.values, recording.values)


def read(tmp_path: Path, text: str | bytes) -> Recording:
    path = tmp_path / "r.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_csv(path)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty; its first line must name the columns"),
        ("a,b\n1,2\n", "needs one column named time or timestamp in its first line"),
        ("time,timestamp\n1,2\n", "needs one column named time or timestamp in its first line"),
        ("time,a,b,a\n1,2,3,4\n", "column a is there twice"),
        ("time,a\n1,2\n2\n", "line 3 has 1 columns, the first line has 2"),
        ("time,a\n1,2,3\n", "line 2 has 3 columns, the first line has 2"),
        ("time,a\n1,2\n3,4\n1,5\n", "time 1 is there twice"),
        ("time,a\n1,fast\n", "line 2: 'fast' is not a number"),
        ("time,a\nyesterday,1\n", "'yesterday' is neither unix seconds nor an ISO 8601 time"),
        ("time,a\n,1\n", "'' is neither unix seconds nor an ISO 8601 time"),
        ("time,a\ninf,1\n", "'inf' is not a time"),
        ("time,a,b\n1700000015,1,-1e308\n1,1,1\n", "b is -1e+308 at time 1700000015, and beyond"),
        (b"time,a\n1,\xff\n", "is not UTF-8 text"),
        ("time,a\n1," + 200_000 * "1" + "\n", "is not CSV: field larger than field limit"),
        ("time," + 200_000 * "a" + "\n", "is not CSV: field larger than field limit"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence_that_names_the_file(text, sentence, tmp_path):
    with pytest.raises(RecordingError) as caught:
        read(tmp_path, text)
    said = str(caught.value)
    assert said.startswith(f"{tmp_path / 'r.csv'}: ")
    assert sentence in said
    assert "\n" not in said
    assert len(said) < 300


@pytest.mark.parametrize("name", ["absent.csv", "."])
def test_what_cannot_be_opened_is_said_so(name, tmp_path):
    with pytest.raises(RecordingError, match="cannot be read: "):
        read_csv(tmp_path / name)


def test_a_file_that_would_fill_the_memory_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(reading, "MOST_CELLS", 10)
    assert len(read(tmp_path, "time,a\n" + "".join(f"{i},1\n" for i in range(5))).times) == 5
    with pytest.raises(RecordingError, match="has more than 10 values; use fewer"):
        read(tmp_path, "time,a\n" + "".join(f"{i},1\n" for i in range(20)))


@pytest.mark.parametrize(
    "time",
    [
        "1700000000",
        " 1700000000.0 ",
        "2023-11-14T22:13:20Z",
        "2023-11-14T22:13:20",
        "2023-11-14 22:13:20",
        "2023-11-14T23:13:20+01:00",
        "2023-11-14T22:13:20.000+00:00",
    ],
)
def test_times_are_unix_seconds_or_iso_8601_and_utc_unless_they_say_otherwise(time, tmp_path):
    assert read(tmp_path, f"time,a\n{time},1\n").times.tolist() == [1.7e9]


@pytest.mark.parametrize("cell", ["", " ", "NaN", "nan", "null", "None", "N/A", "na"])
def test_what_is_absent_may_be_written_in_many_ways(cell, tmp_path):
    assert np.isnan(read(tmp_path, f"time,a,b\n1,{cell},2\n").values).tolist() == [[True, False]]


@pytest.mark.parametrize(
    "text",
    [
        "\ufefftime,a\n1,2\n3,4\n",  # as spreadsheets write it
        "Timestamp,a\r\n1,2\r\n3,4\r\n",
        "a,time\n2,1\n4,3\n",
        "time,a\n3,4\n1,2\n",  # in any order
        'time,"a"\n"1","2"\n\n3,4\n',  # quoted, with an empty line
        " time , a \n1, 2\n3, 4\n",
    ],
)
def test_the_same_recording_may_be_written_in_many_ways(text, tmp_path):
    found = read(tmp_path, text)
    assert found.headers == ("a",)
    assert found.times.tolist() == [1, 3]
    assert found.values.tolist() == [[2], [4]]


def test_a_series_with_a_comma_in_its_labels_is_quoted(tmp_path):
    header = 'latency{service="cart",route="/a,b"}'
    quoted = header.replace('"', '""')
    assert read(tmp_path, f'time,"{quoted}"\n1,2\n').headers == (header,)


def test_the_step_is_what_is_usual():
    times = np.array([0.0, 15.0, 30.0, 90.0, 105.0])
    assert Recording(times, (), np.zeros((5, 0))).step == 15.0
    assert np.isnan(Recording(times[:1], (), np.zeros((1, 0))).step)


def test_values_that_do_not_belong_to_times_and_series_are_refused():
    with pytest.raises(RecordingError, match="do not belong to 2 times and 1 series"):
        Recording(np.zeros(2), ("a",), np.zeros((1, 2)))
