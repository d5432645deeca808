"""What is expected of rows at one moment."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from anomalyd.detectors.base import Mask
from anomalyd.model import Floats, Rows


@dataclass(frozen=True, slots=True)
class Band:
    """float64[n], NaN without a profile: expected, low, high in the signal's unit; location, the
    expected value in the residual's scale, and its steepness per unit of log load; bad_ratio, upper
    bound of production's ratio of bad requests; noise, scale of production's innovations at that
    load; season, what the hour adds to `location`, which holds it. extrapolated: bool[n]."""

    expected: Floats
    low: Floats
    high: Floats
    location: Floats
    steepness: Floats
    bad_ratio: Floats
    noise: Floats
    season: Floats
    extrapolated: Mask

    @classmethod
    def unknown(cls, n: int) -> Band:
        unknown = {field.name: np.full(n, np.nan) for field in fields(cls)}
        known = {"season": np.zeros(n), "extrapolated": np.zeros(n, dtype=bool)}
        return cls(**{**unknown, **known})

    def put(self, rows: Rows, part: Band) -> None:
        for field in fields(self):
            getattr(self, field.name)[rows] = getattr(part, field.name)
