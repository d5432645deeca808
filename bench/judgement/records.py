"""What the simulator hands to judges, what it keeps from them, and what they answer."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

GATEWAY = "gateway"
LOAD = f'request_rate{{service="{GATEWAY}"}}'
"""The column that is the offered load: where requests come in."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A wide table. times: float64[t] unix seconds; values: float64[t, n], NaN where absent."""

    times: Floats
    headers: tuple[str, ...]
    values: Floats

    def column(self, header: str) -> Floats:
        return self.values[:, self.headers.index(header)]


@dataclass(frozen=True, slots=True)
class Truth:
    """What was done to a run.

    label: good, bad or broken; kind: the fault, the way it was broken, or "none"; size: relative
    effect on the expected value of the most affected signal, mean from the onset to the drain;
    onset: seconds from the start of the run, 0 for a fault that is there all along; root: the
    service at fault; inside_spread: a fault there all along whose size is within two standard
    deviations of what staging differs by when nothing is wrong; beyond: the load per capacity
    exceeds what production has seen; negatives: what happened that must not fail a run.
    """

    label: str
    kind: str = "none"
    size: float = 0.0
    onset: float | None = None
    root: str | None = None
    whole_run: bool = False
    inside_spread: bool = False
    beyond: bool = False
    negatives: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    recording: Recording
    truth: Truth


@dataclass(frozen=True, slots=True)
class Decision:
    """outcome: pass, fail, inconclusive or invalid; fired_at: seconds from the run's first sample
    to the first firing; suspects: services, the likeliest first, as ranked when it fired."""

    outcome: str
    fired_at: float | None = None
    suspects: tuple[str, ...] = ()


def header(signal: str, service: str) -> str:
    return f'{signal}{{service="{service}"}}'


def parts(header: str) -> tuple[str, str]:
    """(signal, service) of a header; the service is "" if it has none."""
    name, _, labels = header.partition("{")
    found = re.search(r'service="([^"]*)"', labels)
    return name, found[1] if found else ""
