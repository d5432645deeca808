"""The statistics of PromQL's rules kept by river, an object each per series: adaptive and robust.

A mean and a variance over an hour and the spread's mean over 26 hours; a median over a day, the
median of a day of distances from it, and the last hour's median. By the minute, as the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from river.stats import Mean, RollingQuantile, Var
from river.utils import Rolling

from bench import bank
from bench.measure import Figure, Spread, alternate
from bench.worlds import residuals

HOUR, DAY, LONG = 60, 1440, 1560
"""Minutes."""


class Adaptive:
    """One series."""

    __slots__ = ("mean", "spread", "variance")

    def __init__(self) -> None:
        self.mean = Rolling(Mean, window_size=HOUR)
        self.variance = Rolling(Var, window_size=HOUR)
        self.spread = Rolling(Mean, window_size=LONG)

    def evaluate(self, x: float) -> bool:
        self.mean.update(x)
        self.variance.update(x)
        self.spread.update(self.variance.get() ** 0.5)
        return bool(abs(x - self.mean.get()) > 2 * self.spread.get())


class Robust:
    """One series."""

    __slots__ = ("distance", "level", "median")

    def __init__(self) -> None:
        self.median, self.distance = RollingQuantile(0.5, DAY), RollingQuantile(0.5, DAY)
        self.level = RollingQuantile(0.5, HOUR)

    def evaluate(self, x: float) -> bool:
        self.median.update(x)
        median = self.median.get()
        self.distance.update(abs(x - median))
        self.level.update(x)
        return bool(abs(self.level.get() - median) > 2 * self.distance.get())


def run(quick: bool) -> Iterator[Figure]:
    repeats = 3 if quick else 9
    ours = bank.ns_per_series(1_000 if quick else 10_000, repeats)
    for kind in (Adaptive, Robust):
        yield Figure(
            f"rolling.{kind.__name__.lower()}",
            "the detector bank alone, one disjoint window of a signal series",
            "ns per series",
            ours,
            f"the statistics of the {kind.__name__.lower()} rules as river objects per series",
            seconds_per_series(kind, 5 if quick else 100, repeats).times(1e9),
        )


def seconds_per_series(kind: Callable[[], Adaptive | Robust], series: int, repeats: int) -> Spread:
    """CPU seconds per series and evaluation, once a day has filled the windows."""
    many = [kind() for _ in range(series)]
    feed = iter(residuals(series, LONG + repeats).tolist())

    def evaluate() -> None:
        for one, value in zip(many, next(feed), strict=True):
            one.evaluate(value)

    for _ in range(LONG):
        evaluate()
    (spread,) = alternate(repeats, evaluate)
    return spread.times(1 / series)
