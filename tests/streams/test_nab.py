"""The benchmark's score by hand, and how a threshold is chosen."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import nab
from bench.nab_data import COPIES, File, load
from bench.nab_score import PROFILES, Labels, Profile, cost, curve, normalised, raw, sigmoid, worth

STANDARD = PROFILES["standard"]
ONE = Labels(100, ((50, 59),))
TWO = Labels(1000, ((300, 349), (600, 699)))


def test_the_sigmoid_is_0_at_the_end_of_a_window_and_nearly_1_at_its_start():
    assert sigmoid(0.0) == 0.0
    assert sigmoid(-1.0) == pytest.approx(0.98661, abs=1e-5)
    assert sigmoid(1.0) == pytest.approx(-sigmoid(-1.0))


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        pytest.param(50, 1.0, id="the first row of a window"),
        pytest.param(55, 0.84828 / 0.98661, id="its middle: y = -(59 - 55 + 1) / 10 = -0.5"),
        pytest.param(59, 0.24492 / 0.98661, id="its last row: y = -0.1"),
    ],
)
def test_the_worth_of_a_detection(row, expected):
    assert worth(row, (50, 59)) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        pytest.param(20, 1.0, id="before any window"),
        pytest.param(60, 0.27085, id="a row behind it: S(1/9)"),
        pytest.param(68, 0.98661, id="a width behind it: S(9/9)"),
        pytest.param(86, 1.0, id="three widths behind it, all but nothing less"),
        pytest.param(99, 1.0, id="farther off"),
    ],
)
def test_the_cost_of_a_false_detection(row, expected):
    assert cost(row, ONE) == pytest.approx(expected, abs=1e-4)


def test_the_first_rows_are_not_scored():
    assert Labels(100, ()).probation == 15
    assert Labels(10_000, ()).probation == 750
    assert raw(ONE, [0, 14], STANDARD) == -1.0
    assert raw(ONE, [15], STANDARD) == pytest.approx(-1.11)


def test_the_best_detection_of_a_window_counts_and_no_other():
    assert raw(ONE, [59, 50, 55], STANDARD) == 1.0


def test_windows_and_false_detections_are_added():
    expected = worth(310, (300, 349)) - 1.0 - 0.11 * (1.0 + cost(360, TWO))
    assert raw(TWO, [200, 310, 360], STANDARD) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "detected", "expected"),
    [
        ("standard", [50, 20], 1 - 0.11),
        ("low FP", [50, 20], 1 - 0.22),
        ("low FN", [50, 20], 1 - 0.11),
        ("standard", [20], -1.11),
        ("low FP", [20], -1.22),
        ("low FN", [20], -2.11),
    ],
)
def test_what_the_profiles_weigh(name, detected, expected):
    assert raw(ONE, detected, PROFILES[name]) == pytest.approx(expected)


@pytest.mark.parametrize("name", PROFILES)
def test_silence_is_0_and_perfection_100(name):
    profile = PROFILES[name]
    starts = [window[0] for window in TWO.windows]
    assert normalised(raw(TWO, [], profile), 2, profile) == 0.0
    assert normalised(raw(TWO, starts, profile), 2, profile) == 100.0


def test_false_detections_alone_are_below_0():
    assert normalised(raw(TWO, [200, 201], STANDARD), 2, STANDARD) == pytest.approx(-5.5)


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 4), min_size=60, max_size=60),
    st.sampled_from([(), ((20, 29),), ((12, 15), (30, 49)), ((5, 12), (59, 59))]),
    st.sampled_from(list(PROFILES.values())),
)
def test_a_curve_is_the_score_at_each_threshold(scores, windows, profile: Profile):
    labels, found = Labels(60, windows), np.array(scores, float)
    thresholds = np.array([0.0, 0.5, 1.0, 3.0, 4.0, 9.0])
    expected = [raw(labels, np.flatnonzero(found >= one).tolist(), profile) for one in thresholds]
    np.testing.assert_allclose(curve(labels, found, thresholds, profile), expected, atol=1e-9)


@pytest.fixture
def folder(tmp_path):
    """Four streams with a spike in a window each, laid out as the benchmark's."""
    windows = {}
    (tmp_path / "data" / "group").mkdir(parents=True)
    for number in range(4):
        values = np.random.default_rng(number).normal(0, 1, 600)
        values[400:402] += 30
        lines = [f"2024-01-{1 + i // 288:02}T{i // 12 % 24:02}:{i % 12 * 5:02}:00,{value}"
                 for i, value in enumerate(values)]  # fmt: skip
        path = tmp_path / "data" / "group" / f"{number}.csv"
        path.write_text("\n".join(["timestamp,value", *lines]) + "\n")
        at = [line.partition(",")[0] for line in (lines[390], lines[419])]
        windows[f"group/{number}.csv"] = [at]
    (tmp_path / "windows.json").write_text(json.dumps(windows))
    return tmp_path


