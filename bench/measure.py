"""A figure: what it cost here, what a named peer cost in the same run, and the target it has."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Work = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, least and most of several repeats, in the figure's unit."""

    median: float
    least: float
    most: float
    repeats: int

    @classmethod
    def of(cls, values: Sequence[float], scale: float = 1.0) -> Spread:
        ordered = sorted(value * scale for value in values)
        return cls(statistics.median(ordered), ordered[0], ordered[-1], len(ordered))

    def times(self, factor: float) -> Spread:
        return Spread(self.median * factor, self.least * factor, self.most * factor, self.repeats)


@dataclass(frozen=True, slots=True)
class Target:
    """At most `limit` of the figure itself, or at least `limit` of its ratio to the peer."""

    limit: float
    of_ratio: bool = False


@dataclass(frozen=True, slots=True)
class Figure:
    """A cost: smaller is better. `peer` says what `theirs` is a measurement of."""

    name: str
    what: str
    unit: str
    ours: Spread
    peer: str
    theirs: Spread
    target: Target | None = None

    @property
    def ratio(self) -> float:
        """How many times more the peer costs."""
        return self.theirs.median / self.ours.median

    @property
    def short_of_target(self) -> bool:
        if self.target is None:
            return False
        if self.target.of_ratio:
            return self.ratio < self.target.limit
        return self.ours.median > self.target.limit

    def line(self) -> str:
        ours = self.ours
        text = (
            f"{self.name:<22} {number(ours.median):>8} {self.unit} "
            f"({number(ours.least)} to {number(ours.most)}, n={ours.repeats}); "
            f"{self.peer}: {number(self.theirs.median)}, {number(self.ratio)} times that"
        )
        if self.target is None:
            return text
        limit = number(self.target.limit)
        text += f"; target {f'>= {limit} times' if self.target.of_ratio else f'<= {limit}'}"
        return f"{text}: short of target" if self.short_of_target else text

    def as_dict(self) -> dict[str, Any]:
        target = self.target and {
            "of": "ratio" if self.target.of_ratio else "figure",
            "limit": self.target.limit,
        }
        return {
            "name": self.name,
            "what": self.what,
            "unit": self.unit,
            **_as_dict(self.ours),
            "peer": {"name": self.peer, **_as_dict(self.theirs)},
            "ratio": self.ratio,
            "target": target,
            "short_of_target": self.short_of_target,
        }


def alternate(
    repeats: int, *works: Work, clock: Callable[[], float] = time.process_time
) -> list[Spread]:
    """Seconds of each of `works`, taken in turn, so that what disturbs one disturbs all.

    The clock is this process's CPU time unless said otherwise: a busy machine lengthens it less.
    """
    taken: list[list[float]] = [[] for _ in works]
    for _ in range(repeats):
        for work, seconds in zip(works, taken, strict=True):
            begun = clock()
            work()
            seconds.append(clock() - begun)
    return [Spread.of(seconds) for seconds in taken]


def resident_mb(pid: int) -> float:
    """The resident set of a process, in 10^6 bytes."""
    command = ["ps", "-o", "rss=", "-p", str(pid)]
    kib = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return int(kib) * 1024 / 1e6


def machine() -> dict[str, Any]:
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load_average": round(os.getloadavg()[0], 2),
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or "unknown"


def _as_dict(spread: Spread) -> dict[str, float]:
    return {
        "median": spread.median,
        "min": spread.least,
        "max": spread.most,
        "repeats": spread.repeats,
    }


def number(value: float) -> str:
    """Three digits, or whole."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
