"""Quantiles of native histograms where a person can work them out."""

from __future__ import annotations

import math

import numpy as np
import pytest

from anomalyd.signals.native import quantile as quantiles
from anomalyd.signals.native.cells import Sums
from anomalyd.signals.native.quantile import quantile
from anomalyd.signals.native.samples import owners
from anomalyd.sources.native import read
from anomalyd.sources.wire import WRITE_1
from tests.fakes import native
from tests.fakes.native import CUSTOM, Native

OWN = (1.0, 2.0, 4.0)
BELOW = (-2.0, 1.0)


def asked(*many: tuple[Native, float]) -> list[float]:
    """Each by its quantile, all at once."""
    messages = [WRITE_1["Histogram"].FromString(native.message(one, 1)) for one, _ in many]
    found, sound = read(list(enumerate(messages)))
    assert sound.all()
    known = [one for one in found.bounds if one is not None]
    customs = np.array([-1 if one is None else known.index(one) for one in found.bounds])
    sums = Sums(
        found.schemas,
        customs,
        found.thresholds,
        found.zeros,
        np.ones(len(many), dtype=np.bool_),
        owners(found.starts),
        found.codes,
        found.buckets,
    )
    wanted = np.array([q for _, q in many])
    return quantile(sums, found.counts, found.sums, wanted, known).tolist()


UP = {1: 4, 2: 4}
"""Within (1, 2] and (2, 4]."""
CASES = [
    ("halfway through a bucket on a logarithmic scale", Native(0, UP), 0.25, 2**0.5),
    ("counted from above", Native(0, UP), 0.75, 2**1.5),
    ("below zero they are mirrored", Native(0, {}, UP), 0.25, -(2**1.5)),
    ("of both signs", Native(0, {1: 1}, {1: 3}), 0.5, -(2 ** (1 / 3))),
    ("in the zero bucket of positive ones", Native(0, {1: 1}, zero=9, threshold=0.5), 0.5, 2.5 / 9),
    ("of negative ones", Native(0, {}, {1: 1}, zero=9, threshold=0.5), 0.5, -2.5 / 9),
    ("of both", Native(0, {1: 1}, {1: 1}, zero=8, threshold=0.5), 0.5, 0.0),
    ("of nothing else", Native(0, zero=8, threshold=0.5), 0.25, -0.25),
    ("a zero bucket cuts the next one", Native(0, {1: 4}, threshold=2**0.5), 0.5, 2**0.75),
    ("of its own boundaries on a linear scale", Native(CUSTOM, {1: 4}, bounds=OWN), 0.5, 1.5),
    ("in the first of them", Native(CUSTOM, {0: 4}, bounds=OWN), 0.5, 0.5),
    ("in the first where that is below zero", Native(CUSTOM, {0: 4}, bounds=BELOW), 0.5, -2.0),
    ("beyond the last of them", Native(CUSTOM, {3: 4}, bounds=OWN), 0.5, 4.0),
    ("NaN is counted and in no bucket", Native(0, UP, count=12, sum=math.nan), 0.5, 2**1.5),
    ("and above all where it is many", Native(0, UP, count=80, sum=math.nan), 0.5, 4.0),
    ("nothing but NaN", Native(0, count=3, sum=math.nan), 0.5, 0.0),
    ("nothing at all", Native(0), 0.5, math.nan),
]


def sized(one: Native) -> Native:
    """Boundaries of its own have no zero bucket."""
    return Native(**{**vars(one), "threshold": 0.0}) if one.schema == CUSTOM else one


@pytest.mark.parametrize(
    ("one", "q", "value"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_a_quantile(one, q, value):
    assert asked((sized(one), q)) == pytest.approx([value], nan_ok=True)


@pytest.mark.parametrize("cells", [1, 7, 10_000])
def test_many_at_once_are_what_each_is_by_itself(cells, monkeypatch):
    monkeypatch.setattr(quantiles, "_CELLS_AT_ONCE", cells)
    every = [(sized(one), q) for _, one, _, _ in CASES for q in (0.05, 0.5, 0.95)]
    alone = [asked(each)[0] for each in every]
    assert asked(*every) == pytest.approx(alone, nan_ok=True)
