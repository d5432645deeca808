"""How the traces of a run differ from those of production."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reshaped(StrEnum):
    """What may change in the shape of traces."""

    NEW_EDGE = "new-edge"
    MISSING_EDGE = "missing-edge"
    MORE_CALLS = "more-calls"
    RETRIES = "retries"
    SERIAL = "serial"
    ERROR_PATH = "error-path"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share or a mean, its interval, and how many traces, calls or requests it is of."""

    value: float
    low: float
    high: float
    of: float


@dataclass(frozen=True, slots=True)
class ShapeChange:
    """A difference between staging's traces and production's that begin at one operation.

    server: '' where it is of what `client` does. staging, production: shares, or calls per trace
    for more calls.
    """

    kind: Reshaped
    service: str
    operation: str
    client: str
    server: str
    staging: Estimate
    production: Estimate
