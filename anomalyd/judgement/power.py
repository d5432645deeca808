"""What the run could have shown, and what would have passed: our own statistic, inverted.

Both questions are answered by replaying the run's own windows through a fresh `Bank` with the
deviation made larger or smaller, so the answer is that of the judge, not of a formula about it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from anomalyd.detectors.base import Context, Mask
from anomalyd.judgement.evidence import Bank
from anomalyd.model import Floats

ROTATIONS = 5
"""The run's own noise, rotated in time, gives five runs; four must fire: power 80%."""

STEPS = 9
LARGEST_LOG = np.log(11.0)
"""Sizes are searched up to eleven-fold (or a ratio of 1); beyond that nothing would be learnt."""

ROWS_AT_ONCE = 20_000


def detectable(contexts: Sequence[Context], log_threshold: Floats, largest: Floats) -> Floats:
    """Smallest persistent shift, beginning a quarter into the run, that fires with 80% power.

    contexts: the judged windows, each of n rows, taken to be good. largest: float64[n], the size
    searched up to, in the residual's scale (bad ratio for counts). Returns float64[n], inf where
    not even that fires.
    """
    n, windows = len(log_threshold), len(contexts)
    if n == 0 or windows < 2:
        return np.full(n, np.inf)
    rotations = max(1, min(ROTATIONS, ROWS_AT_ONCE // n, windows))
    copies = np.tile(np.arange(n), rotations)
    centred = _centred(contexts)
    noise = [
        np.concatenate(
            [centred[(t + r * windows // rotations) % windows] for r in range(rotations)]
        )
        for t in range(windows)
    ]
    onset = max(1, windows // 4)
    needed = int(np.ceil(0.8 * rotations))

    def fires(size: Floats) -> Mask:
        shift = np.tile(size, rotations)
        shifted = [
            _moved(context.take(copies), noise[t], shift if t >= onset else shift * 0)
            for t, context in enumerate(contexts)
        ]
        crossed = _peak(shifted) >= np.tile(log_threshold, rotations)
        return crossed.reshape(rotations, n).sum(axis=0) >= needed

    return _smallest(fires, largest)


def passing_share(contexts: Sequence[Context], log_threshold: Floats) -> Floats:
    """The largest share float64[n] of the deviation seen (residual, bad count) that would pass."""
    n = len(log_threshold)

    def fires(share: Floats) -> Mask:
        scaled = [replace(c, residual=c.residual * share, bad=c.bad * share) for c in contexts]
        return _peak(scaled) >= log_threshold

    return np.minimum(_smallest(fires, np.ones(n), power=1), 1.0)


def _smallest(fires: Callable[[Floats], Mask], largest: Floats, power: int = 2) -> Floats:
    """Bisect the smallest size that fires; sizes go as u**power, finer for small ones."""
    low, high = np.zeros(len(largest)), np.ones(len(largest))
    never = ~fires(largest)
    for _ in range(STEPS):
        middle = (low + high) / 2
        hit = fires(largest * middle**power)
        high, low = np.where(hit, middle, high), np.where(hit, low, middle)
    return np.where(never, np.inf, largest * high**power)


def _centred(contexts: Sequence[Context]) -> list[Floats]:
    residuals = np.array([context.residual for context in contexts])
    known = np.isfinite(residuals).any(axis=0)
    centre = np.zeros(residuals.shape[1])
    if known.any():
        centre[known] = np.nanmedian(residuals[:, known], axis=0)
    return list(residuals - centre)


def _moved(context: Context, residual: Floats, shift: Floats) -> Context:
    direction = np.where(context.sign < 0, -1.0, 1.0)
    bad = np.minimum(context.bad + shift * context.total, context.total)
    return replace(context, residual=residual + direction * shift, bad=bad)


def _peak(contexts: Sequence[Context]) -> Floats:
    """Largest log evidence of each row over the windows."""
    n = len(contexts[0].value)
    bank, everyone, peak = Bank(n), np.ones(n, dtype=bool), np.zeros(n)
    for context in contexts:
        peak = np.maximum(peak, bank.score(context, everyone).log_evidence)
        bank.learn(context, everyone)
    return peak
