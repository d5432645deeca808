"""What a good run leads us to expect of each residual next: a Kalman filter per row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomalyd.detectors.base import Arrays, Context, Mask, RowState
from anomalyd.model import Floats, Rows

CLIP = 3.0
"""Sds of an innovation that may move what is known of the run's offset."""

WANDER_SECONDS = 500.0
"""Part of a good run's noise is slower than one lag tells."""

ORDINARY = 1.21
"""Mean of min(z², CLIP²) for Student t with 4 degrees of freedom of scale 1 is 1.47, for a normal
of the sd that such a scale is fitted to cover rather less: between the two."""

MOVED = 0.05
"""Log load beyond what is known that is no jitter of it."""

SCALES = (0.6, 3.0)
"""How far a run's own noise may move the variance."""


STATES = 5
AR, SLOW = DECAYING = 3, 4
"""Places of the states that decay; what is seen of the first three goes with 1, load and
steepness."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """One window, float64[n]: the innovation (0 where not seen), its sd, and the gains of the
    states float64[5, n]; prior: the state after the time update, and its covariance."""

    innovation: Floats
    sd: Floats
    gains: Floats
    seen: Mask
    mean: Floats
    cov: Floats


class LevelFilter:
    """A good run differs from production by an unknown constant o, by a slope b in load, and by
    being as busy as production is at c more log load, all with the context's prior sds about 0; by
    AR(1) noise a with the context's phi and innovation scale; and by a slower wander d. Sampling
    noise v comes on top:

        residual = o + b·load + c·steepness + a + d + v,   a' = phi·a + w,   d' = rho·d + u

    Beyond all load that is known o moves on with it, by a variance of overload² per square of it.
    o, b and c are integrated out, so that autocorrelation and a constant difference between the
    environments are expected rather than evidence. What an innovation has beyond 3 sds is taken
    for a shock of a: one absurd window would otherwise make the next ones surprising. The run's
    own innovations correct the variance, slowly, unless `own_scale` is off.

    State: mean float64[5, n] of (o, b, c, a, d), cov float64[5, 5, n], count,
    scale and beyond float64[n].
    Reference: Harvey, "Forecasting, Structural Time Series Models and the Kalman Filter", 1989,
    3.2; the scale as in West and Harrison, "Bayesian Forecasting and Dynamic Models", 1997, 4.5.
    """

    def __init__(self, *, own_scale: bool = True) -> None:
        self._own_scale = own_scale
        self.mean: Floats = np.zeros((STATES, 0))
        self.cov: Floats = np.zeros((STATES, STATES, 0))
        self._rows = RowState(count=0, scale=1, beyond=0)

    @property
    def count(self) -> Floats:
        return self._rows["count"]

    def resize(self, n: int) -> None:
        more = n - self.mean.shape[-1]
        self.mean = np.pad(self.mean, ((0, 0), (0, more)))
        self.cov = np.pad(self.cov, ((0, 0), (0, 0), (0, more)))
        self._rows.resize(n)

    def predict(self, context: Context) -> Prediction:
        old = self.count > 0
        new = np.flatnonzero(~old)
        noise = context.noise**2 * self._rows["scale"]
        own = noise / (1 - context.phi**2)
        wander = context.wander**2 * own
        mean, cov = self.mean.copy(), self.cov.copy()
        mean[:, new] = 0.0
        decays = tuple(zip(DECAYING, self.decays(context), strict=True))
        for state, decay in decays:
            mean[state] *= decay
            cov[state] *= decay
        for state, decay in decays:
            cov[:, state] *= decay
        moved = np.abs(context.beyond - self._rows["beyond"]) > MOVED
        cov[0, 0] += np.where(moved, self._overload(context, self._rows["beyond"]), 0.0)
        cov[AR, AR] += noise
        cov[SLOW, SLOW] += wander * (1 - self.decays(context)[1] ** 2)
        if len(new):
            self._begin(cov, context, new, own, wander)
        gains = self._seen_through(context, cov)
        variance = self._seen_through(context, gains[np.newaxis])[0] + context.sampling
        innovation = context.apart_from(self._seen_through(context, mean[np.newaxis])[0])
        seen = np.isfinite(innovation) & (variance > 0)
        variance = np.where(seen, variance, 1.0)
        sd = np.sqrt(variance)
        gains /= variance
        return Prediction(np.where(seen, innovation, 0.0), sd, gains, seen, mean, cov)

    def _begin(self, cov: Floats, context: Context, new: Rows, own: Floats, wander: Floats) -> None:
        """Rows of which nothing was seen yet."""
        cov[:, :, new] = 0.0
        known = (context.offset**2, context.slope**2, context.shift**2)
        for i, variance in enumerate((*known, own, wander)):
            cov[i, i, new] = variance[new]
        cov[0, 0, new] += self._overload(context, np.zeros(len(own)))[new]
        cov[1, 2, new] = cov[2, 1, new] = context.slope_with_shift[new]

    @staticmethod
    def _seen_through(context: Context, states: Floats) -> Floats:
        """float64[k, n]: what k states float64[k, 5, n] add to the residual."""
        seen = states[:, 0] + states[:, 1] * context.load
        seen += states[:, 2] * context.steepness
        seen += states[:, 3]
        seen += states[:, 4]
        return np.asarray(seen)

    def update(self, context: Context, found: Prediction, mask: Mask) -> None:
        """Learn from rows in `mask` that were seen; for the others time passes only. What was
        found is used up."""
        learned = found.seen & mask
        known = np.isfinite(context.noise) & (learned | (self.count > 0))
        error = np.where(learned, found.innovation, 0.0)
        clipped = np.clip(error, -CLIP * found.sd, CLIP * found.sd)
        size = np.maximum(np.abs(error), CLIP * found.sd)
        weight = np.where(learned, CLIP * found.sd / size, 0.0)
        gains = found.gains * weight
        mean, cov = found.mean, found.cov
        mean += gains * error
        mean[AR] += error - clipped
        square = found.sd**2
        for row, gain in zip(cov, gains, strict=True):
            row -= gain * found.gains * square
        if not known.all():
            np.copyto(mean, self.mean, where=~known)
            np.copyto(cov, self.cov, where=~known)
        self.mean, self.cov = mean, cov
        if self._own_scale:
            self._rescale((clipped / found.sd) ** 2, context.sure, learned)
        before = self.count.copy()
        self.count[:] += learned
        moved = np.abs(context.beyond - self._rows["beyond"]) > MOVED
        np.copyto(self._rows["beyond"], context.beyond, where=known & (moved | ~(before > 0)))

    @staticmethod
    def _overload(context: Context, before: Floats) -> Floats:
        """Variance that load brings which has moved beyond what is known, or back."""
        return np.asarray(context.overload**2 * np.abs(context.beyond**2 - before**2))

    def _rescale(self, square: Floats, sure: Floats, learned: Mask) -> None:
        rows, n = self._rows["scale"], self.count + sure
        moved = rows * (1 + (square / ORDINARY - 1) / n)
        np.copyto(rows, np.clip(moved, *SCALES), where=learned)

    @staticmethod
    def design(context: Context) -> Floats:
        """float64[5, n]: what each state adds to the residual."""
        one = np.ones(len(context.load))
        return np.stack([one, context.load, context.steepness, one, one])

    @staticmethod
    def decay(context: Context) -> Floats:
        """float64[5, n]: what is left of each state one window on."""
        one = np.ones(len(context.load))
        phi, slow = LevelFilter.decays(context)
        return np.stack([one, one, one, phi, slow * one])

    @staticmethod
    def decays(context: Context) -> tuple[Floats, Floats]:
        """The same of the states `DECAYING` alone: float64[n], and of any row."""
        return context.phi, np.asarray(np.exp(-context.window / WANDER_SECONDS))

    def reset(self, rows: Rows) -> None:
        self.mean[:, rows] = 0.0
        self.cov[:, :, rows] = 0.0
        self._rows.reset(rows)

    def dump(self) -> dict[str, NDArray[np.generic]]:
        return {"mean": self.mean.copy(), "cov": self.cov.copy()} | self._rows.dump()

    def load(self, state: Arrays) -> None:
        self.mean = np.array(state["mean"], dtype=np.float64)
        self.cov = np.array(state["cov"], dtype=np.float64)
        self._rows.load(state)
