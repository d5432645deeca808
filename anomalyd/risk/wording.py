"""Words that the terms of release risk have in common."""

from __future__ import annotations

from collections.abc import Sequence, Sized

from anomalyd.model import Risk

NAMED = 3
"""Things that a sentence names at most."""


def listed(named: Sequence[str], whole: Sized) -> str:
    """`a, b, c and 4 more` of `whole`."""
    more = len(whole) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")


def plural(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def standing(risk: Risk) -> str:
    """How far to believe the number: `uncalibrated: 4 of 30 outcomes recorded`."""
    if risk.calibrated:
        return (
            f"calibrated by {risk.outcomes} outcomes: of {risk.alike} releases like it "
            f"{risk.calibrated_score:.0f}% had an incident (95% interval {risk.low:.0f}% to "
            f"{risk.high:.0f}%); {risk.score:.0f} before that"
        )
    if not risk.needed:
        return "uncalibrated"
    return uncalibrated(risk.outcomes, risk.incidents, risk.needed, risk.needed_of_each)


def uncalibrated(outcomes: int, incidents: int, needed: int, of_each: int) -> str:
    """What is still missing."""
    told = f"uncalibrated: {outcomes} of {needed} outcomes recorded"
    if outcomes < needed:
        return told
    kind, count = min(
        ("incident", incidents), ("clean", outcomes - incidents), key=lambda one: one[1]
    )
    return f"{told}, {count} of {of_each} of them {kind}"
