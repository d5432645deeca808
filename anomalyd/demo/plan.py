"""The two minutes of the demo: how long, how much load, how often it looks."""

from __future__ import annotations

from dataclasses import dataclass

from anomalyd.demo.load import Steady, Sweep


@dataclass(frozen=True, slots=True)
class Plan:
    """Durations in seconds, rates in requests per second.

    The tests run at `rate`, inside the `low` to `high` that production's history covers. The bad
    test has `before_fault` seconds in good order, then `fault` seconds with the fault on.
    """

    history: float = 54.0
    low: float = 10.0
    high: float = 60.0
    cycles: int = 3
    rate: float = 35.0
    ramp: float = 2.0
    good: float = 28.0
    before_fault: float = 13.0
    fault: float = 16.0
    scrape_interval: float = 0.25
    step: float = 0.5
    window: float = 1.0
    warmup: float = 3.0
    settle: float = 2.0

    @property
    def seconds(self) -> float:
        """Of load and settling; starting the processes and fitting come on top."""
        return self.history + self.good + self.before_fault + self.fault + 2 * self.settle

    def sweep(self) -> Sweep:
        return Sweep(self.low, self.high, self.history, self.cycles)

    def good_test(self) -> Steady:
        return Steady(self.rate, self.good, self.ramp)

    def bad_test(self) -> Steady:
        return Steady(self.rate, self.before_fault + self.fault, self.ramp)
