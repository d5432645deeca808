"""Durations in buckets, and what is read off them."""

from __future__ import annotations

import bisect

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalyd.signals.traces.buckets import Buckets
from tests.signals.naive_spans import Event, quantile

BOUNDS = (0.005, 0.1, 0.25, 1.0, 2.5, 10.0)
PLAIN, MIXED = Buckets(), Buckets(BOUNDS)

durations = st.lists(st.integers(0, 2**45), min_size=1, max_size=50)


@given(durations)
def test_each_duration_is_in_the_first_bucket_whose_bound_is_not_below_it(found: list[int]) -> None:
    bounds = MIXED.bounds.tolist()
    expected = [bisect.bisect_left(bounds, one / 1e9) for one in found]
    assert MIXED.of(np.array(found)).tolist() == expected


def test_a_duration_at_a_bound_is_within_it_to_the_nanosecond() -> None:
    for bound in BOUNDS:
        at = round(bound * 1e9)
        bucket, above = MIXED.of(np.array([at, at + 1])).tolist()
        assert MIXED.bounds[bucket] == bound
        assert above == bucket + 1


def counts(buckets: Buckets, found: list[int]) -> np.ndarray:
    return np.bincount(buckets.of(np.array(found)), minlength=len(buckets)).astype(float)[None]


@given(durations)
def test_counts_at_bounds_that_were_asked_for_are_exact(found: list[int]) -> None:
    expected = [sum(one <= round(bound * 1e9) for one in found) for bound in BOUNDS]
    at = np.array([*BOUNDS, np.inf])
    assert MIXED.at(counts(MIXED, found), at).tolist() == [[*expected, len(found)]]


@given(durations)
def test_counts_at_other_bounds_are_off_by_what_shares_their_bucket(found: list[int]) -> None:
    plain = counts(PLAIN, found)
    shared = plain[0, np.searchsorted(PLAIN.bounds, BOUNDS)]
    exact = [sum(one <= round(bound * 1e9) for one in found) for bound in BOUNDS]
    assert (np.abs(PLAIN.at(plain, np.array(BOUNDS))[0] - exact) <= shared + 1e-9).all()


@given(durations, durations)
def test_histograms_merge_by_adding(one: list[int], other: list[int]) -> None:
    assert (counts(PLAIN, one) + counts(PLAIN, other) == counts(PLAIN, one + other)).all()


@given(durations, st.sampled_from([0.5, 0.95, 0.99]))
def test_a_quantile_is_that_of_histogram_quantile(found: list[int], wanted: float) -> None:
    events = [Event(0, one, False, 1.0) for one in found]
    expected = quantile(events, PLAIN.bounds.tolist(), wanted)
    assert PLAIN.quantile(counts(PLAIN, found), wanted)[0] == pytest.approx(expected)


def test_a_quantile_of_nothing_is_not_known() -> None:
    assert np.isnan(PLAIN.quantile(np.zeros((1, len(PLAIN))), 0.95)).all()


def test_a_quantile_is_within_a_bucket_of_the_true_one() -> None:
    found = np.random.default_rng(4).lognormal(18, 1, 20_000).astype(np.int64)
    true = np.quantile(found, 0.95) / 1e9
    assert PLAIN.quantile(counts(PLAIN, found.tolist()), 0.95)[0] == pytest.approx(true, rel=0.05)
