"""Test martingales mixed over bets and over the window at which a change began."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from anomalyd.detectors.distributions import normal_isf_below
from anomalyd.model import Floats, Rows

Bets = tuple[Floats, Floats]

AT_START = 0.3
HAZARD = 1 / 40
CAP = np.exp(5.5)
"""No single window may bring more: one absurd sample must not decide a run."""

RICH = 1e270
"""Wealth is held here, far beyond any threshold, so that it never overflows."""


class OnsetMixture:
    """Σ_k π_k mean_j Π_{i >= k} f_ij + unspent mass, per row, in O(bets) per window.

    π_0 = `AT_START` (present for the whole run), then a hazard of `HAZARD` per window. Each f_ij
    must have conditional expectation at most 1 under the null; the sum is then a test martingale
    (supermartingale) that starts at 1, and Ville's inequality bounds its supremum over all windows
    (Shin, Ramdas, Rinaldo, "E-detectors", 2022, section 3, with spent mass in place of restarts).

    State: wealth float64[bets, n]; unspent float64[n], prior mass of onsets still to come.
    """

    def __init__(self, bets: int) -> None:
        self.wealth: Floats = np.zeros((bets, 0))
        self.unspent: Floats = np.ones(0)
        self._next: Floats = np.zeros((bets, 0))
        self._log: Floats | None = None

    def resize(self, n: int) -> None:
        more = n - len(self.unspent)
        self.wealth = np.pad(self.wealth, ((0, 0), (0, more)))
        self.unspent = np.pad(self.unspent, (0, more), constant_values=1.0)
        self._next = np.empty_like(self.wealth)
        self._log = None

    @property
    def begun(self) -> NDArray[np.bool_]:
        """bool[n]: rows that have bet."""
        return self.unspent < 1.0

    def after(self, factors: Bets, most: Floats | None = None) -> tuple[Floats, Floats]:
        """(wealth, unspent) once every row has bet one window; the state stays as it is.

        factors: float64[bets, n], what a stake is multiplied by whose onset lies before this
        window, and what one that takes this window for the onset is. They are capped, and used
        up; most: float64[n], the cap where not `CAP`. What is returned holds until the next call.
        """
        going_on, beginning = factors
        mass = self.unspent * np.where(self.begun, HAZARD, AT_START)
        wealth = self._next
        cap = CAP if most is None else most
        np.minimum(going_on, cap, out=going_on)
        np.multiply(self.wealth, going_on, out=wealth)
        if beginning is not going_on:
            np.minimum(beginning, cap, out=beginning)
        np.multiply(beginning, mass, out=beginning)
        wealth += beginning
        return np.minimum(wealth, RICH, out=wealth), self.unspent - mass

    def commit(self, after: tuple[Floats, Floats], mask: NDArray[np.bool_]) -> None:
        """Let the rows in `mask` have bet; the others stay as they are."""
        np.copyto(self.wealth, after[0], where=mask)
        np.copyto(self.unspent, after[1], where=mask)
        self._log = None

    def after_at(self, rows: Rows, factors: Floats) -> tuple[Floats, Floats]:
        """As `after`, for some rows: their stakes, whenever they began, by float64[bets, m]."""
        unspent = self.unspent[rows]
        mass = unspent * np.where(unspent < 1.0, HAZARD, AT_START)
        factors = np.minimum(factors, CAP)
        wealth = self.wealth[:, rows] * factors
        wealth += factors * mass
        return np.minimum(wealth, RICH, out=wealth), unspent - mass

    def commit_at(self, rows: Rows, after: tuple[Floats, Floats]) -> None:
        """Let these rows have bet."""
        self.wealth[:, rows], self.unspent[rows] = after
        if self._log is not None:
            self._log[rows] = log_value(*after)

    def log_value(self) -> Floats:
        """float64[n]: the log e-value now; 0 for rows that have not bet yet. Not to be changed."""
        if self._log is None:
            self._log = log_value(self.wealth, self.unspent)
        return self._log

    def log_value_after(self, after: tuple[Floats, Floats], mask: NDArray[np.bool_]) -> Floats:
        """float64[n]: what `log_value` would be after `commit`."""
        return np.where(mask, log_value(*after), self.log_value())

    def reset(self, rows: Rows) -> None:
        self.wealth[:, rows] = 0.0
        self.unspent[rows] = 1.0
        self._log = None

    def dump(self) -> dict[str, NDArray[np.generic]]:
        return {"wealth": self.wealth.copy(), "unspent": self.unspent.copy()}

    def load(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        self.wealth = np.array(state["wealth"], dtype=np.float64)
        self.unspent = np.array(state["unspent"], dtype=np.float64)
        self._next = np.empty_like(self.wealth)
        self._log = None


def log_value(wealth: Floats, unspent: Floats) -> Floats:
    """float64[n]: log of the mean wealth and the mass that is not yet at stake.

    Summed in order, so that a row's value does not depend on how many rows are beside it.
    """
    total = wealth[0].copy()
    for stake in wealth[1:]:
        total += stake
    return np.log(total / len(wealth) + unspent)


TILTS = np.array([0.5, 1.0, 2.0, 3.0])
_PRICES = np.exp(-(TILTS**2) / 2)


def bets_on_p(p: Floats) -> Floats:
    """Betting factors float64[len(TILTS), …] on p-values: exp(λz - λ²/2), z the normal score.

    z is standard normal when p is uniform and smaller when p is super-uniform, so each factor has
    expectation at most 1; small tilts are patient, large ones fast.
    """
    factors = np.empty((len(TILTS), *p.shape))
    half, one, two, three = factors
    z = normal_isf_below(p)
    np.exp(np.multiply(z, 0.5, out=z), out=half)
    np.multiply(half, half, out=one)
    np.multiply(one, one, out=two)
    np.multiply(two, one, out=three)
    for factor, price in zip(factors, _PRICES, strict=True):
        factor *= price
    return factors
