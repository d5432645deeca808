"""What was learned from accepted runs comes back from its file, or not at all."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomalyd.baseline import taught
from anomalyd.baseline.taught import Origin
from anomalyd.baseline.transfer import Golden, Learned, Transfer

ORIGIN = Origin("d1g357", ("r1", "r2"), "5377", "r1")
TRANSFER = Transfer(2, 0.5, 80.0, *(np.array([place, np.nan]) for place in range(14)))
ALONE = Transfer(1, 0.4, 70.0, *(np.array([np.nan, place]) for place in range(14)))
LEARNED = Learned(TRANSFER, Golden("r1", ALONE, np.array([0.05, np.nan])))


def test_it_comes_back_with_what_it_came_from(tmp_path):
    path = tmp_path / "state" / "transfer.npz"
    taught.save(LEARNED, ORIGIN, path)
    taught.save(LEARNED, ORIGIN, path)
    found, origin = taught.load(path)
    assert origin == ORIGIN
    assert found.golden.run == "r1"
    np.testing.assert_array_equal(found.golden.between, LEARNED.golden.between)
    for one in fields(Transfer):
        for ours, theirs in ((found.transfer, TRANSFER), (found.golden.transfer, ALONE)):
            np.testing.assert_array_equal(getattr(ours, one.name), getattr(theirs, one.name))
    assert [other.name for other in path.parent.iterdir()] == ["transfer.npz"]


def test_without_a_golden_run_there_is_none(tmp_path):
    taught.save(Learned(TRANSFER), ORIGIN, tmp_path / "transfer.npz")
    assert taught.load(tmp_path / "transfer.npz")[0].golden is None


def test_none_is_none(tmp_path):
    assert taught.load(tmp_path / "transfer.npz") is None


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("taught") / "transfer.npz"
    taught.save(LEARNED, ORIGIN, path)
    return path.read_bytes()


@settings(max_examples=40, deadline=None)
@given(cut=st.integers(0, 4000), put=st.binary(min_size=1, max_size=20))
def test_one_that_is_damaged_is_none_or_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, whole: bytes, cut: int, put: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    at = cut % len(whole)
    path.write_bytes(whole[:at] + put + whole[at + len(put) :])
    found = taught.load(path)
    assert found is None or found[1] == ORIGIN
    path.write_bytes(whole[:at])
    assert taught.load(path) is None


def test_a_golden_run_of_another_size_is_refused():
    arrays = taught.golden_arrays(LEARNED.golden) | {"between": np.zeros(3)}
    with pytest.raises(ValueError, match="between"):
        taught.golden_of(arrays)


@pytest.mark.parametrize("name", ["mean", "burst", "runs"])
def test_arrays_that_do_not_belong_together_are_refused(name):
    arrays = taught.arrays_of(TRANSFER)
    with pytest.raises((KeyError, TypeError, ValueError)):
        taught.transfer_of(arrays | {name: np.zeros(3)})
    with pytest.raises(KeyError):
        taught.transfer_of({one: array for one, array in arrays.items() if one != name})


def test_one_that_another_version_wrote_is_none(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "transfer.npz"
    monkeypatch.setattr(taught, "FORMAT", taught.FORMAT + 1)
    taught.save(LEARNED, ORIGIN, path)
    monkeypatch.undo()
    assert taught.load(path) is None