def test_files_are_read_with_their_windows_in_rows(folder):
    files = load(folder)
    assert [file.name for file in files] == [f"group/{number}.csv" for number in range(4)]
    assert {file.labels for file in files} == {Labels(600, ((390, 419),))}


@pytest.mark.parametrize("name", COPIES)
def test_copies_keep_their_anomalies(folder, name):
    for file in load(folder):
        copy = COPIES[name](file)
        ((left, right),) = copy.labels.windows
        assert left <= int(copy.values.argmax()) <= right
        assert len(copy.times) == len(copy.values)
        assert np.isfinite(copy.values).all()


def test_thresholds_are_chosen_on_other_files_than_they_are_applied_to():
    """Two files that like the first threshold and two that like the second."""
    raws = np.array([[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]])
    chosen, unseen = nab.cross_validate(raws)
    assert set(chosen.tolist()) == {0, 1}
    assert unseen.mean() < raws.sum(axis=1).max() / 4


def test_the_bench_prints_and_writes_its_score(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(nab, "RESULTS", tmp_path / "nab.json")
    monkeypatch.setenv("DATA", str(folder))
    monkeypatch.delenv("THRESHOLD", raising=False)
    nab.main()
    told = capsys.readouterr().out
    document = json.loads((tmp_path / "nab.json").read_text())
    assert document["profiles"].keys() == PROFILES.keys()
    low, high = document["profiles"]["standard"]["interval"]
    assert low <= document["profiles"]["standard"]["score"] <= high
    assert [row["found"] for row in document["files"]] == [1] * 4
    assert "found 4 of 4" in told
    assert "group/3.csv" in told


def test_a_fixed_threshold_is_the_only_one(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(nab, "RESULTS", tmp_path / "nab.json")
    monkeypatch.setenv("DATA", str(folder))
    monkeypatch.setenv("THRESHOLD", "0.9")
    nab.main()
    document = json.loads((tmp_path / "nab.json").read_text())
    judged = document["profiles"]["standard"]
    assert document["threshold"] == judged["threshold"] == 0.9
    assert judged["score"] == pytest.approx(judged["best"])
    assert judged["score"] == pytest.approx(judged["at_threshold"])


def test_the_ablation_leaves_out_each_part_and_asks_the_plain_peer(folder):
    results = nab.ablation(load(folder)[:2], nab.judge(scored(load(folder)[:2]), STANDARD))
    assert {"all", "without level", "without patience", "with river's ADWIN"} <= results.keys()
    assert all(math.isfinite(one["score"]) for one in results.values())


def scored(files: list[File]) -> nab.Scored:
    return nab.Scored.of(files, nab.scores)


def test_a_folder_without_streams_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("DATA", str(tmp_path))
    with pytest.raises(SystemExit, match=r"has no windows\.json; name .* with DATA=folder"):
        nab.main()
