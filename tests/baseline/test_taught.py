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
from anomalyd.baseline.transfer import Transfer

ORIGIN = Origin("d1g357", ("r1", "r2"), "5377")
LEARNED = Transfer(2, 0.5, 80.0, *(np.array([place, np.nan]) for place in range(14)))


def test_it_comes_back_with_what_it_came_from(tmp_path):
    path = tmp_path / "state" / "transfer.npz"
    taught.save(LEARNED, ORIGIN, path)
    taught.save(LEARNED, ORIGIN, path)
    found, origin = taught.load(path)
    assert origin == ORIGIN
    for one in fields(Transfer):
        np.testing.assert_array_equal(getattr(found, one.name), getattr(LEARNED, one.name))
    assert [other.name for other in path.parent.iterdir()] == ["transfer.npz"]


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


@pytest.mark.parametrize("name", ["mean", "burst", "runs"])
def test_arrays_that_do_not_belong_together_are_refused(name):
    arrays = taught.arrays_of(LEARNED)
    with pytest.raises((KeyError, TypeError, ValueError)):
        taught.transfer_of(arrays | {name: np.zeros(3)})
    with pytest.raises(KeyError):
        taught.transfer_of({one: array for one, array in arrays.items() if one != name})


def test_one_that_another_version_wrote_is_none(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "transfer.npz"
    monkeypatch.setattr(taught, "FORMAT", 2)
    taught.save(LEARNED, ORIGIN, path)
    monkeypatch.undo()
    assert taught.load(path) is None
