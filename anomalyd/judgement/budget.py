"""How a run's chance of failing a good build is shared among its series."""

from __future__ import annotations

import numpy as np

from anomalyd.model import Floats, Rows

FIRST_SHARE = 0.9
"""Of the budget, for series known when the run began; the rest is for those that come later."""


class Allotment:
    """Log thresholds per row: Bonferroni over series, so that all of them together stay in budget.

    The n series known at the start share 90% of the budget equally; the k-th newcomer gets
    10% · 1/(k(k+1)), which sums to at most 10% however many come. A row's share never changes.
    """

    def __init__(self, budget: float) -> None:
        self._budget = budget
        self._newcomers = 0
        self.log_threshold: Floats = np.zeros(0)

    def begin(self, n: int, rows: Rows) -> None:
        self.log_threshold = np.full(n, np.nan)
        self._newcomers = 0
        self.log_threshold[rows] = np.log(max(len(rows), 1) / (self._budget * FIRST_SHARE))

    def admit(self, n: int, rows: Rows) -> None:
        """Give newcomers among `rows` their share; n: rows of the table now."""
        more = n - len(self.log_threshold)
        self.log_threshold = np.pad(self.log_threshold, (0, more), constant_values=np.nan)
        for row in rows[np.isnan(self.log_threshold[rows])]:
            self._newcomers += 1
            share = self._budget * (1 - FIRST_SHARE) / (self._newcomers * (self._newcomers + 1))
            self.log_threshold[row] = -np.log(share)
