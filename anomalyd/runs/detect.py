"""Runs that nobody announced: one is under way while an expression is above zero in staging."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from anomalyd.model import Run, RunState
from anomalyd.runs.life import Change, Lifecycle

ORIGIN = "detected"
DEBOUNCE_TICKS = 2
"""Ticks at or below zero, or absent, that end a run."""


@dataclass(slots=True)
class _Watch:
    """Of one selector. armed: may the expression start a run? low: ticks below, since when."""

    armed: bool = True
    low: int = 0
    low_since: float = 0.0


class Detection:
    """Starts and stops runs of origin `detected` in a `Lifecycle`, from an expression's values.

    A run starts when the expression rises. One that was stopped by hand, ran into its
    `max_duration`, or was covered by an announced run does not start again until the expression
    has been low for `DEBOUNCE_TICKS`: the last series of a load generator linger.
    """

    def __init__(self, lifecycle: Lifecycle, name: str) -> None:
        self._lifecycle = lifecycle
        self._name = name
        self._watches: dict[str, _Watch] = {}

    @property
    def holds_back(self) -> bool:
        """Whether an expression that is still high is kept from starting a run."""
        running = {run.selector for run in self._lifecycle.runs}
        return any(not w.armed and name not in running for name, w in self._watches.items())

    def update(self, values: Mapping[str, float] | None, now: float) -> list[Change]:
        """What the values at `now` change, by selector; `{"": value}` where there is none.

        None, a query that failed, changes nothing: it neither starts nor stops a run.
        """
        if values is None:
            return []
        running = {run.selector: run for run in self._lifecycle.runs if run.origin == ORIGIN}
        changes: list[Change] = []
        # Named selectors first: a run of all series would keep them from starting.
        for selector in sorted({*values, *running, *self._watches}, reverse=True):
            watch = self._watches.setdefault(selector, _Watch())
            if values.get(selector, 0.0) > 0:
                watch.low = 0
                changes += self._high(selector, watch, now)
            else:
                changes += self._low(running.get(selector), watch, now)
            if watch.armed and watch.low >= DEBOUNCE_TICKS:
                del self._watches[selector]
        return changes

    def _high(self, selector: str, watch: _Watch, now: float) -> list[Change]:
        if not watch.armed:
            return []
        other = self._lifecycle.conflict(selector)
        if other is None:
            watch.armed = False
            name = f"{self._name}-{selector}" if selector else self._name
            run = self._lifecycle.start(name, now, ORIGIN, selector)
            return [Change(run, None, "the expression of runs.detect rose above zero")]
        if other.state is not RunState.SETTLING:
            watch.armed = False
        return []

    def _low(self, run: Run | None, watch: _Watch, now: float) -> list[Change]:
        if watch.low == 0:
            watch.low_since = now
        watch.low += 1
        if watch.low < DEBOUNCE_TICKS:
            return []
        watch.armed = True
        if run is None or run.state is RunState.SETTLING:
            return []
        stopped = self._lifecycle.stop(run.id, watch.low_since)
        return [Change(stopped, run.state, "the expression of runs.detect fell to zero")]
