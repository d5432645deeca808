"""The sentences that people read: summaries of incidents, reasons of verdicts."""

from __future__ import annotations

import math
from collections.abc import Sequence

from anomalyd.model import Anomaly, Finding, Kind, Suspect
from anomalyd.units import format_duration, format_effect, format_value


def summarise(anomalies: Sequence[Anomaly], suspects: Sequence[Suspect]) -> str:
    """One line: the probable service, its strongest signal, and how far it spread."""
    if not suspects:
        return f"{len(anomalies)} signal{'s' * (len(anomalies) != 1)} out of band"
    first = suspects[0].service
    own = [a for a in anomalies if a.service == first] or list(anomalies)
    worst = max(own, key=lambda a: (a.evidence, a.series))
    line = f"{first}: {describe(worst)}"
    others = sorted({a.service for a in anomalies} - {first, ""})
    return line + (f"; also felt in {', '.join(others)}" if others else "")


def describe(anomaly: Anomaly) -> str:
    """`latency_p95 412 ms, expected 180 ms to 230 ms (+92%)`."""
    if anomaly.detector == "absence":
        return f"{anomaly.signal} stopped arriving"
    band = (
        f"{format_value(anomaly.low, anomaly.unit)} to {format_value(anomaly.high, anomaly.unit)}"
    )
    effect = format_effect(anomaly.effect, anomaly.kind is Kind.ERRORS)
    observed = format_value(anomaly.observed, anomaly.unit)
    text = f"{anomaly.signal} {observed}, expected {band} ({effect})"
    if anomaly.limit is not None and anomaly.breach_in is not None:
        limit = format_value(anomaly.limit, anomaly.unit)
        text += f"; reaches {limit} in {format_duration(anomaly.breach_in)} at this rate"
    return text


def reason(finding: Finding) -> str:
    """Why a series decided a run, for the verdict's list of reasons."""
    if finding.detector == "absence":
        return f"{finding.series} stopped arriving; production sends it at this load"
    band = (
        f"{format_value(finding.low, finding.unit)} to {format_value(finding.high, finding.unit)}"
    )
    hour = f", at {finding.hour}" if finding.hour else ""
    text = (
        f"{finding.series} was {format_value(finding.observed, finding.unit)}, expected {band} at "
        f"this load{hour} ({format_effect(finding.effect, finding.absolute)})"
    )
    if finding.pass_at == finding.pass_at:
        text += f"; passes at {format_value(finding.pass_at, finding.unit)}"
    return text + ("; beyond production's load range" if finding.extrapolated else "")


FEWEST_WINDOWS = 8
"""Fewer judged windows than that show next to nothing, however quiet a series is."""

GROWTH = 3.0
"""Windows needed grow as the change shown, in log, to this power. Independent noise alone would
give 2; autocorrelation, and what is tolerated, average out more slowly. Replays of the judge over
6 to 256 windows gave 2.2 to 2.9."""

FARTHEST = 8.0
"""Times as long, beyond which nothing is promised."""


def times_longer(mde: float, detect: float, absolute: bool) -> float:
    """How many times as long a run must be to show `detect` where it showed `mde`, rounded up.

    Infinite where that is too far to be told. Holds for noise; a run that differs from production
    from its first second is not helped by length.
    """
    if not (math.isfinite(mde) and detect > 0):
        return math.inf
    ratio = mde / detect if absolute else math.log1p(mde) / math.log1p(detect)
    times = math.ceil(2 * max(1.0, ratio) ** GROWTH) / 2
    return times if times <= FARTHEST else math.inf


def too_weak(findings: Sequence[Finding], most: int = 3) -> list[str]:
    """The series that could show least, each with what it could have shown and was asked for."""
    weak = [f for f in findings if f.state in ("weak", "missing") and not f.note]
    weak.sort(key=lambda f: (-f.mde, f.series))
    return [f"{f.series}: {_weakness(f)}" for f in weak[:most]]


def _weakness(finding: Finding) -> str:
    """What a weak series could have shown, and what would let it show what was asked for."""
    windows, asked = finding.windows, format_effect(finding.detect, finding.absolute)
    if windows < FEWEST_WINDOWS:
        return (
            f"judged in {windows} window{'s' * (windows != 1)}, too few to show {asked}; at least "
            f"{FEWEST_WINDOWS} are needed"
        )
    shown = format_effect(finding.mde, finding.absolute)
    return f"{windows} windows could have shown {shown}, {asked} was asked for; {_mend(finding)}"


def _mend(finding: Finding) -> str:
    times = times_longer(finding.mde, finding.detect, finding.absolute)
    if math.isfinite(times):
        more = f", or at {times:g} times the load" if finding.absolute else ""
        return f"run about {times:g} times as long{more}"
    return (
        "too noisy for a longer run to promise it: raise the load if requests are few, or ask for "
        f"less with signals.override.{finding.signal}.detect"
    )
