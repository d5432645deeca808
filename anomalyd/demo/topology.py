"""The four services of the demo, who calls whom, and which faults each of them can have."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Work:
    """What one request costs a service itself, its downstream calls left out.

    median: seconds awaited, lognormal with `sigma` (of the natural log); workers: how many
    requests are worked on at once, the others queue; contention: how much slower each of them
    makes the next, as in a shared database; errors: the share answered with 500.
    """

    median: float
    workers: int
    sigma: float = 0.25
    contention: float = 0.015
    errors: float = 0.003


ENTRY = "gateway"

WORK: Mapping[str, Work] = {
    "gateway": Work(median=0.030, workers=8),
    "cart": Work(median=0.045, workers=10),
    "pricing": Work(median=0.040, workers=24),
    "inventory": Work(median=0.050, workers=24),
}
"""Slow enough that what a busy machine adds, some milliseconds, stays small beside it."""

EDGES: Mapping[str, tuple[str, ...]] = {
    "gateway": ("cart",),
    "cart": ("pricing", "inventory"),
    "pricing": (),
    "inventory": (),
}


class FaultKind(StrEnum):
    LATENCY = "latency"
    ERRORS = "errors"
    LEAK = "leak"
    FANOUT = "fanout"


SIZES: Mapping[FaultKind, float] = {
    FaultKind.LATENCY: 1.5,
    FaultKind.ERRORS: 0.2,
    FaultKind.LEAK: 0.12,
    FaultKind.FANOUT: 3,
}
"""latency: own time grows by this factor more; errors: share of 500s; leak: MiB kept per request;
fanout: calls of each downstream per request instead of one (an N+1)."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of one service; `size` in the unit of `SIZES`."""

    service: str
    kind: FaultKind
    size: float

    def __str__(self) -> str:
        what = {
            FaultKind.LATENCY: f"its own work takes {1 + self.size:g}x as long",
            FaultKind.ERRORS: f"{self.size:.0%} of its requests fail",
            FaultKind.LEAK: f"it keeps {self.size:g} MiB of every request",
            FaultKind.FANOUT: f"it calls each downstream {self.size:g} times instead of once",
        }
        return f"{self.kind} in {self.service}: {what[self.kind]}"


def faults() -> tuple[Fault, ...]:
    """Every fault the demo can choose: all kinds in services behind the entry.

    Only a service that calls others can fan out.
    """
    return tuple(
        Fault(service, kind, SIZES[kind])
        for service in WORK
        for kind in FaultKind
        if service != ENTRY and (kind is not FaultKind.FANOUT or EDGES[service])
    )


def choose(seed: int) -> Fault:
    """The fault of a seed; uniform over `faults()`, the same on every machine."""
    return random.Random(seed).choice(faults())


def leaves_first() -> list[str]:
    """All services, each after those it calls."""
    order: list[str] = []

    def visit(name: str) -> None:
        if name not in order:
            for callee in EDGES[name]:
                visit(callee)
            order.append(name)

    visit(ENTRY)
    return order
