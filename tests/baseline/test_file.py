"""A baseline survives its file, and a file that is not one is refused with one sentence."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from anomalyd.baseline.file import BaselineError, check_fits, digest, load, save
from anomalyd.baseline.profile import Baseline
from anomalyd.baseline.seasons import HOURS, SLOTS
from tests.baseline.worlds import daily_load, fitted


@pytest.fixture
def baseline() -> Baseline:
    rng = np.random.default_rng(0)
    return fitted(np.exp(rng.normal(size=(20, 300))), daily_load(300, rng))


def rewritten(path, **changes):
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files} | changes
    with path.open("wb") as file:
        np.savez(file, **{name: array for name, array in arrays.items() if array is not None})


def as_bytes(text):
    return np.frombuffer(text.encode(), dtype=np.uint8)


def test_what_is_saved_is_what_is_loaded(tmp_path, baseline):
    odd = 'p95{path="a,\\n\\"ü\\""}'
    keys = (odd, *baseline.profiles.keys[1:])
    baseline = Baseline(dataclasses.replace(baseline.profiles, keys=keys), baseline.meta)
    path = tmp_path / "new" / "baseline.npz"
    save(baseline, path)
    found = load(path)
    assert found.meta == baseline.meta
    for field in dataclasses.fields(found.profiles):
        was, now = (getattr(each.profiles, field.name) for each in (baseline, found))
        np.testing.assert_array_equal(was, now)
        if field.name != "keys":
            assert was.dtype == now.dtype


def test_a_file_from_before_there_were_hours_is_read(tmp_path, baseline):
    path = tmp_path / "b.npz"
    save(baseline, path)
    rewritten(path, hours=None, recurs=None)
    assert load(path).profiles.hours.shape == (SLOTS, 0)
    assert digest(load(path)) == digest(baseline)


def test_a_save_replaces_and_leaves_nothing_beside(tmp_path, baseline):
    path = tmp_path / "baseline.npz"
    path.write_bytes(b"old")
    save(baseline, path)
    assert [each.name for each in tmp_path.iterdir()] == ["baseline.npz"]
    assert len(load(path).profiles.keys) == 20


def test_a_series_costs_at_most_a_kibibyte_on_disk_and_in_memory(tmp_path):
    rng = np.random.default_rng(0)
    baseline = fitted(np.exp(rng.normal(size=(200, 300))), daily_load(300, rng))
    hours = rng.normal(size=(SLOTS, 200)).astype(np.float16)
    profiles = dataclasses.replace(baseline.profiles, hours=hours, recurs=hours[:HOURS])
    baseline = Baseline(profiles, baseline.meta)
    label = "x" * 300
    keys = tuple(f'p95{{service="{i}",route="{label}"}}' for i in range(200))
    path = tmp_path / "b.npz"
    save(Baseline(dataclasses.replace(baseline.profiles, keys=keys), baseline.meta), path)
    arrays = [getattr(baseline.profiles, f.name) for f in dataclasses.fields(baseline.profiles)]
    memory = sum(array.nbytes for array in arrays if isinstance(array, np.ndarray))
    assert path.stat().st_size / 200 < 1024
    assert memory / 200 + 340 < 1024


def test_a_failed_save_keeps_the_old_baseline(tmp_path, baseline):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BaselineError, match="cannot be written"):
        save(baseline, tmp_path / "file" / "b.npz")
    path = tmp_path / "b.npz"
    save(baseline, path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="JSON"):
        save(Baseline(baseline.profiles, {"bad": float("nan")}), path)
    assert path.read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["b.npz", "file"]


@pytest.mark.parametrize("kept", [0, 1, 100, -100, -1])
def test_a_truncated_file_is_named_and_the_mend_too(tmp_path, baseline, kept):
    path = tmp_path / "b.npz"
    save(baseline, path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(BaselineError, match=r"b\.npz: is not a whole baseline .* again"):
        load(path)


def test_a_header_that_asks_for_a_password_is_a_damaged_file(tmp_path, baseline):
    path = tmp_path / "b.npz"
    save(baseline, path)
    whole = bytearray(path.read_bytes())
    directory = whole.index(b"PK\x01\x02")
    whole[directory + 8] |= 1
    path.write_bytes(whole)
    with pytest.raises(BaselineError, match=r"is not a whole baseline .*encrypted"):
        load(path)


def test_a_flipped_byte_is_noticed(tmp_path, baseline):
    path = tmp_path / "b.npz"
    save(baseline, path)
    whole = path.read_bytes()
    for place in range(200, len(whole) - 2000, 997):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            found = load(path)
        except BaselineError:
            continue
        np.testing.assert_array_equal(found.profiles.quantiles, baseline.profiles.quantiles)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"meta": as_bytes('{"version": 99}')}, "has format 99, this anomalyd reads format 1"),
        ({"meta": as_bytes("[]")}, "has format None"),
        ({"meta": as_bytes("{")}, "its meta cannot be read"),
        ({"meta": None}, "its meta cannot be read"),
        ({"keys": as_bytes('{"a": 1}')}, "its keys are damaged"),
        ({"keys": as_bytes("[]")}, "holds no series"),
        ({"phi": None}, "phi should be float32"),
        ({"phi": np.zeros(20)}, "phi should be float32"),
        ({"quantiles": np.zeros((9, 8, 3), np.float16)}, "quantiles should be"),
        ({"hours": np.zeros((24, 20), np.float16)}, "hours should be"),
        ({"recurs": np.zeros((48, 20), np.float16)}, "recurs should be"),
        ({"noise": np.full(20, np.nan, np.float32)}, "noise has values that are not numbers"),
        ({"noise": np.array([object()] * 20)}, "is not a whole baseline"),
    ],
)
def test_a_file_that_is_not_this_format_is_refused(tmp_path, baseline, changes, sentence):
    path = tmp_path / "b.npz"
    save(baseline, path)
    rewritten(path, **changes)
    with pytest.raises(BaselineError, match=sentence) as refused:
        load(path)
    assert "\n" not in str(refused.value)
    assert "anomalyd baseline fit" in str(refused.value)


def test_an_array_of_another_file_is_refused(tmp_path):
    path = tmp_path / "b.npz"
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(BaselineError, match="is not a baseline file; fit one with"):
        load(path)


@pytest.mark.parametrize("content", [b"# A title\n", b"x", bytes(1000)], ids=["text", "x", "zeros"])
def test_a_file_of_another_kind_is_one_sentence_without_numpys_advice(tmp_path, content):
    path = tmp_path / "README.md"
    path.write_bytes(content)
    with pytest.raises(BaselineError, match="is not a baseline file; fit one with") as refused:
        load(path)
    assert "pickle" not in str(refused.value)


def test_a_directory_is_one_sentence(tmp_path):
    with pytest.raises(BaselineError, match=r"cannot be read \(Is a directory\); run"):
        load(tmp_path)


def test_no_file_says_how_to_make_one(tmp_path):
    with pytest.raises(BaselineError, match="no baseline yet; run `anomalyd baseline fit`"):
        load(tmp_path / "b.npz")


@pytest.mark.parametrize(("window", "fits"), [(60.0, True), (60.0 + 1e-9, True), (30.0, False)])
def test_another_window_does_not_fit(baseline, window, fits):
    if fits:
        check_fits(baseline, window)
    else:
        with pytest.raises(BaselineError, match="windows of 1m, staging is judged with 30s"):
            check_fits(baseline, window)


def test_a_baseline_that_does_not_say_its_window_does_not_fit(baseline):
    with pytest.raises(BaselineError, match="unknown length"):
        check_fits(Baseline(baseline.profiles, {}), 30.0)
