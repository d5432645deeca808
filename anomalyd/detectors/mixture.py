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
CAP = 5.5
"""No single window may bring more than e**5.5: one absurd sample must not decide a run."""


class OnsetMixture:
    """log(Σ_k π_k mean_j Π_{i >= k} f_ij + unspent mass), per row, in O(bets) per window.

    π_0 = `AT_START` (present for the whole run), then a hazard of `HAZARD` per window. Each f_ij
    must have conditional expectation at most 1 under the null; the sum is then a test martingale
    (supermartingale) that starts at 1, and Ville's inequality bounds its supremum over all windows
    (Shin, Ramdas, Rinaldo, "E-detectors", 2022, section 3, with spent mass in place of restarts).

    State: log_wealth float64[bets, n]; age float64[n], windows bet on so far.
    """

    def __init__(self, bets: int) -> None:
        self.log_wealth: Floats = np.full((bets, 0), -np.inf)
        self.age: Floats = np.zeros(0)

    def resize(self, n: int) -> None:
        more = n - len(self.age)
        self.log_wealth = np.pad(self.log_wealth, ((0, 0), (0, more)), constant_values=-np.inf)
        self.age = np.pad(self.age, (0, more))

    def update(self, log_factors: Bets, mask: NDArray[np.bool_]) -> None:
        """Bet one window; rows outside `mask` stay as they are.

        log_factors: float64[bets, n], for wealth whose onset lies before this window, and for
        the mass that takes this window for the onset.
        """
        self.log_wealth, self.age = self._after(log_factors, mask)

    def log_value_after(self, log_factors: Bets, mask: NDArray[np.bool_]) -> Floats:
        """float64[n]: the log e-value once this window is bet too; changes nothing."""
        return _log_value(*self._after(log_factors, mask))

    def log_value(self) -> Floats:
        """float64[n]: the log e-value now; 0 for rows that have not bet yet."""
        return _log_value(self.log_wealth, self.age)

    def _after(self, log_factors: Bets, mask: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        later = np.log((1 - AT_START) * HAZARD) + (self.age - 1) * np.log1p(-HAZARD)
        mass = np.where(self.age == 0, np.log(AT_START), later)
        going_on, beginning = (np.where(mask, np.minimum(f, CAP), 0.0) for f in log_factors)
        wealth = np.logaddexp(self.log_wealth + going_on, mass + beginning)
        return np.where(mask, wealth, self.log_wealth), self.age + mask

    def reset(self, rows: Rows) -> None:
        self.log_wealth[:, rows] = -np.inf
        self.age[rows] = 0

    def dump(self) -> dict[str, NDArray[np.generic]]:
        return {"log_wealth": self.log_wealth.copy(), "age": self.age.copy()}

    def load(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        self.log_wealth = np.array(state["log_wealth"], dtype=np.float64)
        self.age = np.array(state["age"], dtype=np.float64)


def _log_value(log_wealth: Floats, age: Floats) -> Floats:
    peak = np.maximum(log_wealth.max(axis=0), 0.0)
    total = np.exp(log_wealth - peak).sum(axis=0) / len(log_wealth)
    unspent = (1 - AT_START) * (1 - HAZARD) ** np.maximum(age - 1, 0)
    return np.where(age == 0, 0.0, np.log(total + unspent * np.exp(-peak)) + peak)


TILTS = np.array([0.5, 1.0, 2.0, 3.0])


def bets_on_p(p: Floats) -> Floats:
    """Log betting factors float64[len(TILTS), n] on p-values: exp(λz - λ²/2), z the normal score.

    z is standard normal when p is uniform and smaller when p is super-uniform, so each factor has
    expectation at most 1; small tilts are patient, large ones fast.
    """
    tilts = TILTS[:, np.newaxis]
    return tilts * normal_isf_below(p) - tilts * tilts / 2
