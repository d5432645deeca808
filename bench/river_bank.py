"""The peer of the detector bank: river's nearest detectors, as one set of objects per series."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from river.anomaly import GaussianScorer
from river.drift import ADWIN, PageHinkley
from river.stats import EWMean, EWVar
from river.time_series import HoltWinters

from bench.measure import Spread, alternate
from bench.worlds import residuals

PEER = "river objects per series"
WARM_UP = 60


class RiverSeries:
    """One series. river's stand-in for each of ours:

    baseline_deviation: GaussianScorer, EWMean and EWVar, PageHinkley both ways;
    run_shift: ADWIN; trend: HoltWinters without season. None of them models autocorrelation, the
    run's offset, or evidence that adds up, so this is the least that the same questions cost.
    """

    __slots__ = ("adwin", "gaussian", "holt", "mean", "page_hinkley", "var")

    def __init__(self) -> None:
        self.gaussian = GaussianScorer(grace_period=8)
        self.mean, self.var = EWMean(0.1), EWVar(0.1)
        self.page_hinkley = PageHinkley(min_instances=6, mode="both")
        self.adwin = ADWIN()
        self.holt = HoltWinters(alpha=0.3, beta=0.1)

    def window(self, x: float, known: bool) -> tuple[float, float, bool, bool, float]:
        """Score a window's value, then learn it; `known`: enough windows to forecast from."""
        unlikely = self.gaussian.score_one(None, x)
        self.gaussian.learn_one(None, x)
        z = (x - self.mean.get()) / (self.var.get() ** 0.5 or 1.0)
        self.mean.update(x)
        self.var.update(x)
        self.page_hinkley.update(x)
        self.adwin.update(x)
        ahead = self.holt.forecast(1)[0] if known else x
        self.holt.learn_one(x)
        return (
            unlikely,
            z,
            self.page_hinkley.drift_detected,
            self.adwin.drift_detected,
            x - ahead,
        )


def windows(series: int, count: int) -> Iterator[tuple[list[float], bool]]:
    """(values of all series, whether enough came before) of windows that follow one another."""
    for i, row in enumerate(residuals(series, WARM_UP + count).tolist()):
        yield row, i >= WARM_UP


@cache
def seconds_per_series(quick: bool) -> Spread:
    """CPU seconds per series and window, of a warm bank of objects."""
    series, repeats = (20, 3) if quick else (500, 9)
    bank = [RiverSeries() for _ in range(series)]
    feed = windows(series, repeats)
    for _ in range(WARM_UP):
        step(bank, *next(feed))
    (spread,) = alternate(repeats, lambda: step(bank, *next(feed)))
    return spread.times(1 / series)


def step(bank: list[RiverSeries], values: list[float], known: bool) -> None:
    for one, value in zip(bank, values, strict=True):
        one.window(value, known)
