"""What chance alone makes of a value, where what it rests on is few."""

from __future__ import annotations

import numpy as np

from anomalyd.detectors.base import Mask
from anomalyd.judgement.fixed import Fixed
from anomalyd.model import Floats

FEW = 15.0
"""Requests in a window below which rates, and latencies, are not judged by their size."""

FEW_HELD = 2.0
"""Of what is under way at once: below it a number is mostly chance."""


def of(
    rows: Fixed, expected: Floats, counts: Floats, offered: Floats, window: float, smear: int
) -> tuple[Mask, Floats]:
    """(rows of which there are too few to judge them by their size: bool[n]; variance that chance
    adds to the log of a value: float64[n]).

    counts: requests behind each value in a window, NaN where not known. offered: load at the entry,
    1/s, NaN where not known: it is counted too. smear: windows that a value is spread over.
    """
    span = smear * window
    made = expected * counts * smear
    few = np.where(rows.rate, expected, counts / window) * span < FEW
    few |= rows.held & (expected < FEW_HELD)
    few |= rows.per_request & (made < FEW)
    arrivals = np.where(rows.rate, np.maximum(expected * span, 1.0), np.inf)
    at_entry = np.where(rows.rate, np.maximum(offered * span, 1.0), np.inf)
    of_size = rows.sampling / np.where(counts > 0, counts, np.inf)
    of_number = np.where(rows.per_request & (made > 0), 1 / np.maximum(made, 1e-9), 0.0)
    sampling = np.fmax(of_size, of_number) + 1 / arrivals + np.nan_to_num(1 / at_entry)
    return few, np.nan_to_num(sampling)
