"""How staging differs from production when nothing is wrong: one random effect per run and series.

Without an accepted run its prior is wide (`OFFSET`, `SLOPE`); accepted runs narrow it
(`judgement.accepted`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from anomalyd.model import Floats, Kind

OFFSET: Mapping[Kind, float] = {
    Kind.LATENCY: 0.16,
    Kind.ERRORS: 0.20,
    Kind.TRAFFIC: 0.12,
    Kind.SATURATION: 0.13,
    Kind.RESOURCE: 0.16,
    Kind.OTHER: 0.12,
}
"""Prior sd of a run's constant log difference: 0.16 takes a sixth either way for ordinary."""

SLOPE = 0.10
"""Prior sd of the difference's slope in log load."""

SHIFT, SHIFT_OF_CPU = 0.25, 0.10
"""Prior sd of the log load by which staging is busier than production at the same load per unit of
capacity: what a request costs differs, and capacity itself is hardly known better, but by cpu."""

OVERLOAD, OVERLOAD_ELSE, OVERLOAD_OF_CALLS = 1.5, 0.3, 0.1
"""Sd of what a unit of log load beyond all that is known may bring: where requests queue (latency,
what is under way), elsewhere, and to how many requests one request makes."""

REPEATED = 0.2
"""What a unit of log load counts for as unknown, beyond production's, where accepted runs were."""

NOISIER = 1.0
"""Where requests queue, the noise grows by that share for a unit of log load beyond production's:
what is close to its capacity feels every fluctuation of its own."""

STRETCH, STRETCH_OF_CALLS = 5.0, 1.0
"""Beyond production's load range each unit of log load counts this many times for `SLOPE`; for how
many requests one request makes, which is no matter of how many there are, as within it."""

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

    most_load: load per unit of capacity that they were judged at, but for a few windows at most.
    mean: of the residual, at the log load per unit of capacity `centre` and at that `steepness`
    (see `Context`); slope: its change per unit of load; shift: per unit of steepness; offset,
    slope_sd, shift_sd: sds of what a new run differs from these by, slope_with_shift: covariance
    of two of them; in the residual's scale, but for what is of `shift`. noise: scale of innovations
    over production's; phi: their autocorrelation; wander: sd of their slow part over the noise's;
    sure: windows that these rest on. bad_ratio: upper 95% bound of the error ratio; burst: relative
    variance of its mean between windows.
    """

    runs: int
    centre: float
    most_load: float
    mean: Floats
    steepness: Floats
    slope: Floats
    shift: Floats
    offset: Floats
    slope_sd: Floats
    shift_sd: Floats
    slope_with_shift: Floats
    noise: Floats
    phi: Floats
    wander: Floats
    sure: Floats
    bad_ratio: Floats
    burst: Floats


@dataclass(frozen=True, slots=True)
class Golden:
    """A pinned run that those which come after it are compared with.

    run: its id. transfer: what it alone showed. between: float64[p] over the baseline's profiles,
    sd of the level of one run about that of the next where nothing but chance moved it, in the
    residual's scale; NaN where no run showed the series.
    """

    run: str
    transfer: Transfer
    between: Floats


@dataclass(frozen=True, slots=True)
class Learned:
    """What accepted runs taught, None where they showed nothing, and the golden one of them."""

    transfer: Transfer | None = None
    golden: Golden | None = None
