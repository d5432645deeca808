"""What the run could have shown, and what would have passed: our own statistic, inverted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from anomalyd.detectors import share_of
from anomalyd.detectors.base import Context, Mask
from anomalyd.detectors.baseline_deviation import HAZARD, SIZES, BaselineDeviation
from anomalyd.detectors.count_deviation import EXCESS, CountDeviation
from anomalyd.detectors.level_filter import STATES, LevelFilter
from anomalyd.detectors.mixture import HAZARD as COUNT_HAZARD
from anomalyd.judgement.evidence import Bank
from anomalyd.model import Floats

POWER = 0.84
"""Normal quantile of 80%."""

COST = {
    "step": float(np.log(1 / (share_of(BaselineDeviation) * HAZARD)) + np.log(len(SIZES)) + 0.5),
    "count": float(
        np.log(1 / (share_of(CountDeviation) * COUNT_HAZARD)) + np.log(len(EXCESS)) + 0.5
    ),
}
"""Nats that a mixture pays for not knowing what it bets on: its share of the series' evidence, the
onset (and those spent before it), the size."""

EFFICIENCY = 0.75
"""Of the information in a normal's mean that a bet of Student t, at a scale that covers, keeps."""

STEPS = 9
LARGEST_LOG = np.log(11.0)
"""Sizes are searched up to eleven-fold (or a ratio of 1); beyond that nothing would be learnt."""


def detectable(contexts: Sequence[Context], log_threshold: Floats, largest: Floats) -> Floats:
    """Smallest persistent shift, beginning a quarter into the run, that fires with 80% power.

    contexts: the judged windows, each of n rows. largest: float64[n], the size searched up to, in
    the residual's scale (bad ratio for counts). Returns float64[n], inf where not even that fires.

    The judge's own filter tells what a unit step leaves of itself in every innovation, and so how
    much information on its size the run holds; from it follow the mean and sd of the evidence at
    every size, which a normal approximation inverts. (A test holds it to the size at which runs
    with a step put into them do fire.)
    """
    n, windows = len(log_threshold), len(contexts)
    if n == 0 or windows < 2:
        return np.full(n, np.inf)
    known, counted = _information(contexts, max(1, windows // 4))
    is_count = np.isfinite(contexts[0].bad_ratio)
    need = log_threshold + np.where(is_count, COST["count"], COST["step"])
    reach = POWER + np.sqrt(POWER**2 + 2 * need)
    information = np.where(is_count, counted, EFFICIENCY * known)
    with np.errstate(divide="ignore"):
        size = contexts[0].tolerate + reach / np.sqrt(information)
    return np.where(size <= largest, size, np.inf)


def _information(contexts: Sequence[Context], onset: int) -> tuple[Floats, Floats]:
    """What the run tells of a step at window `onset`, 1 / size²: float64[n] each, from innovations
    of the residual and from counts."""
    n = len(contexts[0].value)
    ordinary = LevelFilter()
    ordinary.resize(n)
    response, known, counted = np.zeros((STATES, n)), np.zeros(n), np.zeros(n)
    for t, context in enumerate(contexts):
        flat = replace(context, residual=np.where(np.isfinite(context.residual), 0.0, np.nan))
        found = ordinary.predict(flat)
        response *= LevelFilter.decay(context)
        if t >= onset:
            left = min((t - onset + 1) / context.smear, 1.0) - (
                response * LevelFilter.design(context)
            ).sum(axis=0)
            known += np.where(found.seen, (left / found.sd) ** 2, 0.0)
            response += np.where(found.seen, found.gains * left, 0.0)
            counted += _of_counts(context)
        ordinary.update(flat, found, found.seen)
    return known, counted


def _of_counts(context: Context) -> Floats:
    mean = context.total * np.minimum(context.bad_ratio + context.tolerate, 1.0)
    return np.nan_to_num(context.total**2 / np.maximum(mean + context.burst * mean**2, 1e-9))


def passing_share(contexts: Sequence[Context], log_threshold: Floats) -> Floats:
    """The largest share float64[n] of the deviation seen (residual, bad count) that would pass: the
    run's own windows through a fresh `Bank`, with the deviation made smaller."""
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


def _peak(contexts: Sequence[Context]) -> Floats:
    """Largest log evidence of each row over the windows."""
    n = len(contexts[0].value)
    bank, everyone, peak = Bank(n), np.ones(n, dtype=bool), np.zeros(n)
    for context in contexts:
        peak = np.maximum(peak, bank.score(context, everyone).log_evidence)
        bank.learn(context, everyone)
    return peak
