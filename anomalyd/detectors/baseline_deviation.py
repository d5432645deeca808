"""Is the value worse than production's at this load, given the run so far?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomalyd.detectors.base import Arrays, Context, Mask, Once, Returns, RowState, level_bets
from anomalyd.detectors.mixture import TILTS, OnsetMixture
from anomalyd.model import Floats, Rows

READY = 2
"""Windows of the run's own past before the first bet: its offset must be known a little."""

CLIP = 3.0
"""Sds of an innovation that may move what is known of the offset."""


@dataclass(frozen=True, slots=True)
class _Step:
    """One window: the state after the time update, the innovation and its standard deviation, the
    covariances of (o, b, a) with it, and the wealth of the bets; float64[n]."""

    prior: dict[str, Floats]
    innovation: Floats
    sd: Floats
    gains: tuple[Floats, Floats, Floats]
    seen: Mask
    bet: Mask
    after: tuple[Floats, Floats]


class BaselineDeviation:
    """One-step prediction of each residual by a Kalman filter; bets on the innovations' tails.

    A good run differs from production by an unknown constant o and slope b in load, both with
    prior means 0 and the sds of the context (transfer), and by AR(1) noise a with production's
    phi and innovation scale; sampling noise comes on top:

        residual = o + b·load + a + v,   a' = phi·a + w,   var w = noise²,   var v = sampling

    The filter integrates o and b out, so autocorrelation and a constant difference between the
    environments are in the null rather than evidence against it. Gaussian recursions give the
    scale; the tail is Student t with 4 degrees of freedom, which `noise` was fitted to cover.
    What an innovation has beyond 3 sds is taken for a shock of a, whose noise is heavy-tailed, and
    tells the less of o and b: one absurd window would otherwise make the next ones surprising.

    State: count of windows seen; means o b a and covariances; carry, how much of the last seen
    a is still foretold, float64[n] each; the mixture's, of 2·tilts bets. Reference: Harvey,
    "Forecasting, Structural Time Series Models and the Kalman Filter", 1989, 3.2.
    """

    name = "baseline_deviation"
    returns = Returns.SEQUENTIAL

    def __init__(self) -> None:
        self._state = RowState(count=0, o=0, b=0, a=0, oo=0, ob=0, oa=0, bb=0, ba=0, aa=0, carry=1)
        self._mixture = OnsetMixture(2 * len(TILTS))
        self._step = Once(self._predict)

    def resize(self, n: int) -> None:
        self._state.resize(n)
        self._mixture.resize(n)
        self._step.forget()

    def score(self, context: Context) -> Floats:
        step = self._step(context)
        value = self._mixture.log_value_after(step.after, step.bet)
        return np.where(np.isfinite(context.noise), value, np.nan)

    def learn(self, context: Context, mask: Mask) -> None:
        """Rows without a value, or outside `mask`, keep o and b; their a decays by phi."""
        s, step = self._state, self._step(context)
        self._mixture.commit(step.after, step.bet & mask)
        seen = step.seen & mask
        known = np.isfinite(context.noise) & (seen | (s["count"] > 0))
        for name, value in step.prior.items():
            np.copyto(s[name], value, where=known)
        s["count"][:] += seen
        np.copyto(s["carry"], np.where(seen, 1.0, s["carry"] * context.phi), where=known)
        self._update(step, seen)
        self._step.forget()

    def _update(self, step: _Step, seen: Mask) -> None:
        s = self._state
        error = np.where(seen, step.innovation, 0.0)
        clipped = np.clip(error, -CLIP * step.sd, CLIP * step.sd)
        weight = np.where(seen, CLIP * step.sd, 0.0) / np.maximum(np.abs(error), CLIP * step.sd)
        precision = weight / step.sd**2
        ho, hb, ha = (np.where(seen, gain, 0.0) for gain in step.gains)
        go, gb, ga = ho * precision, hb * precision, ha * precision
        s["o"][:] += go * error
        s["b"][:] += gb * error
        s["a"][:] += ga * error + (error - clipped)
        for name, left, right in (
            ("oo", go, ho), ("ob", go, hb), ("oa", go, ha),
            ("bb", gb, hb), ("ba", gb, ha), ("aa", ga, ha),
        ):  # fmt: skip
            s[name][:] -= left * right

    def forget_evidence(self, rows: Rows) -> None:
        """Bet anew; what the filter learned of the run stays."""
        self._mixture.reset(rows)
        self._step.forget()

    def reset(self, rows: Rows) -> None:
        self._state.reset(rows)
        self.forget_evidence(rows)

    def dump(self) -> dict[str, NDArray[np.generic]]:
        return self._state.dump() | self._mixture.dump()

    def load(self, state: Arrays) -> None:
        self._state.load(state)
        self._mixture.load(state)
        self._step.forget()

    def _prior(self, context: Context) -> dict[str, Floats]:
        """State after the time update; rows that saw nothing yet get the prior of a run."""
        s, phi, old = self._state, context.phi, self._state["count"] > 0
        process = context.noise**2
        return {
            "a": s["a"] * phi,
            "oo": np.where(old, s["oo"], context.offset**2),
            "oa": s["oa"] * phi,
            "bb": np.where(old, s["bb"], context.slope**2),
            "ba": s["ba"] * phi,
            "aa": np.where(old, s["aa"] * phi * phi + process, process / (1 - phi * phi)),
        }

    def _predict(self, context: Context) -> _Step:
        s, prior, load = self._state, self._prior(context), context.load
        innovation = context.residual - (s["o"] + s["b"] * load + prior["a"])
        go = prior["oo"] + s["ob"] * load + prior["oa"]
        gb = s["ob"] + prior["bb"] * load + prior["ba"]
        ga = prior["oa"] + prior["ba"] * load + prior["aa"]
        variance = go + gb * load + ga + context.sampling
        seen = np.isfinite(innovation) & (variance > 0)
        innovation = np.where(seen, innovation, 0.0)
        sd = np.sqrt(np.where(seen, variance, 1.0))
        bets = level_bets(innovation, sd, context, 1 - context.phi * s["carry"])
        bet = seen & (s["count"] >= READY)
        return _Step(prior, innovation, sd, (go, gb, ga), seen, bet, self._mixture.after(bets))
