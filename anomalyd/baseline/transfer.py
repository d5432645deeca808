"""How staging differs from production when nothing is wrong: one random effect per run and series.

Without an accepted run its prior is wide (`OFFSET`, `SLOPE`); accepted runs narrow it
(`judgement.accepted`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from anomalyd.model import Floats, Kind

OFFSET: Mapping[Kind, float] = {
    Kind.LATENCY: 0.20,
    Kind.ERRORS: 0.20,
    Kind.TRAFFIC: 0.10,
    Kind.SATURATION: 0.20,
    Kind.RESOURCE: 0.20,
    Kind.OTHER: 0.20,
}
"""Prior sd of a run's constant log difference: 0.20 takes a fifth either way for ordinary."""

SLOPE = 0.10
"""Prior sd of the difference's slope in log load."""

STRETCH = 5.0
"""Beyond production's load range each unit of log load counts this many times for `SLOPE`."""

SURE = 24.0
"""Windows that the scale of production's noise counts for in staging."""

WANDER = 0.4
"""Sd of the slow part of a good run's noise, as a share of the noise's, before it is known."""

ERROR_FACTOR, ERROR_SLACK = 1.75, 0.002
"""A good run's error ratio may be this many times production's, and this much more."""

KNOWN_ERROR_FACTOR = 1.25
"""The same once accepted runs have shown staging's own ratio."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """Learned from `runs` accepted runs; float64[p] over the baseline's profiles, NaN where those
    runs did not show a series.

    most_load: largest load per unit of capacity that they were judged at.
    mean: of the residual, at the log load `centre` (of `Context.load`); slope: its change per unit
    of load; offset, slope_sd: sds of what a new run differs from both by; all in the residual's
    scale. noise: scale of innovations over production's; phi: their autocorrelation; wander: sd of
    their slow part over the noise's; sure: windows that these rest on. bad_ratio: upper 95% bound
    of the error ratio; burst: relative variance of its mean between windows.
    """

    runs: int
    centre: float
    most_load: float
    mean: Floats
    slope: Floats
    offset: Floats
    slope_sd: Floats
    noise: Floats
    phi: Floats
    wander: Floats
    sure: Floats
    bad_ratio: Floats
    burst: Floats
