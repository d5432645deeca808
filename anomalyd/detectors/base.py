"""What a detector is. Registry: `DETECTORS` in `anomalyd/detectors/__init__.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from anomalyd.model import Floats, Rows


class Returns(StrEnum):
    """What `score` returns, which is how evidence accumulates it.

    PREDICTIVE: p-values in (0, 1], super-uniform given the past under the null; accumulated once
    per disjoint window. SEQUENTIAL: log e-values of a process of the detector's own, valid
    whenever it is read; never accumulated again. RULE: 0 or 1, a stated rule outside the budget.
    """

    PREDICTIVE = "predictive"
    SEQUENTIAL = "sequential"
    RULE = "rule"


@dataclass(frozen=True, slots=True)
class Context:
    """What is known of every row of the table at one disjoint window; all arrays float64[n].

    value: NaN where absent. residual: transformed value less the expected one (log where the
    profile is log), positive is up; NaN without a profile. variance: of the residual from
    sampling (request counts), 0 where unknown. noise, phi: scale and lag-one autocorrelation of
    residuals in good production windows. offset, slope: prior standard deviations of the run's
    constant difference from production, and of its slope in `load`. load: log load less the
    reference's centre. tolerate: largest change that does not matter, in residual units.
    sign: +1 where worse is up, -1 down, 0 both. answered: bool[n].
    """

    time: float
    window: float
    value: Floats
    residual: Floats
    variance: Floats
    noise: Floats
    phi: Floats
    offset: Floats
    slope: Floats
    load: float
    tolerate: Floats
    sign: Floats
    answered: NDArray[np.bool_]
    expected_present: Floats


class Detector(Protocol):
    """One algorithm over all rows; its state is named arrays over rows, updated in place.

    `score` never changes state and returns float64[n], NaN where not ready; `learn` follows it
    once per disjoint window, for rows where `mask` is true (firing rows are left out, so that a
    fault is not taught as normal). `reset` forgets rows. Deterministic; no clock, no I/O.
    """

    name: str
    returns: Returns

    def resize(self, n: int) -> None: ...

    def score(self, context: Context) -> Floats: ...

    def learn(self, context: Context, mask: NDArray[np.bool_]) -> None: ...

    def reset(self, rows: Rows) -> None: ...

    def dump(self) -> Mapping[str, NDArray[np.generic]]: ...

    def load(self, state: Mapping[str, NDArray[np.generic]]) -> None: ...
