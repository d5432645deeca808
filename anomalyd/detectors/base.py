"""What a detector is. Registry: `DETECTORS` in `anomalyd/detectors/__init__.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from anomalyd.model import Floats, Rows

T = TypeVar("T")
Mask = NDArray[np.bool_]
Arrays = Mapping[str, NDArray[np.generic]]


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
    """What is known of every row of the table at one disjoint window; arrays are float64[n].

    smear: over how many windows a value is spread.
    value: NaN where absent. residual: the value in the scale of its profile (log where that is
    logarithmic) less the expected one; positive is up; NaN without a profile and for ratios of
    counts. season: what the hour adds to what is expected, in that scale. sampling: variance of the
    residual from the number of requests.
    noise: scale of production's one-step innovations; phi: their autocorrelation; wander: sd of a
    slower part over the noise's; sure: how many windows of the run's own its scale counts for.
    offset: prior sd of the run's constant difference from production; slope: prior sd of its slope
    in `load`; shift: prior sd of the log load by which it is busier than production at the same
    load; slope_with_shift: covariance of these two.
    load: log load less the centre of production's, stretched beyond its range; steepness: what one
    unit of log load more adds to production's value there, less what is usual. beyond: log load
    beyond all that is known, 0 or more; overload: sd of what a unit of that may bring.
    tolerate: largest change that does not matter, and size: what 100% is, in the residual's scale.
    sign: +1 where worse is up, -1 down, 0 both.
    bad, total: counts behind an error ratio, NaN elsewhere; bad_ratio: the ratio that production
    shows, with its upper uncertainty; burst: relative variance of the bad count's mean from window
    to window. brief: most log evidence that one window may bring.
    answered: the row's signal was evaluated. shown: accepted runs had it. lone: other series of its
    service have values. few: the window holds too few requests for the size of its value to mean
    anything. ceased: a rate of requests is 0 where there must be many. usual: production has the
    row nearly always, and its longest gap in windows is `gap`.
    """

    time: float
    window: float
    smear: int
    value: Floats
    residual: Floats
    season: Floats
    sampling: Floats
    noise: Floats
    phi: Floats
    wander: Floats
    sure: Floats
    offset: Floats
    slope: Floats
    shift: Floats
    slope_with_shift: Floats
    load: Floats
    steepness: Floats
    beyond: Floats
    overload: Floats
    tolerate: Floats
    size: Floats
    sign: Floats
    bad: Floats
    total: Floats
    bad_ratio: Floats
    burst: Floats
    brief: Floats
    answered: Mask
    shown: Mask
    lone: Mask
    few: Mask
    ceased: Mask
    usual: Mask
    gap: Floats

    def apart_from(self, level: Floats | float) -> Floats:
        """How far the residual is from `level`, the run's own: float64[n].

        Staging may keep production's timetable or not, and an hour may begin in the middle of a
        run: what the residual is from, production at this hour or at others, is whichever leaves
        it nearer, and where `level` lies between the two it is there.
        """
        away, other = self.residual - level, -self.season
        if not other.any():
            return away
        return away - np.clip(away, np.minimum(other, 0.0), np.maximum(other, 0.0))

    @property
    def difference(self) -> Floats:
        """Variance of what a good run may differ from production by at this load, all through."""
        of_load = (self.slope * self.load) ** 2 + (self.shift * self.steepness) ** 2
        of_load += 2 * self.slope_with_shift * self.load * self.steepness
        return np.asarray(self.offset**2 + of_load + (self.overload * self.beyond) ** 2)

    def take(self, rows: Rows | slice) -> Context:
        """The same window for some rows only; a row may be taken more than once."""
        arrays = (getattr(self, name)[rows] for name in _ARRAYS_OF_CONTEXT)
        return Context(self.time, self.window, self.smear, *arrays)


_ARRAYS_OF_CONTEXT = [field.name for field in fields(Context)][3:]


class Detector(Protocol):
    """One algorithm over all rows; its state is named arrays over rows, updated in place.

    `score` never changes state and returns float64[n], NaN where not ready; `learn` follows it
    once per disjoint window: time passes for every row, and rows where `mask` is true are learned
    from and bet on (firing rows are left out, so that a fault is not taught as normal). What
    `score` worked out may be kept for the `learn` of the same context. `reset` forgets rows.
    Deterministic; no clock, no I/O.
    """

    name: str
    returns: Returns

    def resize(self, n: int) -> None: ...

    def score(self, context: Context) -> Floats: ...

    def learn(self, context: Context, mask: Mask) -> None: ...

    def reset(self, rows: Rows) -> None: ...

    def dump(self) -> dict[str, NDArray[np.generic]]: ...

    def load(self, state: Arrays) -> None: ...


class RowState:
    """Named float64 arrays over rows with a fresh value each; the state of most detectors."""

    def __init__(self, **fresh: float) -> None:
        self._fresh = fresh
        self._arrays = {name: np.zeros(0) for name in fresh}

    def __getitem__(self, name: str) -> Floats:
        return self._arrays[name]

    def resize(self, n: int) -> None:
        for name, array in self._arrays.items():
            grown = np.full(n, float(self._fresh[name]))
            grown[: len(array)] = array
            self._arrays[name] = grown

    def reset(self, rows: Rows) -> None:
        for name, array in self._arrays.items():
            array[rows] = self._fresh[name]

    def dump(self) -> dict[str, NDArray[np.generic]]:
        return {name: array.copy() for name, array in self._arrays.items()}

    def load(self, state: Arrays) -> None:
        self._arrays = {name: np.array(state[name], dtype=np.float64) for name in self._fresh}


class Once(Generic[T]):
    """What `compute` makes of a context, worked out once; whoever changes state forgets it."""

    def __init__(self, compute: Callable[[Context], T]) -> None:
        self._compute = compute
        self._known: tuple[Context, T] | None = None

    def __call__(self, context: Context) -> T:
        if self._known is None or self._known[0] is not context:
            self._known = (context, self._compute(context))
        return self._known[1]

    def forget(self) -> None:
        self._known = None
