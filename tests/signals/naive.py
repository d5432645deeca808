"""The slow, obvious twins: one series at a time, in plain Python, as Prometheus's Go does it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

Sample = tuple[int, float]  # (ms, value)


def increase(
    samples: Sequence[Sample], end: int, window: int, *, prometheus_2: bool = False
) -> float | None:
    """extrapolatedRate; `prometheus_2`: the zero point is looked at before the threshold."""
    start = end - window
    inside = [sample for sample in samples if start < sample[0] <= end]
    if len(inside) < 2:
        return None
    result = inside[-1][1] - inside[0][1]
    for (_, before), (_, now) in itertools.pairwise(inside):
        if now < before:
            result += before
    to_start = (inside[0][0] - start) / 1000
    to_end = (end - inside[-1][0]) / 1000
    sampled = (inside[-1][0] - inside[0][0]) / 1000
    interval = sampled / (len(inside) - 1)
    to_zero = math.inf
    if result > 0 and inside[0][1] >= 0:
        to_zero = sampled * (inside[0][1] / result)
    if prometheus_2:
        to_start = min(to_start, to_zero)
    if to_start >= interval * 1.1:
        to_start = interval / 2
    if not prometheus_2:
        to_start = min(to_start, to_zero)
    if to_end >= interval * 1.1:
        to_end = interval / 2
    return result * ((sampled + to_start + to_end) / sampled)


def average(samples: Sequence[Sample], end: int, window: int) -> float | None:
    inside = [value for time, value in samples if end - window < time <= end]
    return math.fsum(inside) / len(inside) if inside else None


def quantile(q: float, buckets: Sequence[tuple[float, float]]) -> float:
    """bucketQuantile; buckets are (upper bound, cumulative count), any order."""
    ordered = sorted(buckets)
    if len(ordered) < 2 or not math.isinf(ordered[-1][0]):
        return math.nan
    counts = [count for _, count in ordered]
    for i in range(1, len(counts)):
        small = abs(counts[i] - counts[i - 1]) < 1e-12 * (abs(counts[i]) + abs(counts[i - 1]))
        if counts[i] < counts[i - 1] or small:
            counts[i] = counts[i - 1]
    if counts[-1] == 0:
        return math.nan
    rank = q * counts[-1]
    b = next((i for i in range(len(counts) - 1) if counts[i] >= rank), len(counts) - 1)
    if b == len(counts) - 1:
        return ordered[-2][0]
    if b == 0 and ordered[0][0] <= 0:
        return ordered[0][0]
    low, under = (ordered[b - 1][0], counts[b - 1]) if b else (0.0, 0.0)
    return low + (ordered[b][0] - low) * ((rank - under) / (counts[b] - under))
