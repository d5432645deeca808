"""Recorded outcomes for the tests of calibration."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from anomalyd.model import Became, RecordedOutcome


def outcome(score: float, had: bool, at: float = 1000.0, run_id: str = "r1") -> RecordedOutcome:
    became = Became.INCIDENT if had else Became.CLEAN
    return RecordedOutcome(run_id, "nightly", became, score, at - 500, at)


def outcomes(pairs: Sequence[tuple[float, bool]]) -> list[RecordedOutcome]:
    return [outcome(s, had, 1000.0 + i, f"r{i}") for i, (s, had) in enumerate(pairs)]


def overstated(n: int, seed: int = 0) -> list[RecordedOutcome]:
    """Releases whose chance of an incident is a third of their number."""
    random = np.random.default_rng(seed)
    scores = random.uniform(0, 100, n)
    had = random.random(n) < scores / 300
    return outcomes([(float(s), bool(h)) for s, h in zip(scores, had, strict=True)])
