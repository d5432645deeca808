"""How often production has a series, and how long it does without."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anomalyd.model import Floats


def presence(
    raw: Floats, answered: NDArray[np.bool_] | None, columns_per_window: float
) -> dict[str, Floats]:
    """Share of the answered windows with a value, and the longest run without, in windows."""
    asked = raw if answered is None else raw[:, answered]
    share = np.isfinite(asked).sum(axis=1) / max(asked.shape[1], 1)
    return {"present": share, "longest_gap": _longest_gap(asked) / columns_per_window}


def _longest_gap(values: Floats) -> Floats:
    """Longest run of NaN of each row, in columns."""
    columns = np.arange(1, values.shape[1] + 1)
    last = np.maximum.accumulate(np.where(np.isfinite(values), columns, 0), axis=1)
    return np.asarray((columns - last).max(axis=1, initial=0), dtype=np.float64)
