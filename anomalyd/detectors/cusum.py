"""Has the level shifted within the run, whatever production does?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomalyd.detectors.base import Arrays, Context, Mask, Once, Returns, RowState, level_bets
from anomalyd.detectors.mixture import TILTS, OnsetMixture
from anomalyd.model import Floats, Rows

READY = 6
"""Windows of the run's own past before the first bet; their median is its first level."""

CLIP = 3.0
"""Sds from the level beyond which a window moves it no further."""


@dataclass(frozen=True, slots=True)
class _Step:
    """white, variance float64[n]: the whitened residual and what it has; seen, bet bool[n]; after,
    the mixture once it was bet."""

    white: Floats
    variance: Floats
    seen: Mask
    bet: Mask
    after: tuple[Floats, Floats]


class Cusum:
    """CUSUM as an e-detector: bets on whitened residuals less the run's own level of them.

    Page's CUSUM restarts its likelihood ratio at zero; spending prior mass on every onset
    instead gives the same reaction with a level that holds over all windows (Shin, Ramdas,
    Rinaldo 2022). White is what phi times the window before does not foretell, so a shock is one
    window long however slowly it decays, and a window after a gap is none. The run's own past is
    the reference, so no offset prior is needed: the median of its first white residuals, then a
    mean in which those far off are clipped. Its uncertainty after k windows adds (π/2)·var/k, as
    for a median.

    State: last residual (NaN: there was none), level and count of the past, float64[n]; first
    white residuals float64[READY, n]; the mixture's.
    """

    name = "cusum"
    returns = Returns.SEQUENTIAL

    def __init__(self) -> None:
        self._past = RowState(last=np.nan, level=0, count=0)
        self._first: Floats = np.zeros((READY, 0))
        self._mixture = OnsetMixture(2 * len(TILTS))
        self._step = Once(self._bets)

    def resize(self, n: int) -> None:
        self._past.resize(n)
        self._first = np.pad(self._first, ((0, 0), (0, n - self._first.shape[1])))
        self._mixture.resize(n)
        self._step.forget()

    def score(self, context: Context) -> Floats:
        step = self._step(context)
        value = self._mixture.log_value_after(step.after, step.bet)
        return np.where(self._past["count"] >= READY, value, np.nan)

    def learn(self, context: Context, mask: Mask) -> None:
        step, past = self._step(context), self._past
        self._mixture.commit(step.after, step.bet & mask)
        self._follow(step, step.seen & mask)
        past["count"][:] += step.seen & mask
        past["last"][:] = np.where(mask, context.residual, np.nan)
        self._step.forget()

    def _follow(self, step: _Step, seen: Mask) -> None:
        past = self._past
        early = np.flatnonzero(seen & (past["count"] < READY))
        if early.size:
            at = past["count"][early].astype(np.intp)
            self._first[at, early] = step.white[early]
            full = early[at == READY - 1]
            past["level"][full] = np.median(self._first[:, full], axis=0)
        far = CLIP * np.sqrt(step.variance)
        away = np.clip(step.white - past["level"], -far, far) / (past["count"] + 1)
        past["level"][:] += np.where(seen & (past["count"] >= READY), away, 0.0)

    def _bets(self, context: Context) -> _Step:
        past, phi = self._past, context.phi
        white = context.residual - phi * past["last"]
        seen = np.isfinite(white) & np.isfinite(context.noise)
        bet = seen & (past["count"] >= READY)
        variance = context.noise**2 + (1 + phi * phi) * context.sampling
        of_level = variance * (np.pi / 2) / np.maximum(past["count"], 1)
        scale = np.sqrt(np.where(bet, variance + of_level, 1.0))
        innovation = np.where(bet, white - past["level"], 0.0)
        bets = level_bets(innovation, scale, context, 1 - phi)
        return _Step(white, variance, seen, bet, self._mixture.after(bets, np.exp(context.brief)))

    def reset(self, rows: Rows) -> None:
        self._past.reset(rows)
        self._mixture.reset(rows)
        self._step.forget()

    def dump(self) -> dict[str, NDArray[np.generic]]:
        return self._past.dump() | self._mixture.dump() | {"first": self._first.copy()}

    def load(self, state: Arrays) -> None:
        self._past.load(state)
        self._mixture.load(state)
        self._first = np.array(state["first"], dtype=np.float64)
        self._step.forget()
