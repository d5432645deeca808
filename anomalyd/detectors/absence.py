"""Did something that production always has stop arriving?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anomalyd.detectors.base import Arrays, Context, Mask, Returns, RowState
from anomalyd.model import Floats, Rows

PATIENCE, PATIENCE_SECONDS = 4.0, 120.0
"""Windows, and seconds, for which a service may be silent: telemetry has gaps that last that long
when nothing is wrong."""

LONE_PATIENCE = 14.0
"""The same of one series of a service whose others go on: more often lost than gone."""


class Absence:
    """1 once a usual row that was seen in the run stayed away for max(patience, 2·gap + 1) windows.

    `usual` and `gap` come from production: the row is there nearly always, and its longest gap
    is `gap` windows. Windows in which the row's signal could not be evaluated do not count, so
    a failed query or a dead Prometheus is no absence. A rate of requests that fell to 0 is one, and
    no gap of telemetry. A rule, outside the budget: under its null (staging sends what production
    sends) it has no noise to bet on.

    A row that accepted runs showed need not have been seen in this one.

    State: seen (0 or 1), missed windows in a row, float64[n].
    """

    name = "absence"
    returns = Returns.RULE

    def __init__(self) -> None:
        self._state = RowState(seen=0, missed=0)

    def resize(self, n: int) -> None:
        self._state.resize(n)

    def score(self, context: Context) -> Floats:
        missed = np.where(_absent(context), self._state["missed"] + 1, 0)
        silent = max(PATIENCE, float(np.ceil(PATIENCE_SECONDS / context.window)))
        patience = np.where(context.lone, LONE_PATIENCE, silent)
        patience = np.where(context.ceased, PATIENCE, patience)
        enough = missed >= np.maximum(patience, 2 * context.gap + 1)
        fired = enough & context.usual & ((self._state["seen"] > 0) | context.shown)
        asked = context.answered | context.ceased
        return np.where(asked, fired.astype(np.float64), np.nan)

    def learn(self, context: Context, mask: Mask) -> None:
        present, absent = np.isfinite(context.value) & ~context.ceased, _absent(context)
        self._state["seen"][mask & present] = 1
        self._state["missed"][mask & present] = 0
        self._state["missed"][mask & absent] += 1

    def reset(self, rows: Rows) -> None:
        self._state.reset(rows)

    def dump(self) -> dict[str, NDArray[np.generic]]:
        return self._state.dump()

    def load(self, state: Arrays) -> None:
        self._state.load(state)


def _absent(context: Context) -> Mask:
    return (np.isnan(context.value) & context.answered) | context.ceased
