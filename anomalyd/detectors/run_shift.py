"""Has the whole run been worse than production, beyond what the environments' difference allows?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anomalyd.detectors.base import Arrays, Context, Mask, Returns, RowState
from anomalyd.detectors.level_filter import WANDER_SECONDS
from anomalyd.model import Floats, Rows

LOOKS = (8, 32)
"""Windows after which the run's median is looked at, once each."""

TILTS = np.array([1.0, 2.0, 3.0, 4.0, 6.0])


class RunShift:
    """One Gaussian bet on the median residual of the first windows, at each of two looks.

    The unknown offset of a good run is N(0, offset²); a run that was worse from its first window
    shows no onset, and all the evidence against the offset comes in one lump, which a bet that is
    capped per window cannot take. The median of 8 windows withstands absurd samples instead. Each
    look's e-value is 1 until its time and constant after it, hence a martingale; the mean of both
    is one. The variance is that of the run's difference at its loads and of the mean of its noise,
    widened by π/2 for a median.

    State: residuals and variances of the difference in the first windows, float32[2, LOOKS[-1], n];
    count and one log e-value per look, float64[n].
    """

    name = "run_shift"
    returns = Returns.SEQUENTIAL

    def __init__(self) -> None:
        self._state = RowState(count=0, first=0, second=0)
        self._seen = np.zeros((2, LOOKS[-1], 0), dtype=np.float32)
        self._value: Floats | None = None

    def resize(self, n: int) -> None:
        more = n - self._seen.shape[-1]
        self._state.resize(n)
        self._value = None
        self._seen = np.pad(self._seen, ((0, 0), (0, 0), (0, more)))

    def score(self, context: Context) -> Floats:
        s = self._state
        if self._value is None:
            value = np.logaddexp(s["first"], s["second"]) - np.log(2)
            self._value = np.where(s["count"] >= LOOKS[0], value, np.nan)
        return self._value.copy()

    def learn(self, context: Context, mask: Mask) -> None:
        s = self._state
        rows = np.flatnonzero(mask & np.isfinite(context.residual) & (s["count"] < LOOKS[-1]))
        if not rows.size:
            return
        at = s["count"][rows].astype(np.intp)
        residuals, differences = self._seen
        residuals[at, rows] = context.apart_from(0.0)[rows]
        differences[at, rows] = context.difference[rows]
        s["count"][rows] += 1
        for look, name in zip(LOOKS, ("first", "second"), strict=True):
            due = rows[s["count"][rows] == look]
            if due.size:
                s[name][due] = self._bet(context, due, look)
                self._value = None

    def _bet(self, context: Context, rows: Rows, look: int) -> Floats:
        c = context
        residuals, differences = self._seen[:, :look, rows]
        first, second = self._halves(residuals)
        variance = differences.mean(axis=0, dtype=np.float64) + self._of_mean(c, rows, look)
        two_sided = c.sign[rows] == 0
        same = np.minimum(np.abs(first), np.abs(second)) * (first * second > 0)
        one_way = np.minimum(first * c.sign[rows], second * c.sign[rows])
        worse = np.where(two_sided, same, one_way) - c.tolerate[rows]
        z = worse / np.sqrt(variance)
        tilts = TILTS[:, np.newaxis]
        bets = np.logaddexp.reduce(tilts * z - tilts * tilts / 2, axis=0) - np.log(len(TILTS))
        return np.where(two_sided, bets - np.log(2), bets)

    @staticmethod
    def _halves(residuals: Floats) -> tuple[Floats, Floats]:
        """Median residual of either half of the first windows."""
        first, second = np.split(residuals, 2)
        return np.median(first, axis=0), np.median(second, axis=0)

    @staticmethod
    def _of_mean(context: Context, rows: Rows, look: int) -> Floats:
        """Variance of the mean of `look` windows' noise, as `LevelFilter` describes it."""
        phi, slow = context.phi[rows], np.exp(-context.window / WANDER_SECONDS)
        own = context.noise[rows] ** 2 / (1 - phi**2)
        wander = context.wander[rows] ** 2 * own
        fast = own * _of_mean_ar(phi, look) + context.sampling[rows] / look
        return np.asarray(np.pi / 2 * fast + wander * _of_mean_ar(slow, look))

    def reset(self, rows: Rows) -> None:
        self._state.reset(rows)
        self._value = None

    def dump(self) -> dict[str, NDArray[np.generic]]:
        return self._state.dump() | {"seen": self._seen.copy()}

    def load(self, state: Arrays) -> None:
        self._state.load(state)
        self._seen = np.array(state["seen"], dtype=np.float32)
        self._value = None


def _of_mean_ar(phi: Floats | float, n: int) -> Floats:
    """Variance of the mean of n windows of an AR(1) of variance 1."""
    lags = np.arange(1, n)
    powers = np.power.outer(np.asarray(phi, dtype=np.float64), lags)
    return np.asarray((1 + 2 * (powers * (1 - lags / n)).sum(axis=-1)) / n)
