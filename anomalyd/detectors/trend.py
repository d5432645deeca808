"""Does it keep growing, as a leak does, and when would it reach its limit?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anomalyd.detectors.base import Arrays, Context, Mask, Once, Returns, RowState
from anomalyd.detectors.mixture import TILTS, OnsetMixture
from anomalyd.model import Floats, Rows

BLOCK = 4
"""Windows per block; blocks are compared, so that a blip is not a trend."""

_Bets = tuple[tuple[Floats, Floats], Mask]
"""The mixture once the drift is bet, and the rows whose block is complete."""


class Trend:
    """Bets on the differences of successive block means of the residual.

    Under the null the residual has no drift: the differences telescope, so whatever the
    autocorrelation their sum stays bounded while each bet pays λ²/2 for its variance, and the
    product cannot grow. Quantities that are worse both ways have no trend. At most `tolerate`
    of drift per block is forgiven. Slopes are kept by Holt's recursion in the value's own unit
    for `time_to`.

    State: sum, count of the block; last block mean; level and slope per window, float64[n].
    Reference: Holt 1957 (2004 reprint); the telescoping bound is elementary.
    """

    name = "trend"
    returns = Returns.SEQUENTIAL

    def __init__(self) -> None:
        self._state = RowState(sum=0, count=0, mean=np.nan, level=np.nan, slope=0)
        self._mixture = OnsetMixture(len(TILTS))
        self._step = Once(self._work_out)

    def resize(self, n: int) -> None:
        self._state.resize(n)
        self._mixture.resize(n)
        self._step.forget()

    def score(self, context: Context) -> Floats:
        bets, _ = self._step(context)
        value = self._mixture.log_value_after(*bets) if bets else self._mixture.log_value()
        return np.where(np.isfinite(self._state["mean"]) & (context.sign != 0), value, np.nan)

    def learn(self, context: Context, mask: Mask) -> None:
        s = self._state
        bets, residual = self._step(context)
        if bets:
            after, complete = bets
            self._mixture.commit(after, complete & mask)
        seen = mask & np.isfinite(context.residual)
        np.add(s["sum"], residual, out=s["sum"], where=seen)
        count = s["count"]
        count += seen
        full = np.flatnonzero(s["count"] >= BLOCK)
        s["mean"][full] = s["sum"][full] / s["count"][full]
        s["sum"][full] = s["count"][full] = 0
        self._follow(context.value, mask & np.isfinite(context.value))
        self._step.forget()

    def time_to(self, limit: Floats, window: float) -> Floats:
        """Seconds float64[n] until `limit` (float64[n], NaN = none) at this slope, inf if never."""
        s = self._state
        with np.errstate(divide="ignore", invalid="ignore"):
            windows = (limit - s["level"]) / s["slope"]
        return np.where((s["slope"] > 0) & (windows >= 0), windows * window, np.inf)

    def _work_out(self, context: Context) -> tuple[_Bets | None, Floats]:
        """What is bet, if any block is complete, and the residual of `_residual`."""
        s, residual = self._state, self._residual(context)
        complete = (s["count"] + 1 >= BLOCK) & np.isfinite(s["mean"])
        complete &= np.isfinite(context.residual) & (context.sign != 0)
        if not complete.any():
            return None, residual
        return self._bets(context, residual, complete), residual

    def _bets(self, context: Context, residual: Floats, complete: Mask) -> _Bets:
        s = self._state
        mean = (s["sum"] + residual) / BLOCK
        drift = np.where(complete, mean - s["mean"], 0.0)
        worse = drift * context.sign - context.tolerate
        stationary = context.noise**2 / (1 - context.phi**2)
        scale = np.sqrt(2 * (stationary + context.sampling / BLOCK))
        z = np.clip(np.where(complete, worse / scale, 0.0), -3.0, 3.0)
        tilts = TILTS[:, np.newaxis]
        factors = np.exp(tilts * z - tilts * tilts / 2)
        return self._mixture.after((factors, factors)), complete

    def _residual(self, context: Context) -> Floats:
        """About the run's own level as it was in the last block."""
        mean = self._state["mean"]
        level = np.where(np.isfinite(mean), mean, 0.0)
        return level + context.apart_from(level)

    def _follow(self, value: Floats, seen: Mask) -> None:
        s, known = self._state, np.isfinite(self._state["level"])
        first, later = seen & ~known, seen & known
        s["level"][first] = value[first]
        before = s["level"][later].copy()
        ahead = before + s["slope"][later]
        s["level"][later] = ahead + 0.3 * (value[later] - ahead)
        s["slope"][later] += 0.1 * (s["level"][later] - before - s["slope"][later])

    def reset(self, rows: Rows) -> None:
        self._state.reset(rows)
        self._mixture.reset(rows)
        self._step.forget()

    def dump(self) -> dict[str, NDArray[np.generic]]:
        return self._state.dump() | self._mixture.dump()

    def load(self, state: Arrays) -> None:
        self._state.load(state)
        self._mixture.load(state)
        self._step.forget()
