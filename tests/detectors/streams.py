"""Good streams of a known process, judged by a baseline that was fitted to another stretch of it.

Production and staging are drawn apart from the same process; what the detectors know of it
(`noise`, `phi`, `sampling`, rates) is only what `baseline.fit` found. Staging has many rows per
profile: each is one more run of that series.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from anomalyd.baseline import transfer
from anomalyd.baseline.fit import FitInput, fit
from anomalyd.baseline.lookup import Lookup
from anomalyd.detectors.base import Context
from anomalyd.detectors.level_filter import WANDER_SECONDS
from anomalyd.judgement.context import Reference
from anomalyd.model import Change, Floats, Kind, Labels, PromQL, Ratio, Selector, Signal
from anomalyd.signals.table import SignalTable

WINDOW = 30.0
PRODUCTION_WINDOWS = 4000
LOAD = 60.0
REQUESTS = 900.0

Generator = np.random.Generator
Draw = Callable[[Generator, int, int], Floats]


def autoregressive(phi: float, noise: Callable[[Generator, tuple[int, int]], Floats]) -> Draw:
    """float64[windows, rows]: AR(1) in its stationary state, innovations from `noise`."""

    def draw(rng: Generator, windows: int, rows: int) -> Floats:
        settle = 60 if phi else 0
        innovations = noise(rng, (windows + settle, rows))
        out, last = np.empty((windows, rows)), np.zeros(rows)
        for t, innovation in enumerate(innovations):
            last = phi * last + innovation
            if t >= settle:
                out[t - settle] = last
        return out

    return draw


def normal(rng: Generator, shape: tuple[int, int]) -> Floats:
    return rng.standard_normal(shape)


def student3(rng: Generator, shape: tuple[int, int]) -> Floats:
    return rng.standard_t(3, shape)


def skewed(rng: Generator, shape: tuple[int, int]) -> Floats:
    """Log-normal less its mean, as of a quantity that cannot be logged."""
    return np.exp(rng.standard_normal(shape)) - np.exp(0.5)


@dataclass(frozen=True)
class World:
    """A process; `deviation` in units of `size`, in the log of the value unless `linear`.

    dispersion: None for values; for error counts the size of a negative binomial, inf: binomial.
    """

    deviation: Draw = field(default_factory=lambda: autoregressive(0.0, normal))
    size: float = 0.1
    offset: bool = True
    linear: bool = False
    dispersion: float | None = None

    @property
    def signal(self) -> Signal:
        if self.dispersion is not None:
            ratio = Ratio(Selector("bad"), Selector("all"))
            return Signal("s", Kind.ERRORS, ratio, tolerate=Change(absolute=0.005))
        return Signal("s", Kind.OTHER if self.linear else Kind.LATENCY, PromQL("x"))

    def draw(self, rng: Generator, windows: int, rows: int) -> tuple[Floats, Floats]:
        """Values and counts float64[windows, rows] of good operation."""
        if self.dispersion is not None:
            total = rng.poisson(REQUESTS, (windows, rows)).astype(float)
            rate = np.full((windows, rows), 0.01)
            if np.isfinite(self.dispersion):
                rate = np.minimum(
                    rate * rng.gamma(self.dispersion, 1 / self.dispersion, rate.shape), 1
                )
            return rng.binomial(total.astype(int), rate) / np.maximum(total, 1), total
        deviation = self.size * self.deviation(rng, windows, rows)
        values = 5.0 + deviation if self.linear else 0.2 * np.exp(deviation)
        if self.linear:
            values[:, :] -= 4.9
        return values, np.full((windows, rows), np.nan)


WORLDS: Mapping[str, World] = {
    "independent": World(offset=False),
    "constant offset": World(),
    "AR(1) 0.8": World(autoregressive(0.8, normal)),
    "AR(1) 0.97": World(autoregressive(0.97, normal), size=0.03),
    "Student t3": World(autoregressive(0.0, student3)),
    "AR(1) 0.8 of t3": World(autoregressive(0.8, student3), size=0.06),
    "log-normal": World(size=0.6),
    "skewed, linear": World(autoregressive(0.0, skewed), size=0.1, linear=True),
    "binomial": World(dispersion=np.inf),
    "overdispersed counts": World(dispersion=5.0),
}


class Staging:
    """Runs in a world beside the baseline of its production."""

    def __init__(self, world: World, rows: int, windows: int, profiles: int = 40, seed: int = 1):
        self.world, self.rows, self.windows = world, rows, windows
        rng = np.random.default_rng(seed)
        keys = [f's{{service="{i}"}}' for i in range(profiles)]
        values, counts = world.draw(rng, PRODUCTION_WINDOWS, profiles)
        turn = np.sin(np.arange(PRODUCTION_WINDOWS) / PRODUCTION_WINDOWS * 8 * np.pi)
        baseline = fit(
            np.arange(PRODUCTION_WINDOWS) * WINDOW,
            LOAD * np.exp(0.75 * turn),
            [FitInput(world.signal, keys, values.T, counts.T)],
            step=WINDOW,
            window=WINDOW,
            meta={},
        )
        table = SignalTable([world.signal], rows)
        for row in range(rows):
            table.row(0, Labels.of({"service": str(row % profiles), "run": str(row)}))
        self.reference = Reference(table, Lookup(baseline), "run")
        self.values, self.counts = world.draw(rng, windows, rows)
        if world.offset and world.dispersion is None:
            spread = transfer.OFFSET[world.signal.kind]
            offset = spread * rng.standard_normal(rows)
            centre = np.abs(np.median(values))
            self.values = (
                self.values + offset * centre if world.linear else self.values * np.exp(offset)
            )

    def wander(self, share: float) -> Staging:
        """Every run drifts besides, slowly, with this share of the sd that its values have."""
        rng = np.random.default_rng(7)
        y = self.values if self.world.linear else np.log(self.values)
        sd = share * np.median(y.std(axis=0))
        rho = np.exp(-WINDOW / WANDER_SECONDS)
        slow = autoregressive(rho, normal)(rng, self.windows, self.rows) * np.sqrt(1 - rho**2)
        self.values = y + sd * slow if self.world.linear else np.exp(y + sd * slow)
        return self

    def windows_of(self, change_at: int | None = None) -> Iterator[Context]:
        """Contexts of the run; from `change_at` on worse by exactly `tolerate`."""
        everyone = np.arange(self.rows)
        band = self.reference.band(LOAD, everyone)
        rng = np.random.default_rng(99)
        for t in range(self.windows):
            context = self.reference.context(
                t * WINDOW,
                WINDOW,
                self.values[t],
                self.counts[t],
                np.full(self.rows, LOAD),
                band,
                np.ones(self.rows, dtype=bool),
                everyone,
            )
            if change_at is not None and t >= change_at:
                worse = context.value + 0.0
                if self.world.dispersion is not None:
                    extra = rng.binomial(context.total.astype(int), 0.005) / context.total
                    worse = np.minimum(worse + extra, 1.0)
                elif self.world.linear:
                    worse = worse + context.tolerate
                else:
                    worse = worse * np.exp(context.tolerate)
                context = self.reference.context(
                    t * WINDOW,
                    WINDOW,
                    worse,
                    self.counts[t],
                    np.full(self.rows, LOAD),
                    band,
                    np.ones(self.rows, dtype=bool),
                    everyone,
                )
            yield context
