"""Did the run become worse than it was, against what production does at this load?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomalyd.detectors.base import Arrays, Context, Mask, Once, Returns
from anomalyd.detectors.level_filter import DECAYING, STATES, LevelFilter, Prediction
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

DOWNWARD = frozenset(np.flatnonzero(BOTH_WAYS < 0).tolist())
DOWN = min(DOWNWARD)
"""Steps that go down where worse is both; all others are tolerated the same way as the first."""

RICH = np.float32(1e30)

FARTHEST = 1e9
"""Sds of an innovation that are told apart; its square has room in single precision."""

Bets = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Bets:
    """What one window makes of the state; betting: bool[n], rows for which it counts. left:
    float32[onsets, n], of a unit step in the innovation."""

    found: Prediction
    betting: Mask
    response: Bets
    age: Bets
    left: Bets
    wealth: Bets
    cash: Floats
    unspent: Floats


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
        value = np.log(_total(bets.wealth) + (bets.cash + bets.unspent))
        return np.where(np.isfinite(context.noise), value, np.nan)

    def learn(self, context: Context, mask: Mask) -> None:
        """Rows without a value, or outside `mask`, are not bet on; time passes for them."""
        bets = self._step(context)
        withheld = bets.betting & ~mask
        if withheld.any():
            self._withhold(context, bets, withheld)
        self._wealth, self._cash, self._unspent = bets.wealth, bets.cash, bets.unspent
        self._response, self._age = bets.response, bets.age
        begun = np.asarray(self._wealth.any(axis=0))
        self._absorb(bets, bets.found.seen & mask, begun)
        self._age += begun
        self._filter.update(context, bets.found, mask)
        self._step.forget()

    def _withhold(self, context: Context, bets: _Bets, rows: Mask) -> None:
        """Leave `rows` as they were: they did not bet."""
        np.copyto(bets.wealth, self._wealth, where=rows)
        np.copyto(bets.cash, self._cash, where=rows)
        np.copyto(bets.unspent, self._unspent, where=rows)
        np.copyto(bets.age, self._age, where=rows)
        np.copyto(bets.response, _decayed(context, self._response), where=rows)

    def _absorb(self, bets: _Bets, learned: Mask, begun: Mask) -> None:
        """What the filter learns of a unit step at this window, of every onset there was."""
        gains = np.where(learned, bets.found.gains, 0.0).astype(np.float32)
        left = bets.left * begun
        of_state = np.empty_like(left)
        for response, gain in zip(self._response, gains, strict=True):
            response += np.multiply(gain, left, out=of_state)

    def _work_out(self, context: Context) -> _Bets:
        found = self._filter.predict(context)
        past = min(max(LEAST_PAST, int(np.ceil(OWN_PAST / context.window))), MOST_PAST)
        betting = found.seen & (self._filter.count >= past)
        response, age = _decayed(context, self._response), self._age.copy()
        cash, unspent = self._cash.copy(), self._unspent.copy()
        rows, held = np.flatnonzero(betting), np.add.reduce(self._wealth, axis=0)
        slots = _least(held)[rows] * len(betting) + rows
        cash[rows] += held.reshape(-1)[slots]
        stake = unspent[rows] * HAZARD
        unspent[rows] -= stake
        for state in response.reshape(STATES, -1):
            state[slots] = 0.0
        age.reshape(-1)[slots] = 0.0
        left = _left(context, response, age, found.seen)
        begun = (stake / len(self._wealth)).astype(np.float32)
        richest = float(held.max(initial=1.0)) * np.exp(context.brief.max(initial=0.0))
        rich = not richest < RICH
        wealth = self._wealth
        if len(rows):
            wealth = self._bet(context, found, betting, left, (slots, begun), rich)
        return _Bets(found, betting, response, age, left, wealth, cash, unspent)

    def _bet(
        self,
        context: Context,
        found: Prediction,
        betting: Mask,
        left: Bets,
        beginning: tuple[Rows, Bets],
        rich: bool,
    ) -> Bets:
        """The wealth once this window is bet on; that of rows that do not bet stays.

        beginning: flat places in [onsets, n] of this window's own onsets, and their stakes. rich:
        something may come to be worth more than `RICH`.
        """
        slots, begun = beginning
        sd = found.sd.astype(np.float32)
        e = np.where(betting, found.innovation / found.sd, 0.0)
        e = np.clip(e, -FARTHEST, FARTHEST).astype(np.float32)
        left = left / sd
        at_once, most = 1 / sd, np.where(betting, np.exp(context.brief), np.inf).astype(np.float32)
        sizes, tolerated = _sizes(context, betting)
        usual = _under(e, tolerated[0], left)
        downward = _under(e, tolerated[1], left) if (context.sign == 0).any() else usual
        wealth = np.empty_like(self._wealth)
        over, root = np.empty_like(left), np.empty_like(left)
        for j, (size, share, grown) in enumerate(zip(sizes, SHARES, wealth, strict=True)):
            under, null = downward if j in DOWNWARD else usual
            np.multiply(size, left if share == 1 else at_once, out=over)
            np.subtract(under, over, out=over)
            over *= over
            over += 4
            ratio = np.divide(null, over, out=over)
            np.sqrt(ratio, out=root)
            root *= ratio
            ratio *= root
            if share < 1:
                ratio *= share
                ratio += 1 - share
            np.minimum(ratio, most, out=ratio)
            np.multiply(self._wealth[j], ratio, out=grown)
            grown.reshape(-1)[slots] = begun * ratio.reshape(-1)[slots]
            if rich:
                np.minimum(grown, RICH, out=grown)
        return wealth

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
        self._response = np.array(state["response"], dtype=np.float32, order="C")
        self._age = np.array(state["age"], dtype=np.float32, order="C")
        self._wealth = np.array(state["wealth"], dtype=np.float32, order="C")
        self._cash = np.array(state["cash"], dtype=np.float64)
        self._unspent = np.array(state["unspent"], dtype=np.float64)
        self._filter.load(state)
        self._step.forget()


def _total(wealth: Bets) -> Floats:
    """Of each row, float64[n], of stakes added up in order: a row's does not depend on those beside
    it. In single precision over sizes, as the stakes are."""
    return np.asarray(np.add.reduce(np.add.reduce(wealth, axis=0), axis=0, dtype=np.float64))


def _least(held: Bets) -> Rows:
    """intp[n]: the first onset that holds least; ten times as quick as argmin down the columns."""
    least, slot = held[0].copy(), np.zeros(held.shape[-1], dtype=np.int8)
    for nth, one in enumerate(held[1:], start=1):
        np.maximum(slot, (one < least).view(np.int8) * np.int8(nth), out=slot)
        np.minimum(least, one, out=least)
    return slot.astype(np.intp)


def _decayed(context: Context, response: Bets) -> Bets:
    """What is left of each response one window on, in an array of its own."""
    after = response.copy()
    for state, decay in zip(DECAYING, LevelFilter.decays(context), strict=True):
        after[state] *= decay.astype(np.float32)
    return after


def _left(context: Context, response: Bets, age: Bets, seen: Mask) -> Bets:
    """Of a unit step of every onset in this window's innovation: float32[onsets, n], of any finite
    value where the row is not seen."""
    load, steepness = (
        np.where(seen, factor, 0.0).astype(np.float32)
        for factor in (context.load, context.steepness)
    )
    learned = response[0] + response[1] * load
    learned += response[2] * steepness
    learned += response[3]
    learned += response[4]
    come = np.minimum((age + 1) / np.float32(context.smear), 1) if context.smear > 1 else 1
    return np.subtract(come, learned, out=learned)


def _under(e: Bets, allowed: Bets, left: Bets) -> tuple[Bets, Bets]:
    """The innovation under the null in sds, and 4 plus its square: float32[onsets, n]."""
    under = allowed * left
    np.subtract(e, under, out=under)
    null = under * under
    null += 4
    return under, null


def _sizes(context: Context, betting: Mask) -> tuple[Bets, Bets]:
    """(steps bet on beyond what is tolerated, float32[sizes, n]; what is tolerated the way of the
    first and the other way, float32[2, n]): 0 where a row does not bet, so that every likelihood
    ratio is 1 there."""
    scale = np.where(betting, np.where(context.sign < 0, -context.size, context.size), 0.0)
    both = np.flatnonzero(context.sign == 0)
    sizes = np.multiply.outer(SIZES, scale)
    sizes[:, both] = np.multiply.outer(BOTH_WAYS, scale[both])
    tolerated = np.sign(sizes[[0, DOWN]]) * np.where(betting, context.tolerate, 0.0)
    return sizes.astype(np.float32), tolerated.astype(np.float32)
