"""What sources hand over, and what signals hand on: arrays."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Samples:
    """What a scrape hands over: many per row, any order.

    rows: intp[n] into a raw series table; timestamps: float64[n], unix seconds; values: float64[n].
    """

    rows: Rows
    timestamps: Floats
    values: Floats


class Told(StrEnum):
    """What whole traces tell beside the signals, of a service's requests or its calls to one peer.

    OWN_TIME: seconds of own time per request. OWN_FAILURES: share of requests that failed although
    nothing that they called did. WAIT: seconds of a call that its callee's own span does not cover;
    all of it where the callee sends none. ENDS: share of an operation's requests whose last call
    was to this peer; to nobody where it is ''.
    """

    OWN_TIME = "own time"
    OWN_FAILURES = "own failures"
    WAIT = "wait"
    ENDS = "ends"


@dataclass(frozen=True, slots=True)
class TracedKey:
    """Whose a number of `Traced` is. run: the value of the run label of its spans, '' for none."""

    told: Told
    service: str
    peer: str = ""
    operation: str = ""
    run: str = ""


@dataclass(frozen=True, slots=True)
class Traced:
    """A window of one environment, (until - window, until], which is some seconds before the tick
    that tells of it: traces have to be over.

    keys: once each. values: float64[n], finite. rates: float64[n], per second the requests or calls
    that a value is the mean of.
    """

    until: float
    keys: tuple[TracedKey, ...]
    values: Floats
    rates: Floats

    def of(self, run: str) -> Traced:
        """What is of the run with this value of the run label; all of it where that is ''."""
        own = [i for i, key in enumerate(self.keys) if not run or key.run == run]
        keys = tuple(self.keys[i] for i in own)
        return Traced(self.until, keys, self.values[own], self.rates[own])


@dataclass(frozen=True, slots=True)
class Batch:
    """What `signals` hands on: one tick, unique rows of the signal table, one value each.

    time: the tick, aligned to `step`, unix seconds. values: float64[n] over (time - window, time].
    counts: float64[n], events behind each value (requests), NaN where not known.
    answered: names of the signals that were evaluated; a signal whose query failed is not among
    them, so that a telemetry failure is not taken for an absent series.
    duplicates: (row, what was left out) where several series claimed one row.
    traced: what traces tell besides, where spans are sent.
    """

    time: float
    rows: Rows
    values: Floats
    counts: Floats
    answered: frozenset[str]
    duplicates: tuple[tuple[int, str], ...] = ()
    traced: Traced | None = None

    def __post_init__(self) -> None:
        ascending = bool((self.rows[1:] > self.rows[:-1]).all())
        if not ascending and len(np.unique(self.rows)) != len(self.rows):
            raise ValueError("rows of a Batch must be unique")
