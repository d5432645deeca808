"""Native histograms that misbehave as real ones do, from a seed.

None observes NaN: Prometheus 3.5 then reads quantiles off the wrong bucket.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from anomalyd.model import Labels
from tests.fakes.native import CUSTOM, Native
from tests.signals.history import scrapes

History = dict[Labels, list[tuple[int, Native]]]
NAME = "request_seconds"
BOUNDS = ((0.01, 0.1, 0.5, 1.0, 2.5), (0.01, 0.1, 0.25, 0.5, 1.0, 2.5))


@dataclass
class Target:
    """What one process observes; `observe` at will, `exposed` at a scrape."""

    chance: random.Random
    schema: int
    floats: bool = False
    bounds: tuple[float, ...] = ()
    threshold: float = 2.0**-128
    below: float = 0.0
    positive: Counter[int] = field(default_factory=Counter)
    negative: Counter[int] = field(default_factory=Counter)
    zero: int = 0
    sum: float = 0.0

    def observe(self, value: float) -> None:
        self.sum += value
        if self.bounds:
            self.positive[sum(value > bound for bound in self.bounds)] += 1
        elif abs(value) <= self.threshold:
            self.zero += 1
        else:
            side = self.positive if value > 0 else self.negative
            side[math.ceil(math.log2(abs(value)) * 2.0**self.schema)] += 1

    def restart(self, schema: int | None = None) -> None:
        self.positive, self.negative = Counter(), Counter()
        self.zero = 0
        self.sum = 0.0
        self.schema = self.schema if schema is None else schema
        self.threshold = 2.0**-128

    def coarsen(self) -> None:
        """As a client does that has too many buckets."""
        if self.bounds or self.schema <= -3:
            return
        self.schema -= 1
        for name in ("positive", "negative"):
            merged: Counter[int] = Counter()
            for index, count in getattr(self, name).items():
                merged[((index - 1) >> 1) + 1] += count
            setattr(self, name, merged)

    def widen(self) -> None:
        """The zero bucket takes in the lowest ones, up to the end of one of them."""
        if self.bounds or not self.positive:
            return
        lowest = min(self.positive)
        self.threshold = max(self.threshold, 2.0 ** (lowest / 2.0**self.schema))
        for side in (self.positive, self.negative):
            for index in [index for index in side if index <= lowest]:
                self.zero += side.pop(index)

    def exposed(self) -> Native:
        scale = 0.5 if self.floats else 1
        return Native(
            schema=CUSTOM if self.bounds else self.schema,
            positive={index: count * scale for index, count in self.positive.items()},
            negative={index: count * scale for index, count in self.negative.items()},
            zero=self.zero * scale,
            threshold=0.0 if self.bounds else self.threshold,
            sum=self.sum,
            floats=self.floats,
            bounds=self.bounds,
        )


def generate(seed: int, seconds: int = 300, interval: float = 5.0) -> History:
    """Services of two instances, each with a habit of its own."""
    chance = random.Random(seed)  # noqa: S311
    habits: dict[str, dict[str, Any]] = {
        "plain": {},
        "float": {"floats": True},
        "signed": {"below": 0.4},
        "custom": {"bounds": BOUNDS[0]},
        "rebounded": {"bounds": BOUNDS[0]},
        "drifting": {},
    }
    history: History = {}
    for service, habit in habits.items():
        for instance in ("a", "b"):
            schema = chance.choice([0, 3, 5, 8]) if "bounds" not in habit else 0
            target = Target(chance, schema, **habit)
            labels = {"__name__": NAME, "service": service, "instance": instance, "code": "200"}
            times = scrapes(chance, seconds, interval)
            samples = [(time, _lived(target, service)) for time in times]
            history[Labels.of(labels)] = [one for one in samples if chance.random() > 0.02]
    return history


def _lived(target: Target, service: str) -> Native:
    """Some seconds of a target's life, and the scrape at their end."""
    chance = target.chance
    if chance.random() < 0.04:
        target.restart(chance.choice([None, 2, 4]) if service == "drifting" else None)
        if service == "rebounded":
            target.bounds = chance.choice(BOUNDS)
    if service == "drifting" and chance.random() < 0.05:
        target.coarsen()
    if service == "signed" and chance.random() < 0.05:
        target.widen()
    pace = chance.choice([0, 3, 40])
    for _ in range(chance.randint(0, pace)):
        value = chance.lognormvariate(-2, 1.2) * chance.choice([1, 1, 1, 3])
        if chance.random() < target.below:
            value = chance.choice([-value, 0.0])
        target.observe(value)
    return target.exposed()
