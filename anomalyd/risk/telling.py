"""What recorded outcomes say of the number: as JSON, for a terminal, and as a drawing."""

from __future__ import annotations

from typing import Any

from anomalyd import codec
from anomalyd.risk.reliability import Bin, Curve, Reliability
from anomalyd.risk.wording import uncalibrated

WIDTH = 40
"""Columns of the terminal's plot, for 0 to 100%."""


def standing(found: Reliability) -> str:
    """How far to believe the number, in words."""
    if found.calibrated:
        return f"calibrated by {found.outcomes} outcomes, {found.incidents} of them incidents"
    return uncalibrated(found.outcomes, found.incidents, found.needed, found.needed_of_each)


def as_json(found: Reliability) -> dict[str, Any]:
    """Its fields, and `standing`."""
    return {**codec.to_dict(found), "standing": standing(found)}


def terminal(found: Reliability) -> str:
    """The diagram in characters: `o` what was said, `x` what was seen, `-` its interval."""
    lines = [f"release risk is {standing(found)}"]
    for name, curve in (("as it is", found.raw), ("recalibrated", found.recalibrated)):
        if curve is not None:
            lines += ["", *_curve(name, curve)]
    if found.calibrated:
        lines += ["", "o said, x had an incident, - 95% interval; recalibrated: cross-validated"]
    return "\n".join(lines)


def _curve(name: str, curve: Curve) -> list[str]:
    head = f"{name}: Brier score {curve.brier:.3f}, {curve.skill:+.0%} against one constant chance"
    scale = f"{'':>9}  0%{'100%':>{WIDTH - 2}}"
    return [head, scale, *(_bin(one) for one in curve.bins)]


def _bin(one: Bin) -> str:
    cells = [" "] * (WIDTH + 1)
    low, high = _column(one.observed_low), _column(one.observed_high)
    cells[low : high + 1] = "-" * (high + 1 - low)
    cells[_column(one.said)] = "o"
    cells[_column(one.observed)] = "x"
    return f"{one.low:3.0f} - {one.high:3.0f}  {''.join(cells)}  {one.incidents} of {one.count}"


def _column(percent: float) -> int:
    return round(percent / 100 * WIDTH)
