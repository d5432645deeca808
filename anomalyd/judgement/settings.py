"""What judging needs to know of the configuration."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """Times in seconds. totals: both environments have the same capacity, so that their rates and
    sums can be compared. blip: briefer deviations of latency and saturation pass. creep: how much
    worse than the golden run any series may be. ratio: of the unit of capacity that loads are given
    per to production's."""

    window: float
    false_fail: float = 0.01
    coverage: float = 0.8
    keep_firing_for: float = 60.0
    close_incident_after: float = 60.0
    capacity: float = 1.0
    ratio: float = 1.0
    totals: bool = True
    run_label: str | None = None
    shadow: bool = False
    blip: float = 40.0
    creep: float = 0.15
