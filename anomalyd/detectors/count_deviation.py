"""Are there more bad requests than production's ratio allows, as counts?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anomalyd.detectors.base import Arrays, Context, Mask, Once, Returns
from anomalyd.detectors.mixture import CAP, OnsetMixture, log_value
from anomalyd.model import Floats, Rows

EXCESS = np.array([0.005, 0.02, 0.08, 0.3])
"""Ratios above the null that are bet on; a mixture over them costs log 4 at most."""


class CountDeviation:
    """Likelihood ratios of negative binomials for `bad` out of `total`, mixed over onsets.

    Null: the mean of `bad` is at most total·(bad_ratio + tolerate). The likelihood ratio of a
    larger mean against that mean has expectation at most 1 under every smaller one (monotone
    likelihood ratio), so each factor is an e-value and 0 of 3 against 1 of 3 means what it
    means. The gamma functions cancel since both have the same size. Bursts make neighbouring
    windows alike in more than their mean: variance is μ + burst·μ² in a window.
    """

    name = "count_deviation"
    returns = Returns.SEQUENTIAL

    def __init__(self) -> None:
        self._mixture = OnsetMixture(len(EXCESS))
        self._step = Once(self._bets)

    def resize(self, n: int) -> None:
        self._mixture.resize(n)
        self._step.forget()

    def score(self, context: Context) -> Floats:
        counted = np.isfinite(context.bad_ratio)
        if not counted.any():
            return np.full(len(context.value), np.nan)
        rows, after = self._step(context)
        value = np.where(counted, self._mixture.log_value(), np.nan)
        value[rows] = log_value(*after)
        return value

    def learn(self, context: Context, mask: Mask) -> None:
        if np.isfinite(context.bad_ratio).any():
            rows, (wealth, unspent) = self._step(context)
            bet = mask[rows]
            self._mixture.commit_at(rows[bet], (wealth[:, bet], unspent[bet]))
        self._step.forget()

    def _bets(self, context: Context) -> tuple[Rows, tuple[Floats, Floats]]:
        """The rows that had any requests, and their mixture once likelihood ratios are bet."""
        seen = (context.total > 0) & np.isfinite(context.bad) & np.isfinite(context.bad_ratio)
        rows, size = np.flatnonzero(seen), 1 / context.burst[np.flatnonzero(seen)]
        total, bad = context.total[rows], context.bad[rows]
        ratio = np.minimum(context.bad_ratio[rows] + context.tolerate[rows], 1.0)
        null, other = total * ratio, total * np.minimum(ratio + EXCESS[:, np.newaxis], 1.0)
        log = (bad + size) * np.log((null + size) / (other + size)) + bad * np.log(other / null)
        return rows, self._mixture.after_at(rows, np.exp(np.minimum(log, np.log(CAP))))

    def reset(self, rows: Rows) -> None:
        self._mixture.reset(rows)
        self._step.forget()

    def dump(self) -> dict[str, NDArray[np.generic]]:
        return self._mixture.dump()

    def load(self, state: Arrays) -> None:
        self._mixture.load(state)
        self._step.forget()
