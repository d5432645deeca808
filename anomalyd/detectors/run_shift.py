"""Has the whole run been worse than production, beyond what the environments' difference allows?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anomalyd.detectors.base import Arrays, Context, Mask, Returns, RowState
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
    is one. var = offset² + slope²·load² + (noise / (1 - phi))²·(π/2)/k + sampling/k, the long-run
    variance of a mean, widened by π/2 for a median.

    State: residuals and loads of the first windows, float64[LOOKS[-1], n]; count and one log
    e-value per look, float64[n].
    """

    name = "run_shift"
    returns = Returns.SEQUENTIAL

    def __init__(self) -> None:
        self._state = RowState(count=0, first=0, second=0)
        self._residuals: Floats = np.zeros((LOOKS[-1], 0), dtype=np.float32)
        self._loads: Floats = np.zeros((LOOKS[-1], 0), dtype=np.float32)

    def resize(self, n: int) -> None:
        more = n - self._residuals.shape[1]
        self._state.resize(n)
        self._residuals = np.pad(self._residuals, ((0, 0), (0, more)))
        self._loads = np.pad(self._loads, ((0, 0), (0, more)))

    def score(self, context: Context) -> Floats:
        s = self._state
        value = np.logaddexp(s["first"], s["second"]) - np.log(2)
        return np.where(s["count"] >= LOOKS[0], value, np.nan)

    def learn(self, context: Context, mask: Mask) -> None:
        s = self._state
        rows = np.flatnonzero(mask & np.isfinite(context.residual) & (s["count"] < LOOKS[-1]))
        at = s["count"][rows].astype(np.intp)
        self._residuals[at, rows] = context.beyond(0.0)[rows]
        self._loads[at, rows] = context.load[rows]
        s["count"][rows] += 1
        for look, name in zip(LOOKS, ("first", "second"), strict=True):
            due = rows[s["count"][rows] == look]
            if due.size:
                s[name][due] = self._bet(context, due, look)

    def _bet(self, context: Context, rows: Rows, look: int) -> Floats:
        c = context
        first, second = self._halves(rows, look)
        load = self._loads[:look, rows].mean(axis=0, dtype=np.float64)
        long_run = (c.noise[rows] / (1 - c.phi[rows])) ** 2 * np.pi / 2 + c.sampling[rows]
        variance = c.offset[rows] ** 2 + (c.slope[rows] * load) ** 2 + long_run / look
        two_sided = c.sign[rows] == 0
        same = np.minimum(np.abs(first), np.abs(second)) * (first * second > 0)
        one_way = np.minimum(first * c.sign[rows], second * c.sign[rows])
        worse = np.where(two_sided, same, one_way) - c.tolerate[rows]
        z = worse / np.sqrt(variance)
        tilts = TILTS[:, np.newaxis]
        bets = np.logaddexp.reduce(tilts * z - tilts * tilts / 2, axis=0) - np.log(len(TILTS))
        return np.where(two_sided, bets - np.log(2), bets)

    def _halves(self, rows: Rows, look: int) -> tuple[Floats, Floats]:
        """Median residual of either half of the first windows."""
        first, second = np.split(self._residuals[:look, rows], 2)
        return np.median(first, axis=0), np.median(second, axis=0)

    def reset(self, rows: Rows) -> None:
        self._state.reset(rows)

    def dump(self) -> dict[str, NDArray[np.generic]]:
        return self._state.dump() | {
            "residuals": self._residuals.copy(),
            "loads": self._loads.copy(),
        }

    def load(self, state: Arrays) -> None:
        self._state.load(state)
        self._residuals = np.array(state["residuals"], dtype=np.float32)
        self._loads = np.array(state["loads"], dtype=np.float32)
