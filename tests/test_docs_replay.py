"""docs/replay.md says of names what is inferred of them, and its recording can be read."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from anomalyd.replay.infer import columns
from anomalyd.replay.judge import FIRST_WARMUPS, WARMUP
from anomalyd.replay.recording import TIME_COLUMNS, read_csv
from anomalyd.replay.windows import WINDOW

DOCS = (Path(__file__).resolve().parent.parent / "docs" / "replay.md").read_text("utf-8")
ROWS = [
    (name, kind, worse, total == "yes")
    for names, kind, worse, total in re.findall(
        r"^\| ([^|]*`[^|]*) \| (\w+) \| (\w+) \| (yes|no) \|$", DOCS, re.M
    )
    for name in re.findall(r"`(\w+)`", names)
]


def test_the_table_was_found() -> None:
    assert len(ROWS) > 30


@pytest.mark.parametrize(("name", "kind", "worse", "total"), ROWS, ids=lambda one: str(one))
def test_a_name_is_what_the_page_says(name: str, kind: str, worse: str, total: bool) -> None:
    read = columns(["offered_load", f'{name}{{service="cart"}}'], {})
    (series,) = (one for one in read.series if one.signal == name)
    (signal,) = (one for one in read.signals if one.name == name)
    assert (str(signal.kind), str(signal.worse), series.total) == (kind, worse, total)


def test_the_recording_that_is_shown_can_be_read(tmp_path: Path) -> None:
    (block,) = re.findall(r"^```csv\n(.*?)^```$", DOCS, re.M | re.S)
    path = tmp_path / "shown.csv"
    path.write_text(block, encoding="utf-8")
    found = read_csv(path)
    assert found.step == 15.0
    assert np.isnan(found.values).sum() == 1
    read = columns(found.headers, {})
    assert read.load == ('request_rate{service="gateway"}',)
    assert {str(signal.kind) for signal in read.signals} >= {"latency", "errors", "saturation"}


def test_times_that_are_named_are_those_of_the_program() -> None:
    assert f"window of judgement is {WINDOW:g} s" in DOCS
    assert WARMUP == 60.0
    assert "The first minute of a run is a warm-up" in DOCS
    assert FIRST_WARMUPS == (120.0, 300.0)
    assert "two to five minutes" in DOCS
    for name in TIME_COLUMNS:
        assert f"`{name}`" in DOCS
