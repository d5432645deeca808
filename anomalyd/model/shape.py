"""How the traces of a run differ from those of production."""

from __future__ import annotations

import math
from collections.abc import Mapping
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


PER_TRACE = "per trace"

WORDS: Mapping[Reshaped, tuple[str, str]] = {
    Reshaped.NEW_EDGE: ("is called, which production does not do", "of traces"),
    Reshaped.MISSING_EDGE: ("is no longer called", "of traces"),
    Reshaped.MORE_CALLS: ("is called more often", PER_TRACE),
    Reshaped.RETRIES: ("is called again after it failed", "of calls"),
    Reshaped.SERIAL: ("makes one after another what it made at once", "of requests at once"),
    Reshaped.ERROR_PATH: ("fails and its caller with it", "of traces"),
}
"""What is said of a change, and what its numbers are of."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share or a mean, its interval, and how many traces, calls or requests it is of. NaN where
    it is not known."""

    value: float
    low: float
    high: float
    of: float

    def told(self, share: bool) -> str:
        """`3 (2.9 to 3.1, of 120)`, a share in percent."""
        value, low, high = (
            "?" if math.isnan(one) else f"{100 * one:.3g}%" if share else f"{one:.3g}"
            for one in (self.value, self.low, self.high)
        )
        return f"{value} ({low} to {high}, of {self.of:.0f})"


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

    @property
    def beginning(self) -> str:
        """Where the traces begin that it is of."""
        return f"{self.service} {self.operation}"

    def __str__(self) -> str:
        """`web → cart is called more often: 3 (…) per trace, in production 1 (…)`."""
        what, of = WORDS[self.kind]
        edge = " → ".join(filter(None, (self.client, self.server)))
        ours, theirs = (one.told(of != PER_TRACE) for one in (self.staging, self.production))
        return f"{edge} {what}: {ours} {of}, in production {theirs}"
