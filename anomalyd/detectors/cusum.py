"""Has the level shifted within the run, whatever production does?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anomalyd.detectors.base import Arrays, Context, Mask, Returns, RowState, level_bets
from anomalyd.detectors.mixture import TILTS, Bets, OnsetMixture
from anomalyd.model import Floats, Rows

READY = 6
"""Windows of the run's own past before the first bet."""


class Cusum:
    """CUSUM as an e-detector: bets on whitened residuals less the run's own mean so far.

    Page's CUSUM restarts its likelihood ratio at zero; spending prior mass on every onset
    instead gives the same reaction with a level that holds over all windows (Shin, Ramdas,
    Rinaldo 2022). The run's own mean is the reference, so no offset prior is needed; its
    uncertainty after k windows adds (1 - phi)²·var/k to the innovation's variance.

    State: last residual, mean and count of the past, float64[n]; log wealth float64[2·tilts, n].
    """

    name = "cusum"
    returns = Returns.SEQUENTIAL

    def __init__(self) -> None:
        self._past = RowState(last=np.nan, mean=0, count=0)
        self._mixture = OnsetMixture(2 * len(TILTS))

    def resize(self, n: int) -> None:
        self._past.resize(n)
        self._mixture.resize(n)

    def score(self, context: Context) -> Floats:
        factors, ready = self._bets(context)
        value = self._mixture.log_value_after(factors, ready)
        return np.where(self._past["count"] >= READY, value, np.nan)

    def learn(self, context: Context, mask: Mask) -> None:
        factors, ready = self._bets(context)
        self._mixture.update(factors, ready & mask)
        past, seen = self._past, mask & np.isfinite(context.residual)
        past["count"][seen] += 1
        step = context.residual[seen] - past["mean"][seen]
        past["mean"][seen] += step / past["count"][seen]
        past["last"][mask] = context.residual[mask]

    def _bets(self, context: Context) -> tuple[Bets, Mask]:
        past, phi = self._past, context.phi
        ready = (past["count"] >= READY) & np.isfinite(context.residual)
        last = np.where(np.isfinite(past["last"]), past["last"], past["mean"])
        innovation = context.residual - past["mean"] - phi * (last - past["mean"])
        long_run = (context.noise / (1 - phi)) ** 2 + context.sampling
        of_mean = (1 - phi) ** 2 * long_run / np.maximum(past["count"], 1)
        scale = np.sqrt(context.noise**2 + (1 + phi * phi) * context.sampling + of_mean)
        safe = np.where(ready, innovation, 0.0)
        return level_bets(safe, np.where(ready, scale, 1.0), context), ready

    def reset(self, rows: Rows) -> None:
        self._past.reset(rows)
        self._mixture.reset(rows)

    def dump(self) -> dict[str, NDArray[np.generic]]:
        return self._past.dump() | self._mixture.dump()

    def load(self, state: Arrays) -> None:
        self._past.load(state)
        self._mixture.load(state)
