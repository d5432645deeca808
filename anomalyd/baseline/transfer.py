"""How staging may differ from production when nothing is wrong, before any run was accepted."""

from __future__ import annotations

from collections.abc import Mapping

from anomalyd.model import Kind

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

ERROR_FACTOR, ERROR_SLACK = 1.75, 0.002
"""A good run's error ratio may be this many times production's, and this much more."""
