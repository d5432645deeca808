"""Values that stand still: the last sample handed on again and again, which nobody took."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from anomalyd.detectors.base import Mask
from anomalyd.model import Floats, Rows

LIVELY = 4
"""New values in a row from which on a row is known not to repeat itself."""


class Still:
    """What was measured or counted anew hardly ever comes out the same to the last digit.

    A row that gave `LIVELY` new values in a row stands still once it repeats one that is not a
    whole number, until it moves again. Whole numbers are left out (idle, saturated, bytes, items),
    as are rows that repeat themselves from the start (a quantile of a single bucket), and values
    that were out of the ordinary when they were new: a quantile that goes beyond the last bucket is
    told as its bound from then on.

    State: last, the latest value; lively, new values in a row; ordinary, whether the latest was
    when it was new (0 or 1): float64[n].
    """

    def __init__(self) -> None:
        self.last: Floats = np.zeros(0)
        self.lively: Floats = np.zeros(0)
        self.ordinary: Floats = np.zeros(0)
        self._new: Mask = np.zeros(0, dtype=bool)

    def resize(self, n: int) -> None:
        more = n - len(self.last)
        self.last = np.pad(self.last, (0, more), constant_values=np.nan)
        self.lively = np.pad(self.lively, (0, more))
        self.ordinary = np.pad(self.ordinary, (0, more))
        self._new = np.pad(self._new, (0, more))

    def step(self, values: Floats) -> Mask:
        """Take in one window, float64[n], NaN where absent; bool[n], which stand still."""
        known = np.isfinite(values)
        same = known & (values == self.last)
        still = same & (self.lively >= LIVELY) & (self.ordinary > 0) & (values != np.round(values))
        fresh = np.minimum(self.lively + 1, LIVELY)
        self.lively = np.where(known & ~still, np.where(same, 0.0, fresh), self.lively)
        self.last = np.where(known, values, self.last)
        self._new = known & ~same
        return still

    def learn(self, calm: Mask) -> None:
        """bool[n]: rows whose value of this window was an ordinary one."""
        self.ordinary = np.where(self._new, calm, self.ordinary)

    def reset(self, rows: Rows) -> None:
        self.last[rows], self.lively[rows], self.ordinary[rows] = np.nan, 0.0, 0.0

    def dump(self) -> dict[str, NDArray[np.generic]]:
        arrays = {"last": self.last, "lively": self.lively, "ordinary": self.ordinary}
        return {name: array.copy() for name, array in arrays.items()}

    def load(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Raises KeyError where it is not what `dump` gave."""
        self.last = np.array(state["last"], dtype=np.float64)
        self.lively = np.array(state["lively"], dtype=np.float64)
        self.ordinary = np.array(state["ordinary"], dtype=np.float64)
        self._new = np.zeros(len(self.last), dtype=bool)
