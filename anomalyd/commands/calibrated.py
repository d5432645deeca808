"""What a calibration found, as JSON, as lines for a person, and as settings that demote."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from anomalyd.model import Verdict
from anomalyd.replay.calibrate import Calibration, Rate, SignalRate, runs_needed
from anomalyd.signals.identity import SERVICE
from anomalyd.units import format_effect

Document = dict[str, Any]

NEAR = 0.5
"""Of the threshold (in logs): what did not fire and came so far is a near miss."""


class Way(StrEnum):
    """How runs were judged."""

    ACCEPTED = "accepted-runs"
    FIRST = "first-run"
    RECORDED = "recorded"


TOLD = {
    Way.ACCEPTED: "with the others as accepted runs",
    Way.FIRST: "as a first run",
    Way.RECORDED: "as it was recorded",
}


def document(
    way: Way,
    decisive: Calibration,
    first: Calibration | None,
    runs: Mapping[str, Sequence[Verdict]],
    until: float,
) -> Document:
    """Plain values. first: judged as first runs, where that does not decide. runs: the verdicts on
    each, the decisive one first. until: unix seconds, the end of the silences that are proposed."""
    return {
        "within_budget": decisive.within,
        "exit_code": int(not decisive.within),
        "budget": decisive.budget,
        "way": way.value,
        **_calibration(decisive),
        "as_first_run": _calibration(first) if first is not None else None,
        "runs": [
            {
                "run": name,
                "verdict": verdicts[0].outcome.value,
                "as_first_run": verdicts[-1].outcome.value if first is not None else None,
                "fired": [f.series for f in verdicts[0].findings if f.state == "fired"],
            }
            for name, verdicts in runs.items()
        ],
        "settings": settings(decisive, until),
    }


def _calibration(found: Calibration) -> Document:
    return {
        "failed": found.rate.k,
        "judged": found.rate.n,
        "interval": list(found.rate.interval),
        "not_excluded": found.rate.up_to,
        "inconclusive": found.inconclusive,
        "invalid": found.invalid,
        "spared_by_settings": found.spared,
        "signals": [_signal(one) for one in found.signals],
    }


def _signal(one: SignalRate) -> Document:
    return {
        "signal": one.name,
        "offends": one.offends,
        "fired": one.rate.k,
        "judged": one.rate.n,
        "interval": list(one.rate.interval),
        "share_of_budget": one.share,
        "series": [{"series": f"{one.name}{labels}", "runs": runs} for labels, runs in one.fired],
        "largest_effect": one.largest if math.isfinite(one.largest) else None,
        "nearest": one.nearest,
        "nearest_series": one.nearest_series,
    }


def settings(found: Calibration, until: float) -> str:
    """YAML for the configuration: a silence of each offender, where it fired; '' without any."""
    if not found.offenders:
        return ""
    end = datetime.fromtimestamp(until, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    lines = ["silences:"]
    for one in found.offenders:
        lines.append(f"- signal: {json.dumps(re.escape(one.name))}")
        services = sorted({labels.get(SERVICE) for labels, _ in one.fired})
        if all(services):
            said = "|".join(map(re.escape, services))
            lines.append(f"  match: {json.dumps(f'{SERVICE}=~{json.dumps(said)}')}")
        why = f"fired in {one.rate.k} of {one.rate.n} runs known to be good"
        lines += [f"  reason: {why}", f"  until: {end}"]
    return "\n".join(lines) + "\n"


def render(found: Document, way: Way, decisive: Calibration, first: Calibration | None) -> str:
    """What a person reads on a terminal."""
    count = len(found["runs"])
    runs = f"{count} run{'s' if count > 1 else ''} known to be good"
    lines = [f"{runs}, each judged {TOLD[way]}", _failed(decisive)]
    if first is not None:
        lines.append(f"each as a first run, with none accepted: {_told(first.rate)}")
    for one in found["runs"]:
        beside = f", as a first run {one['as_first_run']}" if first is not None else ""
        lines.append(f"  {one['run']}: {one['verdict']}{beside}")
    lines += ["", "signals; their intervals hold together at 95%", *_table(decisive, first)]
    lines += _named("offenders, beyond their share of the budget", decisive.offenders)
    lines += _named(
        "fired, yet not shown to be beyond their share",
        [one for one in decisive.signals if one.rate.k and not one.offends],
    )
    if decisive.offenders:
        left = decisive.rate.k - decisive.spared
        lines += ["", f"without the offenders {left} of {decisive.rate.n} runs fail:", ""]
        lines.append(found["settings"].rstrip())
    return "\n".join(lines)


def _failed(found: Calibration) -> str:
    more = [f"{found.inconclusive} inconclusive"] if found.inconclusive else []
    more += [f"{found.invalid} more invalid, which say nothing"] if found.invalid else []
    told = f"failed: {_told(found.rate)}{''.join(f', {one}' for one in more)}"
    needed = runs_needed(found.budget)
    if found.rate.up_to <= found.budget:
        return f"{told}: the budget of {found.budget:.2g} is kept"
    return (
        f"{told}; a false-fail rate of up to {found.rate.up_to:.0%} is not excluded; "
        f"{needed} good runs without a fail would show {found.budget:.1%}"
    )


def _told(rate: Rate) -> str:
    low, high = rate.interval
    return f"{rate.k} of {rate.n} ({low:.1%} to {high:.1%})"


def _table(decisive: Calibration, first: Calibration | None) -> list[str]:
    beside = {one.name: one.rate for one in first.signals} if first is not None else {}
    rows = [("signal", "fired", "interval", "share", "near misses", "first run")]
    for one in decisive.signals:
        low, high = one.rate.interval
        other = beside.get(one.name)
        rows.append((
            one.name,
            f"{one.rate.k}/{one.rate.n}",
            f"{low:.1%} to {high:.1%}",
            f"{one.share:.2%}",
            f"{one.nearest:.0%} {one.nearest_series}" if one.nearest >= NEAR else "",
            f"{other.k}/{other.n}" if other is not None else "",
        ))  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    cells = ([f"{c:<{w}}" for c, w in zip(row, widths, strict=True)] for row in rows)
    return ["  " + "  ".join(row).rstrip() for row in cells]


def _named(title: str, signals: Sequence[SignalRate]) -> list[str]:
    if not signals:
        return []
    lines = ["", title]
    for one in signals:
        effect = format_effect(one.largest, one.absolute)
        lines.append(f"  {one.name}: {one.rate.k} of {one.rate.n} runs, by up to {effect}")
        lines += [f"    {one.name}{labels} in {runs}" for labels, runs in one.fired]
    return lines
