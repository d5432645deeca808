"""Is the value worse than production's at this load, given the run so far?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anomalyd.detectors.base import Arrays, Context, Mask, Returns, RowState, level_bets
from anomalyd.detectors.mixture import TILTS, Bets, OnsetMixture
from anomalyd.model import Floats, Rows


class BaselineDeviation:
    """One-step prediction of each residual by a Kalman filter; bets on the innovations' tails.

    A good run differs from production by an unknown constant o and slope b in load, both with
    prior means 0 and the sds of the context (transfer), and by AR(1) noise a with production's
    phi and innovation scale; sampling noise comes on top:

        residual = o + b·load + a + v,   a' = phi·a + w,   var w = noise²,   var v = sampling

    The filter integrates o and b out, so autocorrelation and a constant difference between the
    environments are in the null rather than evidence against it. Gaussian recursions give the
    scale; the tail is Student t with 4 degrees of freedom, which `noise` was fitted to cover.

    State: means o b a and covariances, float64[n] each; log wealth float64[2·tilts, n]. Reference:
    Harvey, "Forecasting, Structural Time Series Models and the Kalman Filter", 1989, 3.2.
    """

    name = "baseline_deviation"
    returns = Returns.SEQUENTIAL

    def __init__(self) -> None:
        self._state = RowState(started=0, o=0, b=0, a=0, oo=0, ob=0, oa=0, bb=0, ba=0, aa=0)
        self._mixture = OnsetMixture(2 * len(TILTS))

    def resize(self, n: int) -> None:
        self._state.resize(n)
        self._mixture.resize(n)

    def score(self, context: Context) -> Floats:
        bets, seen = self._bets(context)
        value = self._mixture.log_value_after(bets, seen)
        return np.where(np.isfinite(context.noise), value, np.nan)

    def learn(self, context: Context, mask: Mask) -> None:
        """Rows without a value keep their offset and slope; their noise decays by phi."""
        s = self._state
        innovation, variance, gains = self._predict(context)
        bets, seen = self._bets(context)
        self._mixture.update(bets, seen & mask)
        seen = seen & mask
        ready = mask & np.isfinite(context.noise)
        prior = self._prior(context)
        for name, value in prior.items():
            s[name][ready] = value[ready]
        s["started"][ready] = 1.0
        go, gb, ga = (np.where(seen, gain / variance, 0.0) for gain in gains)
        error = np.where(seen, innovation, 0.0)
        for name, gain in (("o", go), ("b", gb), ("a", ga)):
            s[name][:] += gain * error
        ho, hb, ha = (np.where(seen, gain, 0.0) for gain in gains)
        for name, left, right in (
            ("oo", go, ho), ("ob", go, hb), ("oa", go, ha),
            ("bb", gb, hb), ("ba", gb, ha), ("aa", ga, ha),
        ):  # fmt: skip
            s[name][:] -= left * right

    def forget_evidence(self, rows: Rows) -> None:
        """Bet anew; what the filter learned of the run stays."""
        self._mixture.reset(rows)

    def reset(self, rows: Rows) -> None:
        self._state.reset(rows)
        self._mixture.reset(rows)

    def dump(self) -> dict[str, NDArray[np.generic]]:
        return self._state.dump() | self._mixture.dump()

    def load(self, state: Arrays) -> None:
        self._state.load(state)
        self._mixture.load(state)

    def _bets(self, context: Context) -> tuple[Bets, Mask]:
        innovation, variance, _ = self._predict(context)
        seen = np.isfinite(innovation)
        safe = np.where(seen, innovation, 0.0)
        return level_bets(safe, np.sqrt(np.where(seen, variance, 1.0)), context), seen

    def _prior(self, context: Context) -> dict[str, Floats]:
        """State after the time update; rows not started get the prior of a run."""
        s, phi, old = self._state, context.phi, self._state["started"] > 0
        process = context.noise**2
        return {
            "a": s["a"] * phi,
            "oo": np.where(old, s["oo"], context.offset**2),
            "oa": s["oa"] * phi,
            "bb": np.where(old, s["bb"], context.slope**2),
            "ba": s["ba"] * phi,
            "aa": np.where(old, s["aa"] * phi * phi + process, process / (1 - phi * phi)),
        }

    def _predict(self, context: Context) -> tuple[Floats, Floats, tuple[Floats, Floats, Floats]]:
        """Innovation, its variance, and the covariances of (o, b, a) with it."""
        s, prior, load = self._state, self._prior(context), context.load
        innovation = context.residual - (s["o"] + s["b"] * load + prior["a"])
        go = prior["oo"] + s["ob"] * load + prior["oa"]
        gb = s["ob"] + prior["bb"] * load + prior["ba"]
        ga = prior["oa"] + prior["ba"] * load + prior["aa"]
        return innovation, go + gb * load + ga + context.sampling, (go, gb, ga)
