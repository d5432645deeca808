"""From recorded outcomes to how many of 100 releases like this one had an incident.

Isotonic regression by pool adjacent violators (Barlow et al., "Statistical Inference under Order
Restrictions", 1972; for calibration: Zadrozny and Elkan, 2002): it assumes only that a higher score
does not mean fewer incidents. scipy is imported here alone, and only once outcomes suffice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from anomalyd.model import Became, Floats, RecordedOutcome, Risk
from anomalyd.risk.intervals import wilson


@dataclass(frozen=True, slots=True)
class Enough:
    """How many outcomes it takes in all, and of either kind."""

    outcomes: int = 30
    of_each: int = 5


@dataclass(frozen=True, slots=True)
class Block:
    """Releases with a score from `least` up to the next block's: `incidents` of `count` had one."""

    least: float
    count: int
    incidents: int

    @property
    def share(self) -> float:
        return self.incidents / self.count


def enough(outcomes: Sequence[RecordedOutcome], needed: Enough) -> bool:
    incidents = _incidents(outcomes)
    fewest = min(incidents, len(outcomes) - incidents)
    return len(outcomes) >= needed.outcomes and fewest >= needed.of_each


def calibrated(
    risk: Risk, outcomes: Sequence[RecordedOutcome], before: float, needed: Enough
) -> Risk:
    """`risk` by the outcomes that were recorded before `before` (unix seconds), as far as these
    suffice: what became of a release later must not have been known when it was judged."""
    known = [one for one in outcomes if one.recorded_at < before]
    counted = replace(
        risk,
        outcomes=len(known),
        incidents=_incidents(known),
        needed=needed.outcomes,
        needed_of_each=needed.of_each,
    )
    if not enough(known, needed):
        return counted
    block = at(blocks(known), risk.score)
    low, high = wilson(block.incidents, block.count)
    return replace(
        counted,
        calibrated=True,
        calibrated_score=round(100 * block.share, 1),
        low=round(100 * low, 1),
        high=round(100 * high, 1),
        alike=block.count,
    )


def blocks(outcomes: Sequence[RecordedOutcome]) -> list[Block]:
    """By score, ascending; the share of incidents rises from block to block."""
    scores = np.array([one.score for one in outcomes])
    incidents = np.array([one.became is Became.INCIDENT for one in outcomes], dtype=np.float64)
    return fitted(scores, incidents)


def fitted(scores: Floats, incidents: Floats) -> list[Block]:
    """scores, incidents (0 or 1): float64[n], n > 0. Equal scores count as one."""
    from scipy.optimize import isotonic_regression

    least, place = np.unique(scores, return_inverse=True)
    counts, sums = np.bincount(place), np.bincount(place, weights=incidents)
    found = isotonic_regression(sums / counts, weights=counts)
    starts = found.blocks[:-1]
    return [
        Block(float(least[start]), int(count), round(float(total)))
        for start, count, total in zip(
            starts, np.add.reduceat(counts, starts), np.add.reduceat(sums, starts), strict=True
        )
    ]


def at(found: Sequence[Block], score: float) -> Block:
    """The block that a score falls into; below all of them the first."""
    place = sum(block.least <= score for block in found) - 1
    return found[max(0, place)]


def shares(found: Sequence[Block], scores: Floats) -> Floats:
    """Of each score: float64[n]."""
    least = np.array([block.least for block in found])
    places = np.maximum(np.searchsorted(least, scores, side="right") - 1, 0)
    return np.array([block.share for block in found])[places]


def _incidents(outcomes: Sequence[RecordedOutcome]) -> int:
    return sum(one.became is Became.INCIDENT for one in outcomes)
