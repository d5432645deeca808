"""Where the counters of native histograms began anew."""

from __future__ import annotations

import numpy as np

from anomalyd.model import Rows
from anomalyd.signals.native.cells import Terms, add
from anomalyd.signals.native.samples import Histograms, owners
from anomalyd.signals.window import Mask


def anew(before: Histograms, after: Histograms, were: Rows, are: Rows) -> Mask:
    """bool[n]: whether they did from one sample to the next, pair by pair.

    were, are: which boundaries of their own they have, -1 for none. Method:
    `FloatHistogram.DetectReset` of Prometheus 3 (model/histogram/float_histogram.go).
    """
    found = (after.counts < before.counts) | (after.zeros < before.zeros)
    alike = _alike(before, after, were, are)
    direct, rest = np.flatnonzero(alike), np.flatnonzero(~alike)
    if not len(rest):
        found[_fewer(before, after)] = True
    elif len(direct):
        found[direct[_fewer(before.at(direct), after.at(direct))]] = True
    if len(rest):
        found[rest] = _by_bucket(before.at(rest), after.at(rest), were[rest], are[rest])
    return found


def _alike(before: Histograms, after: Histograms, were: Rows, are: Rows) -> Mask:
    """bool[n]: whether both have the very same buckets."""
    sizes = np.diff(before.starts)
    alike: Mask = (sizes == np.diff(after.starts)) & (were == are)
    alike &= (before.schemas == after.schemas) & (before.thresholds == after.thresholds)
    whole = alike.all()
    places = np.flatnonzero(alike)
    one, other = (before, after) if whole else (before.at(places), after.at(places))
    alike[places[owners(one.starts)[one.codes != other.codes]]] = False
    return alike


def _fewer(before: Histograms, after: Histograms) -> Rows:
    """Which of them have less in some bucket, of the same buckets."""
    return owners(before.starts)[after.buckets < before.buckets]


def _by_bucket(before: Histograms, after: Histograms, were: Rows, are: Rows) -> Mask:
    """The same whatever their resolution, zero buckets and boundaries are."""
    n = len(after)
    found: Mask = (after.counts < before.counts) | (were != are)
    found |= (after.schemas > before.schemas) | (after.thresholds < before.thresholds)
    both = np.arange(2 * n) % n
    signs = np.repeat([-1.0, 1.0], n)
    buckets = np.concatenate([-before.buckets, after.buckets])
    owner = np.concatenate([owners(before.starts), owners(after.starts) + n])
    zeros = np.concatenate([before.zeros, after.zeros]) * signs
    schemas = np.concatenate([before.schemas, after.schemas])
    thresholds = np.concatenate([before.thresholds, after.thresholds])
    codes = np.concatenate([before.codes, after.codes])
    same = ~found
    kept = same[both[owner]]
    grown = add(
        Terms(
            both,
            np.where(same[both], schemas, 0),
            np.concatenate([were, were]),
            np.where(same[both], thresholds, 0.0),
            zeros,
            owner[kept],
            codes[kept],
            buckets[kept],
        ),
        np.where(same, after.schemas, 0),
    )
    found |= grown.zeros < 0
    found |= same & (grown.thresholds > after.thresholds)
    found[grown.owner[grown.buckets < 0]] = True
    return found
