"""Who calls whom, from a file."""

from __future__ import annotations

import pytest

from anomalyd.replay.edges import read_edges
from anomalyd.replay.recording import RecordingError


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("caller,callee\n", {}),
        ("caller,callee\na,b\na,c\nb,c\n", {"a": ["b", "c"], "b": ["c"]}),
        ("caller,callee\na,b\na,b\n", {"a": ["b"]}),
        ("callee,caller,calls\nb,a,17\n", {"a": ["b"]}),
        ("\ufeffcaller, callee\n a , b \n\n", {"a": ["b"]}),
    ],
)
def test_callees_by_caller(text, calls, tmp_path):
    path = tmp_path / "edges.csv"
    path.write_text(text, encoding="utf-8")
    assert read_edges(path) == calls


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "its first line must name the columns caller,callee"),
        (b"from,to\na,b\n", "its first line must name the columns caller,callee"),
        (b"caller,callee\na,b\na,\n", "line 3 lacks a caller or callee"),
        (b"caller,callee\na\n", "line 2 lacks a caller or callee"),
        (b"caller,callee\n\xff,b\n", "is not CSV"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(data, sentence, tmp_path):
    path = tmp_path / "edges.csv"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(RecordingError) as caught:
        read_edges(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert sentence in str(caught.value)
