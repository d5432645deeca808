"""Growth of native histograms is what a plain look at one series after the other gives."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from anomalyd.model import HistogramQuantile, Kind, Labels, Rate, Selector, Signal
from anomalyd.signals.evaluate import Evaluator
from anomalyd.signals.identity import Canonical
from anomalyd.signals.native.increase import increase
from anomalyd.signals.native.log import Log
from anomalyd.signals.native.samples import index_of
from anomalyd.signals.table import SeriesTable, SignalTable
from anomalyd.sources.native import read
from anomalyd.sources.wire import WRITE_1
from tests.fakes import native
from tests.fakes.native import CUSTOM, Native

WINDOW, END = 30_000, 100_000
COUNTS = st.integers(0, 5)
SIDE = st.dictionaries(st.integers(-6, 6), COUNTS, max_size=4)
PLAIN = st.builds(
    Native,
    schema=st.integers(-1, 2),
    positive=SIDE,
    negative=SIDE,
    zero=COUNTS,
    hint=st.sampled_from([0, 0, 0, native.RESET, native.NOT_RESET]),
)
ANY = st.one_of(
    PLAIN,
    st.builds(
        Native,
        schema=st.just(CUSTOM),
        positive=st.dictionaries(st.integers(0, 2), COUNTS, max_size=3),
        threshold=st.just(0.0),
        bounds=st.sampled_from([(0.1, 1.0), (-1.0, 0.0), ()]).map(tuple),
    ).filter(lambda one: max(one.positive, default=0) <= len(one.bounds)),
    st.builds(
        Native,
        schema=st.integers(-4, 8),
        positive=st.dictionaries(st.integers(-600, 600), st.floats(0, 9), max_size=4),
        negative=SIDE,
        threshold=st.sampled_from([0.0, 1e-9, 0.5, 3.0, 1e300]),
        sum=st.floats(),
        floats=st.just(True),
    ),
)
MOMENTS = st.lists(st.integers(60_000, END), unique=True, max_size=6).map(sorted)


def messages(row: int, samples: list[tuple[int, Native]]):
    return [(row, WRITE_1["Histogram"].FromString(native.message(one, at))) for at, one in samples]


def together(moments: list[int], many: list[Native]) -> list[tuple[int, Native]]:
    return list(zip(moments, many, strict=False))


Buckets = Counter[tuple[bool, int]]


def coarse(one: Native, schema: int) -> Buckets:
    found: Buckets = Counter()
    for positive, side in ((True, one.positive), (False, one.negative)):
        for index, count in side.items():
            found[positive, -(-index // 2 ** (one.schema - schema))] += int(count)
    return found


def began_anew(before: Native, after: Native) -> bool:
    if after.hint == native.RESET or after.total < before.total or after.zero < before.zero:
        return True
    if after.schema > before.schema:
        return True
    have, had = coarse(after, after.schema), coarse(before, after.schema)
    return any(have[key] < count for key, count in had.items())


def naive(samples: list[tuple[int, Native]]) -> tuple[float, float, Buckets] | None:
    """(count, zero count, buckets) that were added, before anything is extrapolated."""
    inside = [one for at, one in samples if END - WINDOW < at <= END]
    if len(inside) < 2:
        return None
    fresh = began_anew(inside[0], inside[1])
    schema = min(one.schema for one in inside[1 if fresh else 0 :])
    parts = [(1, inside[-1])] + ([] if fresh else [(-1, inside[0])])
    parts += [
        (1, before)
        for nth, (before, after) in enumerate(pairwise(inside))
        if nth and began_anew(before, after)
    ]
    total: Buckets = Counter()
    for sign, one in parts:
        for key, count in coarse(one, schema).items():
            total[key] += sign * count
    return (
        sum(sign * one.total for sign, one in parts),
        sum(sign * one.zero for sign, one in parts),
        Counter({key: count for key, count in total.items() if count}),
    )


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(MOMENTS, st.lists(PLAIN, max_size=6)), min_size=1, max_size=4))
def test_growth_is_what_one_series_after_the_other_gives(many):
    log = Log(60.0)
    series = [together(*one) for one in many]
    pairs = [pair for row, samples in enumerate(series) for pair in messages(row, samples)]
    for pair in sorted(pairs, key=lambda one: one[1].timestamp):
        log.push(read([pair])[0])
    grown = increase(log, END, WINDOW)
    expected = {row: found for row, samples in enumerate(series) if (found := naive(samples))}
    assert grown.rows.tolist() == sorted(expected)
    for nth, (count, zero, buckets) in enumerate(expected[row] for row in sorted(expected)):
        own = grown.sums.owner == nth
        codes = grown.sums.codes[own]
        keys = zip((codes > 0).tolist(), index_of(codes).tolist(), strict=True)
        have = dict(zip(keys, grown.sums.buckets[own].tolist(), strict=True))
        assert (grown.counts[nth], grown.sums.zeros[nth]) == (count, zero)
        assert have == dict(buckets)


P50 = Signal("p50", Kind.LATENCY, HistogramQuantile(Selector("x"), 0.5))
P90 = Signal("p90", Kind.LATENCY, HistogramQuantile(Selector("x"), 0.9), by=())
RATE = Signal("rate", Kind.TRAFFIC, Rate(Selector("x_count")))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(MOMENTS, st.lists(ANY, max_size=6)), min_size=1, max_size=4))
def test_whatever_comes_something_or_nothing_is_answered(many):
    table, series = SignalTable([P50, P90, RATE], 100), SeriesTable(100)
    evaluator = Evaluator(table, series, Canonical(["service"]), 30.0)
    for number, one in enumerate(many):
        labels = Labels.of({"__name__": "x", "service": "a", "pod": str(number)})
        row = series.row(str(labels).encode(), lambda _, labels=labels: labels)
        found = messages(row, together(*one))
        if found:
            evaluator.take_histograms(read(found)[0])
    batch = evaluator.evaluate(END / 1000)
    assert np.isfinite(batch.values).all()
    for row, value in zip(batch.rows, batch.values, strict=True):
        assert table.keys[row].startswith(("p50", "p90", "rate"))
        assert math.isfinite(value)
