"""Two verdicts on one run: are they the same, and what is not."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from anomalyd import codec
from anomalyd.model import Finding, Verdict

MOST = 20
"""Differences told at most."""


def same(one: Verdict, other: Verdict) -> bool:
    """To the last digit, as far as both follow from the run alone: traces are not recorded, nor is
    what became of other releases."""
    ours, theirs = (codec.to_dict(_of_the_run(verdict)) for verdict in (one, other))
    if one.risk is None or other.risk is None:
        ours["risk"] = theirs["risk"] = None
    return ours == theirs


def _of_the_run(verdict: Verdict) -> Verdict:
    risk = verdict.risk.uncalibrated if verdict.risk is not None else None
    return replace(verdict, shape=(), risk=risk)


def differences(before: Verdict, after: Verdict) -> list[str]:
    """What is not the same, as sentences, what matters most first; [] for the same verdict."""
    if same(before, after):
        return []
    told = []
    if before.outcome is not after.outcome:
        told.append(f"{before.outcome.value} became {after.outcome.value}")
    told += [
        f"{one['series']}: {one['before'] or 'absent'} became {one['after'] or 'absent'}"
        for one in changed_series(before, after)
    ]
    if not told and before.reasons != after.reasons:
        told.append(f"the reasons were: {'; '.join(before.reasons)}")
    one, other = before.risk, after.risk
    if one is not None and other is not None and one.score != other.score:
        told.append(f"the risk was {one.score:g} and became {other.score:g}")
    ids = [{incident.id for incident in verdict.incidents} for verdict in (before, after)]
    if ids[0] != ids[1]:
        told.append(
            f"{len(ids[0])} incidents became {len(ids[1])}, {len(ids[0] & ids[1])} the same"
        )
    return [*told[:MOST], *([] if told else [_numbers(before, after)])]


def changed_series(before: Verdict, after: Verdict) -> list[dict[str, Any]]:
    """Series whose state differs: `series`, state `before` and `after` ('' where it has none)."""
    was, now = ({f.series: f.state for f in verdict.findings} for verdict in (before, after))
    names = [*was, *(name for name in now if name not in was)]
    return [
        {"series": name, "before": was.get(name, ""), "after": now.get(name, "")}
        for name in names
        if was.get(name) != now.get(name)
    ]


def _numbers(before: Verdict, after: Verdict) -> str:
    """By how much evidence differs, where nothing that it decides does."""
    was = {f.series: f for f in before.findings}
    gaps = [_gap(was[f.series], f) for f in after.findings if f.series in was]
    return f"the outcome is the same, evidence differs by up to {max(gaps, default=0.0):.3g}"


def _gap(one: Finding, other: Finding) -> float:
    gap = abs(one.evidence - other.evidence)
    return gap if math.isfinite(gap) else 0.0
