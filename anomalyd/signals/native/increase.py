"""How much native histograms grew over a window, to the rounding of Prometheus."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomalyd.model import Floats, Rows
from anomalyd.signals.native.cells import Sums, Terms, add, binned
from anomalyd.signals.native.log import Log
from anomalyd.signals.native.samples import FINEST_SCHEMA, spread
from anomalyd.signals.window import Mask

_THRESHOLD = 1.1
"""A gap to the boundary below this many average intervals is bridged (promql/functions.go)."""


@dataclass(slots=True)
class Grown:
    """PromQL's increase of n histograms. rows: intp[n], ascending. counts, totals: float64[n], of
    observations and of their values. factors: float64[n], by which these and the buckets of `sums`
    are still to be multiplied for what lies between the samples and the window's ends."""

    rows: Rows
    counts: Floats
    totals: Floats
    factors: Floats
    sums: Sums


@dataclass(slots=True)
class _Spans:
    """Samples in a window by row: `places` intp[m] in the log; first, last: intp[n] in `places`.
    fresh: whether a row began anew right after its first sample, which then does not count."""

    places: Rows
    first: Rows
    last: Rows
    fresh: Mask
    anew: Rows


def increase(log: Log, end: int, window: int) -> Grown:
    """Over (end - window, end] in ms, of every row with two samples or more.

    `histogramRate` and `extrapolatedRate` of Prometheus 3 (promql/functions.go): what was counted
    before counters began anew is added back, whatever the resolution. Unlike a counter's, a
    histogram's zero does not bound how far it reaches back.
    """
    spans = _spans(log, end - window, end)
    kept, n = log.kept, len(spans.first)
    group, signs, at = _terms(spans)
    records = spans.places[at]
    cells, starts = spread(kept.starts[records], kept.starts[records + 1])
    owner = np.repeat(np.arange(len(records)), np.diff(starts))
    terms = Terms(
        group,
        kept.schemas[records],
        log.customs[records],
        kept.thresholds[records],
        kept.zeros[records] * signs,
        owner,
        kept.codes[cells],
        kept.buckets[cells] * signs[owner],
    )
    sums = add(terms, _coarsest(log, spans))
    sums.valid &= ~_mixed(log, spans)
    counts = binned(group, kept.counts[records] * signs, n)
    totals = binned(group, kept.sums[records] * signs, n)
    factors = _factors(log, spans, end, window)
    rows = kept.rows[spans.places[spans.first]]
    return Grown(rows, counts, totals, factors, sums)


def _spans(log: Log, start: int, end: int) -> _Spans:
    kept = log.kept
    inside = np.flatnonzero((kept.times > start) & (kept.times <= end))
    places = inside[np.argsort(kept.rows[inside], kind="stable")]
    rows = kept.rows[places]
    first = np.flatnonzero(np.diff(rows, prepend=-1))
    last = np.append(first[1:], len(places)) - 1 if len(first) else first
    several = last > first
    first, last = first[several], last[several]
    resets = kept.resets[places]
    fresh = resets[first + 1] if len(first) else np.empty(0, dtype=np.bool_)
    nth = np.arange(len(places))
    owner = np.searchsorted(last, nth)
    owned = owner < len(first)
    owner = np.where(owned, owner, 0)
    anew = resets & owned & (nth > first[owner] + 1) if len(first) else np.zeros(0, np.bool_)
    return _Spans(places, first, last, fresh, np.flatnonzero(anew))


def _terms(spans: _Spans) -> tuple[Rows, Floats, Rows]:
    """(whose, sign, place) of the samples that an increase is the sum of: the last, less the first,
    and each that was followed by a new beginning."""
    n = len(spans.first)
    begun = np.flatnonzero(~spans.fresh)
    group = np.concatenate([np.arange(n), begun, np.searchsorted(spans.last, spans.anew)])
    signs = np.concatenate([np.ones(n), -np.ones(len(begun)), np.ones(len(spans.anew))])
    return group, signs, np.concatenate([spans.last, spans.first[begun], spans.anew - 1])


def _members(spans: _Spans) -> tuple[Rows, Rows]:
    """(whose, place in the log) of all samples that count."""
    nth, starts = spread(spans.first + spans.fresh, spans.last + 1)
    return np.repeat(np.arange(len(spans.first)), np.diff(starts)), spans.places[nth]


def _coarsest(log: Log, spans: _Spans) -> Rows:
    """int64[n]: the schema of each row's result."""
    found = np.full(len(spans.first), FINEST_SCHEMA)
    group, places = _members(spans)
    np.minimum.at(found, group, log.kept.schemas[places])
    return found


def _mixed(log: Log, spans: _Spans) -> Mask:
    """bool[n]: rows with boundaries of both sorts."""
    group, places = _members(spans)
    n = len(spans.first)
    custom = np.bincount(group, log.customs[places] >= 0, n)
    found: Mask = (custom > 0) & (custom < np.bincount(group, minlength=n))
    return found


def _factors(log: Log, spans: _Spans, end: int, window: int) -> Floats:
    times = log.kept.times[spans.places]
    first, last = times[spans.first], times[spans.last]
    with np.errstate(invalid="ignore", divide="ignore"):
        sampled = (last - first) / 1000
        interval = sampled / (spans.last - spans.first)
        to_start = (first - (end - window)) / 1000
        to_end = (end - last) / 1000
        to_start = np.where(to_start >= interval * _THRESHOLD, interval / 2, to_start)
        to_end = np.where(to_end >= interval * _THRESHOLD, interval / 2, to_end)
        found: Floats = (sampled + to_start + to_end) / sampled
    return found
