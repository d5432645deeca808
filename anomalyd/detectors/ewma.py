"""Is this window unlike the last few minutes, by a scale learned in this run alone?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anomalyd.detectors.base import Arrays, Context, Mask, Returns, RowState, tail_p
from anomalyd.model import Floats, Rows

ALPHA = 0.1
READY = 12


class Ewma:
    """Exponentially weighted mean, variance and lag-one covariance of the residual.

    The one-step prediction is mean + rho·(last - mean) with rho = covariance / variance, so that
    slow movement of a good run is predicted rather than counted. The scale never goes below
    production's own innovations, and is widened while few windows are known. After a window
    without a value the mean alone is foretold, at the whole variance.

    State: mean, var, cov, last, count, float64[n]. Reference: Roberts 1959; the recursion for
    the variance is Finch, "Incremental calculation of weighted mean and variance", 2009.
    """

    name = "ewma"
    returns = Returns.PREDICTIVE

    def __init__(self) -> None:
        self._state = RowState(mean=0, var=0, cov=0, last=np.nan, count=0)

    def resize(self, n: int) -> None:
        self._state.resize(n)

    def score(self, context: Context) -> Floats:
        s = self._state
        known = np.maximum(s["count"], 1)
        rho = s["cov"] / np.where(s["var"] > 0, s["var"], 1.0) + 1 / np.sqrt(known)
        foretold = np.isfinite(s["last"])
        rho = np.where(foretold, np.clip(np.maximum(rho, context.phi), 0.0, 0.97), 0.0)
        away = np.where(foretold, s["last"] - s["mean"], 0.0)
        innovation = context.residual - s["mean"] - rho * away
        own = s["var"] * (1 - rho * rho)
        least = context.noise**2 / np.where(foretold, 1.0, 1 - context.phi**2)
        variance = np.maximum(own, least + (1 + rho * rho) * context.sampling)
        p = tail_p(innovation, np.sqrt(variance * (1 + 4 / known)), context, context.tolerate)
        return np.where((s["count"] >= READY) & np.isfinite(context.residual), p, np.nan)

    def learn(self, context: Context, mask: Mask) -> None:
        s = self._state
        rows = np.flatnonzero(mask & np.isfinite(context.residual))
        value = context.residual[rows]
        weight = np.maximum(ALPHA, 1 / (s["count"][rows] + 1))
        step = value - s["mean"][rows]
        back = np.where(np.isfinite(s["last"][rows]), s["last"][rows] - s["mean"][rows], 0.0)
        s["mean"][rows] += weight * step
        s["var"][rows] = (1 - weight) * (s["var"][rows] + weight * step * step)
        s["cov"][rows] = (1 - weight) * (s["cov"][rows] + weight * step * back)
        s["last"][:] = np.nan
        s["last"][rows] = value
        s["count"][rows] += 1

    def reset(self, rows: Rows) -> None:
        self._state.reset(rows)

    def dump(self) -> dict[str, NDArray[np.generic]]:
        return self._state.dump()

    def load(self, state: Arrays) -> None:
        self._state.load(state)
