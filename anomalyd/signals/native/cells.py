"""Sums of many histograms at once: to the coarsest resolution and the widest zero bucket."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomalyd.model import Floats, Rows
from anomalyd.signals.native.samples import Codes, coarser, edges
from anomalyd.signals.window import Mask

Schemas = NDArray[np.int64]

_CODES = 2**21
"""More than there are codes, both signs together."""
_ROUNDING = 1e-12


@dataclass(slots=True)
class Terms:
    """m histograms that are added, each to one of n groups.

    group, schemas, customs (an id of the boundaries, -1 where they are exponential): [m].
    thresholds, zeros: float64[m]. owner: intp[b] of each bucket; codes, buckets: [b]. What is to be
    subtracted has zeros and buckets below 0.
    """

    group: Rows
    schemas: Schemas
    customs: Rows
    thresholds: Floats
    zeros: Floats
    owner: Rows
    codes: Codes
    buckets: Floats


@dataclass(slots=True)
class Sums:
    """n histograms. schemas, customs, thresholds, zeros, valid: [n]; not valid where boundaries do
    not go together. owner, codes, buckets: [b], by owner and code, none 0."""

    schemas: Schemas
    customs: Rows
    thresholds: Floats
    zeros: Floats
    valid: Mask
    owner: Rows
    codes: Codes
    buckets: Floats


def add(terms: Terms, schemas: Schemas) -> Sums:
    """Of `len(schemas)` groups; schemas: int64[n], none finer than those of a group's terms.

    Method: `FloatHistogram.Add` of Prometheus 3 (model/histogram/float_histogram.go).
    """
    n = len(schemas)
    customs, valid = _alike(terms.group, terms.customs, n)
    owner, codes, buckets = terms.owner, terms.codes, terms.buckets
    zeros, thresholds, kept = _one_threshold(terms, n)
    owner, codes, buckets = owner[kept], codes[kept], buckets[kept]
    group = terms.group[owner]
    by = np.where(terms.customs[owner] >= 0, 0, terms.schemas[owner] - schemas[group])
    codes = np.where(by > 0, coarser(codes, np.maximum(by, 0)), codes)
    owner, codes, buckets = merged(group, codes, buckets)
    return Sums(schemas, customs, thresholds, zeros, valid, owner, codes, buckets)


def binned(group: Rows, values: Floats, n: int) -> Floats:
    """float64[n]: the sum of each group's values."""
    return np.bincount(group, values, n).astype(np.float64, copy=False)


def _alike(group: Rows, customs: Rows, n: int) -> tuple[Rows, Mask]:
    """(intp[n] boundaries of each group, bool[n] whether all of a group have these)."""
    least, most = np.full(n, np.iinfo(np.intp).max), np.full(n, -2)
    np.minimum.at(least, group, customs)
    np.maximum.at(most, group, customs)
    return most, least == most


def merged(group: Rows, codes: Codes, buckets: Floats) -> tuple[Rows, Codes, Floats]:
    """Each bucket of each group once; what has become 0 is gone."""
    keys = group * _CODES + (codes + _CODES // 2)
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    first = np.flatnonzero(np.diff(keys, prepend=-1))
    if not len(first):
        return group[:0], codes[:0], buckets[:0]
    total = np.add.reduceat(buckets[order], first)
    there = total != 0
    keys = keys[first[there]]
    return keys // _CODES, keys % _CODES - _CODES // 2, total[there]


def _one_threshold(terms: Terms, n: int) -> tuple[Floats, Floats, Mask]:
    """(float64[n] zero counts, float64[n] thresholds, bool[b] buckets that are left).

    The widest zero bucket of a group holds what others have in buckets below it; one that ends
    within a populated bucket is widened to its end.
    """
    group, thresholds = terms.group, np.zeros(n)
    np.maximum.at(thresholds, group, terms.thresholds)
    kept = np.ones(len(terms.owner), dtype=np.bool_)
    zeros = binned(group, terms.zeros, n)
    mixed = np.zeros(n, dtype=np.bool_)
    mixed[group[terms.thresholds < thresholds[group]]] = True
    if not mixed.any():
        return zeros, thresholds, kept
    cells = np.flatnonzero(mixed[group[terms.owner]] & (terms.customs[terms.owner] < 0))
    owner = terms.owner[cells]
    lower, upper = edges(terms.codes[cells], terms.schemas[owner])
    within = group[owner]
    while True:
        at = thresholds[within]
        cut = (lower < at * (1 - _ROUNDING)) & (upper > at * (1 + _ROUNDING))
        if not cut.any():
            break
        np.maximum.at(thresholds, within[cut], upper[cut])
    folded = upper <= thresholds[within] * (1 + _ROUNDING)
    zeros += np.bincount(within[folded], terms.buckets[cells[folded]], n)
    kept[cells[folded]] = False
    return zeros, thresholds, kept
