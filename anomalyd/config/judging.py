"""How it is judged, and what is kept: baseline, judgement, runs, silences, limits, retention."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import (
    Field,
)

from anomalyd.config.types import Duration, Excuse, Matchers, Regex, Section, Share


class BaselineConfig(Section):
    days: float = Field(7.0, gt=0, le=400)
    step: Duration = Field(60.0, ge=0.5, le=3600)
    refresh: Duration = Field(6 * 3600.0, ge=1)
    concurrency: int = Field(1, ge=1, le=16)
    path: Path | None = None


SHARES = ("false_fail", "coverage", "creep", "accepted_change")


class Judgement(Section):
    """`coverage`: the share of production's series that a pass must have judged."""

    false_fail: Share = Field(0.01, gt=0, le=0.5)
    warmup: Duration = Field(60.0, ge=0)
    settle: Duration = Field(30.0, ge=0)
    keep_firing_for: Duration = Field(60.0, ge=0)
    coverage: Share = Field(0.8, ge=0, le=1)
    ignore_shorter: Duration = Field(40.0, ge=0)
    close_incident_after: Duration = Field(60.0, ge=0)
    creep: Share = Field(0.15, gt=0, le=1)
    accepted_change: Share = Field(0.25, gt=0, le=1)
    shadow: bool = False

    def written(self) -> dict[str, Any]:
        """As a file would have it: durations with their unit, shares as percentages."""
        return {
            name: f"{100 * value:.15g}%" if name in SHARES else f"{value:.9f}s"
            for name, value in self
            if not isinstance(value, bool)
        } | {"shadow": self.shadow}


class RiskConfig(Section):
    """How many recorded outcomes calibrate: in all, and of either kind."""

    outcomes: int = Field(30, ge=2, le=100_000)
    of_each: int = Field(5, ge=1, le=10_000)


class Silence(Excuse):
    """Series that may not decide, with the reason and until when; `match` selects by labels."""

    signal: Regex = ".*"
    match: Matchers = ()


class Detect(Section):
    """A run is under way while `promql` is above zero in staging; per value of `runs.label`."""

    promql: str
    name: str = "detected"


class Runs(Section):
    label: str | None = None
    detect: Detect | None = None
    max_duration: Duration = Field(6 * 3600.0, gt=0)


class Limits(Section):
    series: int = Field(200_000, ge=1, le=10_000_000)
    raw_series: int = Field(2_000_000, ge=1)
    query_series: int = Field(50_000, ge=1)
    label_bytes: int = Field(4096, ge=64)
    body_bytes: int = Field(256 * 2**20, ge=1024)
    recording_bytes: int = Field(2 * 2**30, ge=0)


class Retention(Section):
    runs: Duration = Field(90 * 86400.0, gt=0)
    history: Duration = Field(90 * 86400.0, gt=0)
