"""Did the run become worse than it was, against what production does at this load?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomalyd.detectors.base import Arrays, Context, Mask, Once, Returns
from anomalyd.detectors.level_filter import STATES, LevelFilter, Prediction
from anomalyd.model import Floats, Rows

OWN_PAST, LEAST_PAST, MOST_PAST = 60.0, 2, 4
"""Seconds of a run, in windows within these bounds, that must have been seen before an onset in it
is bet on."""

ONSETS = 16
"""Onsets that are bet on at once; the one that has earned least makes room for the next."""

HAZARD = 1 / 60
SIZES = np.array([0.06, 0.12, 0.25, 0.5, 1.0, 2.0, 0.5, 1.3])
"""Steps beyond the tolerated one that are bet on: of the log, or of what 100% is."""

BOTH_WAYS = np.array([0.1, 0.3, 1.0, -0.1, -0.3, -1.0, 0.7, -0.7])
"""The same where worse is both."""

SHARES: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.2, 0.2)
"""In how many of the windows from the onset on each step is there: the last two come and go."""

RICH = np.float32(1e30)

Bets = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Bets:
    """What one window makes of the state; betting: bool[n], rows for which it counts."""

    found: Prediction
    betting: Mask
    response: Bets
    age: Bets
    wealth: Bets
    cash: Floats
    unspent: Floats

    def begin(self, rows: Rows) -> None:
        """Stake on this window as the onset, in the slot that holds least."""
        slot = self.wealth[:, :, rows].sum(axis=0).argmin(axis=0)
        self.cash[rows] += self.wealth[:, slot, rows].sum(axis=0)
        stake = self.unspent[rows] * HAZARD
        self.unspent[rows] -= stake
        self.wealth[:, slot, rows] = stake / len(self.wealth)
        self.response[:, slot, rows] = 0.0
        self.age[slot, rows] = 0.0


class BaselineDeviation:
    """Likelihood ratios of steps at every moment, of several sizes, against the tolerated one.

    A step of size δ at window k moves the innovation of window t by δ·g, where g is what has come
    of it (all at once, or over the windows that a value is spread over) less what the filter has
    learned of it in turn. Each (k, δ) multiplies its
    stake by f(e - (τ + δ)g) / f(e - τg), f the density of Student t with 4 degrees of freedom at
    the innovation's sd; so autocorrelation and constant differences are in the null, and the null
    is "a step of at most `tolerate`". The mixture over onsets (hazard 1/60 per window of what is
    left) and sizes is a test martingale at a good run's filter, and bounded by Ville's inequality
    over all windows (Shin, Ramdas, Rinaldo, "E-detectors", 2022, section 3).

    What comes and goes is new each time that it comes: nothing of it was learned.

    A stake is cashed in, never to be bet again, when its slot is needed for a later onset.

    State, besides the filter's: response float32[5, onsets, n], what the filter's means have
    learned of a unit step; age float32[onsets, n], windows since the onset; wealth float32[sizes,
    onsets, n]; cash, unspent float64[n].
    """

    name = "baseline_deviation"
    returns = Returns.SEQUENTIAL

    def __init__(self) -> None:
        self._filter = LevelFilter()
        self._response: Bets = np.zeros((STATES, ONSETS, 0), dtype=np.float32)
        self._age: Bets = np.zeros((ONSETS, 0), dtype=np.float32)
        self._wealth: Bets = np.zeros((len(SIZES), ONSETS, 0), dtype=np.float32)
        self._cash: Floats = np.zeros(0)
        self._unspent: Floats = np.ones(0)
        self._step = Once(self._work_out)

    def resize(self, n: int) -> None:
        more = n - len(self._cash)
        self._filter.resize(n)
        self._response = np.pad(self._response, ((0, 0), (0, 0), (0, more)))
        self._age = np.pad(self._age, ((0, 0), (0, more)))
        self._wealth = np.pad(self._wealth, ((0, 0), (0, 0), (0, more)))
        self._cash = np.pad(self._cash, (0, more))
        self._unspent = np.pad(self._unspent, (0, more), constant_values=1.0)
        self._step.forget()

    def score(self, context: Context) -> Floats:
        bets = self._step(context)
        held = np.where(bets.betting, _total(bets.wealth), _total(self._wealth))
        rest = np.where(bets.betting, bets.cash + bets.unspent, self._cash + self._unspent)
        return np.where(np.isfinite(context.noise), np.log(held + rest), np.nan)

    def learn(self, context: Context, mask: Mask) -> None:
        """Rows without a value, or outside `mask`, are not bet on; time passes for them."""
        bets = self._step(context)
        betting = bets.betting & mask
        np.copyto(self._wealth, bets.wealth, where=betting)
        np.copyto(self._cash, bets.cash, where=betting)
        np.copyto(self._unspent, bets.unspent, where=betting)
        np.copyto(self._age, bets.age, where=betting)
        decay = LevelFilter.decay(context).astype(np.float32)[:, np.newaxis]
        np.copyto(self._response, np.where(betting, bets.response, self._response * decay))
        self._absorb(context, bets.found, bets.found.seen & mask)
        self._age += self._wealth.any(axis=0)
        self._filter.update(context, bets.found, mask)
        self._step.forget()

    def _absorb(self, context: Context, found: Prediction, learned: Mask) -> None:
        """What the filter learns of a unit step at this window, of every onset there was."""
        left = np.where(learned, _left(context, self._response, self._age), np.float32(0.0))
        begun = self._wealth.any(axis=0)
        gains = np.where(learned, found.gains, 0.0).astype(np.float32)[:, np.newaxis]
        self._response += gains * np.where(begun, left, np.float32(0.0))

    def _work_out(self, context: Context) -> _Bets:
        found = self._filter.predict(context)
        past = min(max(LEAST_PAST, int(np.ceil(OWN_PAST / context.window))), MOST_PAST)
        betting = found.seen & (self._filter.count >= past)
        decay = LevelFilter.decay(context).astype(np.float32)[:, np.newaxis]
        response, age, wealth = self._response * decay, self._age.copy(), self._wealth.copy()
        bets = _Bets(found, betting, response, age, wealth, self._cash.copy(), self._unspent.copy())
        bets.begin(np.flatnonzero(betting))
        sd = found.sd.astype(np.float32)
        e, left = (found.innovation / found.sd).astype(np.float32), _left(context, response, age)
        left /= sd
        sizes, tolerated = _sizes(context)
        most = np.exp(context.brief).astype(np.float32)
        for size, allowed, share, stake in zip(sizes, tolerated, SHARES, wealth, strict=True):
            under = e - allowed * left
            over = under - size * (left if share == 1 else 1 / sd)
            ratio = (4 + under * under) / (4 + over * over)
            ratio *= ratio * np.sqrt(ratio)
            if share < 1:
                ratio = share * ratio + (1 - share)
            stake *= np.minimum(ratio, most)
            np.minimum(stake, RICH, out=stake)
        return bets

    def forget_evidence(self, rows: Rows) -> None:
        """Bet anew; what the filter learned of the run stays."""
        self._response[:, :, rows] = 0.0
        self._age[:, rows] = 0.0
        self._wealth[:, :, rows] = 0.0
        self._cash[rows], self._unspent[rows] = 0.0, 1.0
        self._step.forget()

    def reset(self, rows: Rows) -> None:
        self._filter.reset(rows)
        self.forget_evidence(rows)

    def dump(self) -> dict[str, NDArray[np.generic]]:
        mine: dict[str, NDArray[np.generic]] = {
            "response": self._response, "age": self._age, "wealth": self._wealth,
            "cash": self._cash, "unspent": self._unspent,
        }  # fmt: skip
        return {name: array.copy() for name, array in mine.items()} | self._filter.dump()

    def load(self, state: Arrays) -> None:
        self._response = np.array(state["response"], dtype=np.float32)
        self._age = np.array(state["age"], dtype=np.float32)
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


def _left(context: Context, response: Bets, age: Bets) -> Bets:
    """Of a unit step of every onset in this window's innovation: float32[onsets, n]."""
    design = LevelFilter.design(context).astype(np.float32)[:, np.newaxis]
    come = np.minimum((age + 1) / np.float32(context.smear), 1) if context.smear > 1 else 1
    return np.asarray(come - (response * design).sum(axis=0), dtype=np.float32)


def _sizes(context: Context) -> tuple[Bets, Bets]:
    """(steps bet on beyond what is tolerated, what is tolerated that way): float32[sizes, n]."""
    both = context.sign == 0
    up = np.where(context.sign < 0, -1.0, 1.0)
    plain = np.where(both, BOTH_WAYS[:, np.newaxis], SIZES[:, np.newaxis] * up)
    sizes = plain * context.size
    return sizes.astype(np.float32), (np.sign(sizes) * context.tolerate).astype(np.float32)
