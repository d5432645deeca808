"""How likely a release is to go wrong, as a number with its reasons, and what became of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum


class Became(StrEnum):
    """What became of a release, as somebody recorded it."""

    INCIDENT = "incident"
    CLEAN = "clean"


@dataclass(frozen=True, slots=True)
class RiskTerm:
    """One reason of the number. value: 0 (nothing speaks against it) to 1; weight: the risk that it
    makes alone at 1. known: False where nothing could be seen of it, and the value is assumed.
    points: how much lower the number would be without it. mend: what would lower it, '' where
    nothing is to be lowered."""

    name: str
    value: float
    weight: float
    reason: str
    known: bool = True
    mend: str = ""
    points: float = 0.0


@dataclass(frozen=True, slots=True)
class Risk:
    """score: 0 to 100, of the terms alone; the same whenever the run is judged again.

    calibrated_score: how many of 100 releases with a score like it had an incident, NaN unless
    `calibrated`; low, high: its 95% interval; alike: of how many outcomes. outcomes, incidents:
    recorded before the run; needed: how many it takes in all, needed_of_each: of either kind.
    """

    score: float
    terms: tuple[RiskTerm, ...]
    calibrated: bool = False
    calibrated_score: float = math.nan
    low: float = math.nan
    high: float = math.nan
    alike: int = 0
    outcomes: int = 0
    incidents: int = 0
    needed: int = 0
    needed_of_each: int = 0

    @property
    def uncalibrated(self) -> Risk:
        """What follows from the run alone."""
        return Risk(self.score, self.terms)

    @property
    def shown(self) -> float:
        """The one number: calibrated where it can be."""
        return self.calibrated_score if self.calibrated else self.score


@dataclass(frozen=True, slots=True)
class RecordedOutcome:
    """What became of the release that a run tested. score: of its `Risk`, uncalibrated. Times:
    unix seconds; decided_at: of the verdict."""

    run_id: str
    name: str
    became: Became
    score: float
    decided_at: float
    recorded_at: float
    note: str = ""
