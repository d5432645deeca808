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
EXACT = 1000
"""Series of a run whose detectable change is searched for; of any further ones it is only found
out whether they show the one asked for, which is a tenth of the work and all that decides."""

WINDOWS, WINDOWS_OF_WIDE = 240, 120
"""Windows, the latest, that power is worked out of, and in a run of more than `EXACT` series: a
longer run can show at least as much."""

LARGEST_LOG = np.log(11.0)
"""Sizes are searched up to eleven-fold (or a ratio of 1); beyond that nothing would be learnt."""

ROWS_AT_ONCE = 20_000


def windows_of(rows: int) -> int:
    """How many of its latest windows the power of a run of `rows` series is worked out of."""
    return WINDOWS if rows <= EXACT else WINDOWS_OF_WIDE


def detectable(
    contexts: Sequence[Context],
    log_threshold: Floats,
    asked: Floats,
    largest: Floats,
    exact: int = EXACT,
) -> Floats:
    """Smallest persistent shift, beginning a quarter into the run, that fires with 80% power.

    contexts: the judged windows, each of n rows, taken to be good. asked, largest: float64[n], the
    size that a pass must have been able to show, and the one searched up to, in the residual's
    scale (bad ratio for counts). Searched for `exact` rows (at least 1), first those that do not
    show what was asked. Of the others, those that show it get `asked`, an upper bound, the rest
    NaN: not known.
    Returns float64[n], inf where not even `largest` fires.
    """
    n, windows = len(log_threshold), len(contexts)
    if n == 0 or windows < 2:
        return np.full(n, np.inf)
    shows = _firing(contexts, log_threshold)(asked)
    found = np.where(shows, asked, np.nan)
    rows = np.argsort(shows, kind="stable")[:exact]
    taken = [context.take(rows) for context in contexts]
    fires = _firing(taken, log_threshold[rows])
    found[rows] = _smallest(fires, largest[rows], known=(shows[rows], asked[rows]))
    return found


def _firing(contexts: Sequence[Context], log_threshold: Floats) -> Callable[[Floats], Mask]:
    """Whether a shift of the sizes given, one per row, fires in four of five rotations."""
    n, windows = len(log_threshold), len(contexts)
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
        often: Mask = crossed.reshape(rotations, n).sum(axis=0) >= needed
        return often

    return fires


def passing_share(contexts: Sequence[Context], log_threshold: Floats) -> Floats:
    """The largest share float64[n] of the deviation seen (residual, bad count) that would pass."""
    n = len(log_threshold)

    def fires(share: Floats) -> Mask:
        scaled = [replace(c, residual=c.residual * share, bad=c.bad * share) for c in contexts]
        return _peak(scaled) >= log_threshold

    return np.minimum(_smallest(fires, np.ones(n), power=1), 1.0)


def _smallest(
    fires: Callable[[Floats], Mask],
    largest: Floats,
    power: int = 2,
    known: tuple[Mask, Floats] | None = None,
) -> Floats:
    """Bisect the smallest size that fires; sizes go as u**power, finer for small ones. known:
    whether sizes that were tried already fired, and the sizes."""
    low, high = np.zeros(len(largest)), np.ones(len(largest))
    never = ~fires(largest)
    if known is not None:
        hit, size = known[0], np.minimum(known[1] / largest, 1.0) ** (1 / power)
        never &= ~hit
        high, low = np.where(hit, size, high), np.where(hit, low, size)
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
