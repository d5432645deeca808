"""Samples into windows, against a loop over windows and samples."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomalyd.model import Kind
from anomalyd.replay.infer import columns
from anomalyd.replay.recording import Recording, RecordingError
from anomalyd.replay.windows import WINDOW, batches, gather, width_of

HEADERS = (
    "load",
    'request_rate{service="cart"}',
    'latency_p95{service="cart"}',
    'error_ratio{service="cart"}',
    'memory_bytes{service="db"}',
)
COLUMNS = columns(HEADERS, {})


def twin(recording: Recording, width: float):
    """(ends, load, values, counts), sample by sample."""
    first = recording.times[0] - min(recording.step, width)
    of = [math.ceil((time - first) / width - 1e-6) for time in recording.times]
    ends, loads, values, counts = [], [], [], []

    def fresh(i):
        now = recording.values[i][0]
        still = i >= 2 and now == recording.values[i - 1][0] == recording.values[i - 2][0]
        return math.isfinite(now) and not (still and now != round(now))

    for slot in sorted(set(of)):
        rows = [recording.values[i] for i in range(len(of)) if of[i] == slot]

        def seen(header, rows=rows):
            at = recording.headers.index(header)
            found = [row[at] for row in rows if math.isfinite(row[at])]
            return [one for one in found if 0 <= one <= 1] if "ratio" in header else found

        def mean(cells):
            return sum(cells) / len(cells) if cells else math.nan

        def middle(cells):
            return float(np.median(cells)) if cells else math.nan

        ends.append(first + slot * width)
        loads.append(
            mean([recording.values[i][0] for i in range(len(of)) if of[i] == slot and fresh(i)])
        )
        kinds = {signal.name: signal.kind for signal in COLUMNS.signals}
        of_errors = [kinds[one.signal] is Kind.ERRORS for one in COLUMNS.series]
        keys = [one.key for one in COLUMNS.series]
        values.append(
            [(mean if e else middle)(seen(k)) for k, e in zip(keys, of_errors, strict=True)]
        )
        requests = mean(seen(HEADERS[1])) * width
        counts.append([requests if "latency" in k or "error" in k else math.nan for k in keys])
    return ends, loads, values, counts


@st.composite
def recordings(draw):
    gaps = draw(st.lists(st.sampled_from([5.0, 5.0, 5.0, 7.0, 60.0]), min_size=1, max_size=30))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    values = rng.choice([np.nan, 0.0, 1.0, 2.5, 100.0, np.inf], (len(gaps) + 1, len(HEADERS)))
    return Recording(1e9 + np.cumsum([0.0, *gaps]), HEADERS, values)


@settings(max_examples=100)
@given(recording=recordings(), width=st.sampled_from([5.0, 15.0, 20.0]))
def test_it_is_its_slow_twin(recording, width):
    found = gather(recording, COLUMNS, width)
    for got, expected in zip(
        (found.ends, found.load, found.values, found.counts), twin(recording, width), strict=True
    ):
        np.testing.assert_allclose(got, np.array(expected), rtol=1e-6)


def test_one_absurd_sample_moves_a_window_s_median_little_and_its_ratio_of_errors_by_its_share():
    values = np.tile([10.0, 10.0, 0.2, 0.01, 1e6], (3, 1))
    values[1, 2:4] = (50.0, 0.31)
    found = gather(Recording(np.array([5.0, 10.0, 15.0]), HEADERS, values), COLUMNS, 15.0)
    assert found.values[0].tolist() == pytest.approx([10.0, 0.2, 0.11, 1e6])


def test_a_series_that_a_recording_does_not_have_is_absent():
    few = Recording(np.array([5.0, 10.0]), HEADERS[:1], np.ones((2, 1)))
    found = gather(few, COLUMNS, 5.0)
    assert np.isnan(found.values).all()
    assert found.load.tolist() == [1.0, 1.0]


def test_counts_may_be_of_another_time_than_the_window_s():
    plain = Recording(np.array([60.0, 120.0]), HEADERS, np.full((2, 5), 3.0))
    found = gather(plain, COLUMNS, 60.0, counted=15.0)
    assert np.nanmax(found.counts) == 45.0


def test_two_columns_that_are_the_same_series_are_refused():
    twice = Recording(np.zeros(1), ('x{app="a"}', 'x{service="a"}'), np.zeros((1, 2)))
    with pytest.raises(RecordingError, match="are the same series"):
        gather(twice, columns(["load"], {}), 15.0)


@pytest.mark.parametrize(
    ("step", "width"), [(1.0, WINDOW), (5.0, WINDOW), (10.0, 20.0), (15.0, 15.0), (60.0, 60.0)]
)
def test_a_window_is_whole_steps_wide(step, width):
    assert width_of(step) == width


def test_a_recording_of_one_sample_has_no_window():
    with pytest.raises(RecordingError, match="a single sample cannot be judged"):
        width_of(math.nan)


@pytest.mark.parametrize(
    ("loads", "expected"),
    [
        ([1.5, 1.5, 1.5, 1.5, 2.5], [1.5, 1.5, math.nan, math.nan, 2.5]),
        ([4.0, 4.0, 4.0, 4.0, 4.0], [4.0, 4.0, 4.0, 4.0, 4.0]),
        ([1.5, 1.5, 2.5, 1.5, 1.5], [1.5, 1.5, 2.5, 1.5, 1.5]),
    ],
)
def test_a_load_that_stands_still_is_not_known(loads, expected):
    values = np.ones((5, len(HEADERS)))
    values[:, 0] = loads
    found = gather(Recording(np.arange(5) * WINDOW, HEADERS, values), COLUMNS, WINDOW)
    np.testing.assert_array_equal(found.load, expected)


def test_a_gap_is_batches_without_rows_and_every_other_window_has_what_was_seen() -> None:
    values = np.arange(20.0).reshape(4, 5)
    values[:, 3] = (0.0, 0.25, 0.5, 1.0)
    values[1, 2] = np.nan
    times = WINDOW * np.array([1.0, 2.0, 5.0, 6.0])
    windows = gather(Recording(times, HEADERS, values), COLUMNS, WINDOW)
    found = batches(windows, COLUMNS)
    assert [one.time for one in found] == [WINDOW * k for k in range(1, 7)]
    assert [len(one.rows) for one in found] == [5, 4, 0, 0, 5, 5]
    assert found[1].rows.tolist() == [0, 1, 3, 4]
    assert found[4].values.tolist() == values[2].tolist()
    assert {one.answered for one in found} == {frozenset(s.name for s in COLUMNS.signals)}
