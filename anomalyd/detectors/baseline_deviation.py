"""Did the run become worse than it was, against what production does at this load?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anomalyd.detectors.base import Arrays, Context, Mask, Once, Returns
from anomalyd.detectors.level_filter import LevelFilter, Prediction
from anomalyd.model import Floats, Rows

OWN_PAST, LEAST_PAST, MOST_PAST = 60.0, 2, 4
"""Seconds of a run, in windows within these bounds, that must have been seen before an onset in it
is bet on."""

ONSETS = 16
"""Onsets that are bet on at once; the one that has earned least makes room for the next."""

HAZARD = 1 / 60
SIZES = np.array([0.06, 0.12, 0.25, 0.5, 1.0, 2.0, 0.7])
"""Steps beyond the tolerated one that are bet on: of the log, or of what 100% is."""

BOTH_WAYS = np.array([0.1, 0.3, 1.0, -0.1, -0.3, -1.0, -0.7])
"""The same where worse is both."""

SHARES: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.2)
"""In how many of the windows from the onset on each step is there: the last comes and goes."""

RICH = np.float32(1e30)

Bets = NDArray[np.float32]


class BaselineDeviation:
    """Likelihood ratios of steps at every moment, of several sizes, against the tolerated one.

    A step of size δ at window k moves the innovation of window t by δ·g, where g is what is left
    of it after the filter has learned of it in turn: 1 at k, then less. Each (k, δ) multiplies its
    stake by f(e - (τ + δ)g) / f(e - τg), f the density of Student t with 4 degrees of freedom at
    the innovation's sd; so autocorrelation and constant differences are in the null, and the null
    is "a step of at most `tolerate`". The mixture over onsets (hazard 1/60 per window of what is
    left) and sizes is a test martingale at a good run's filter, and bounded by Ville's inequality
    over all windows (Shin, Ramdas, Rinaldo, "E-detectors", 2022, section 3).

    A stake is cashed in, never to be bet again, when its slot is needed for a later onset.

    State, besides the filter's: response float32[4, onsets, n], what the filter's means have
    learned of a unit step; wealth float32[sizes, onsets, n]; cash, unspent float64[n].
    """

    name = "baseline_deviation"
    returns = Returns.SEQUENTIAL

    def __init__(self) -> None:
        self._filter = LevelFilter()
        self._response: Bets = np.zeros((4, ONSETS, 0), dtype=np.float32)
        self._wealth: Bets = np.zeros((len(SIZES), ONSETS, 0), dtype=np.float32)
        self._cash: Floats = np.zeros(0)
        self._unspent: Floats = np.ones(0)
        self._step = Once(self._work_out)

    def resize(self, n: int) -> None:
        more = n - len(self._cash)
        self._filter.resize(n)
        self._response = np.pad(self._response, ((0, 0), (0, 0), (0, more)))
        self._wealth = np.pad(self._wealth, ((0, 0), (0, 0), (0, more)))
        self._cash = np.pad(self._cash, (0, more))
        self._unspent = np.pad(self._unspent, (0, more), constant_values=1.0)
        self._step.forget()

    def score(self, context: Context) -> Floats:
        _, bet, _, wealth, cash, unspent = self._step(context)
        held = np.where(bet, _total(wealth), self._held())
        rest = np.where(bet, cash + unspent, self._cash + self._unspent)
        return np.where(np.isfinite(context.noise), np.log(held + rest), np.nan)

    def learn(self, context: Context, mask: Mask) -> None:
        """Rows without a value, or outside `mask`, are not bet on; time passes for them."""
        found, bet, response, wealth, cash, unspent = self._step(context)
        betting = bet & mask
        np.copyto(self._wealth, wealth, where=betting)
        np.copyto(self._cash, cash, where=betting)
        np.copyto(self._unspent, unspent, where=betting)
        learned = found.seen & mask
        decay = LevelFilter.decay(context).astype(np.float32)[:, np.newaxis]
        np.copyto(self._response, np.where(betting, response, self._response * decay))
        self._absorb(context, found, learned)
        self._filter.update(context, found, mask)
        self._step.forget()

    def _absorb(self, context: Context, found: Prediction, learned: Mask) -> None:
        """What the filter learns of a unit step at this window, of every onset there was."""
        design = LevelFilter.design(context).astype(np.float32)[:, np.newaxis]
        left = np.where(learned, 1 - (self._response * design).sum(axis=0), np.float32(0.0))
        begun = self._wealth.any(axis=0)
        gains = np.where(learned, found.gains, 0.0).astype(np.float32)[:, np.newaxis]
        self._response += gains * np.where(begun, left, np.float32(0.0))

    def _work_out(self, context: Context) -> tuple[Prediction, Mask, Bets, Bets, Floats, Floats]:
        """The prediction, rows that bet, responses foretold, and what the bets come to."""
        found = self._filter.predict(context)
        past = min(max(LEAST_PAST, int(np.ceil(OWN_PAST / context.window))), MOST_PAST)
        bet = found.seen & (self._filter.count >= past)
        decay = LevelFilter.decay(context).astype(np.float32)[:, np.newaxis]
        response = self._response * decay
        wealth, cash, unspent = self._wealth.copy(), self._cash.copy(), self._unspent.copy()
        self._begin(response, wealth, cash, unspent, np.flatnonzero(bet))
        design = LevelFilter.design(context).astype(np.float32)[:, np.newaxis]
        left = 1 - (response * design).sum(axis=0)
        sd = found.sd.astype(np.float32)
        e, left = (found.innovation / found.sd).astype(np.float32), left / sd
        sizes, tolerated = _sizes(context)
        most = np.exp(context.brief).astype(np.float32)
        for size, allowed, share, stake in zip(sizes, tolerated, SHARES, wealth, strict=True):
            under = e - allowed * left
            over = under - size * left
            ratio = (4 + under * under) / (4 + over * over)
            ratio *= ratio * np.sqrt(ratio)
            if share < 1:
                ratio = share * ratio + (1 - share)
            stake *= np.minimum(ratio, most)
            np.minimum(stake, RICH, out=stake)
        return found, bet, response, wealth, cash, unspent

    @staticmethod
    def _begin(response: Bets, wealth: Bets, cash: Floats, unspent: Floats, rows: Rows) -> None:
        """Stake on this window as the onset, in the slot that holds least."""
        slot = wealth[:, :, rows].sum(axis=0).argmin(axis=0)
        cash[rows] += wealth[:, slot, rows].sum(axis=0)
        stake = unspent[rows] * HAZARD
        unspent[rows] -= stake
        wealth[:, slot, rows] = stake / len(wealth)
        response[:, slot, rows] = 0.0

    def _held(self) -> Floats:
        return _total(self._wealth)

    def forget_evidence(self, rows: Rows) -> None:
        """Bet anew; what the filter learned of the run stays."""
        self._response[:, :, rows] = 0.0
        self._wealth[:, :, rows] = 0.0
        self._cash[rows], self._unspent[rows] = 0.0, 1.0
        self._step.forget()

    def reset(self, rows: Rows) -> None:
        self._filter.reset(rows)
        self.forget_evidence(rows)

    def dump(self) -> dict[str, NDArray[np.generic]]:
        mine: dict[str, NDArray[np.generic]] = {
            "response": self._response, "wealth": self._wealth,
            "cash": self._cash, "unspent": self._unspent,
        }  # fmt: skip
        return {name: array.copy() for name, array in mine.items()} | self._filter.dump()

    def load(self, state: Arrays) -> None:
        self._response = np.array(state["response"], dtype=np.float32)
        self._wealth = np.array(state["wealth"], dtype=np.float32)
        self._cash = np.array(state["cash"], dtype=np.float64)
        self._unspent = np.array(state["unspent"], dtype=np.float64)
        self._filter.load(state)
        self._step.forget()


def _total(wealth: Bets) -> Floats:
    """Of each row, float64[n]; in order, so that a row's does not depend on those beside it."""
    total = np.zeros(wealth.shape[-1])
    for stake in wealth.reshape(-1, wealth.shape[-1]):
        total += stake
    return total


def _sizes(context: Context) -> tuple[Bets, Bets]:
    """(steps bet on beyond what is tolerated, what is tolerated that way): float32[sizes, n]."""
    both = context.sign == 0
    up = np.where(context.sign < 0, -1.0, 1.0)
    plain = np.where(both, BOTH_WAYS[:, np.newaxis], SIZES[:, np.newaxis] * up)
    sizes = plain * context.size
    return sizes.astype(np.float32), (np.sign(sizes) * context.tolerate).astype(np.float32)
