"""The sentences that people read: summaries of incidents, reasons of verdicts."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from anomalyd.explain.signs import Sign
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
        return f"{anomaly.signal} {'fell to 0' if anomaly.observed == 0 else 'stopped arriving'}"
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
    if finding.detector == "golden":
        return f"{finding.series} {finding.note}"
    if finding.detector == "absence" and finding.observed == 0:
        return f"{finding.series} fell to 0; production has it at this load"
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


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why a service is suspected. own: its own signs; explained: those of others that came to rest
    at it, and mostly: those of them that did so for the most part; busier: it is called more."""

    service: str
    own: Sequence[Sign]
    explained: Sequence[Sign]
    mostly: Collection[Sign]
    busier: bool


MOST_NAMED = 3
MANIFOLD = 9.0
"""An effect from which on it is told as a multiple."""


def because(evidence: Evidence) -> str:
    """`latency_p95 +140%; began 12s before checkout; checkout only waits for it`."""
    gone = sorted({sign.signal for sign in evidence.own if sign.gone})
    off = _strongest([sign for sign in evidence.own if not sign.gone])
    parts = [f"{', '.join(gone)} stopped arriving"] if gone else []
    parts += [", ".join(_sign(sign, evidence.service) for sign in off)] if off else []
    parts += [lead] if (lead := _lead(evidence)) else []
    parts += _explains(evidence)
    parts += ["is called more than before"] if evidence.busier else []
    return "; ".join(parts)


def _strongest(signs: Sequence[Sign]) -> list[Sign]:
    """The strongest sign of each signal, the strongest signals first; of equals what harms more."""
    best: dict[tuple[str, str], Sign] = {}
    for sign in sorted(signs, key=lambda s: (-s.strength, -_harm(s), s.key)):
        best.setdefault((sign.signal, sign.peer), sign)
    return list(best.values())[:MOST_NAMED]


def _sign(sign: Sign, service: str) -> str:
    effect = _effect(sign)
    name = sign.signal if " " in sign.signal or not sign.own else sign.signal.replace("_", " ")
    if sign.peer == service:
        return f"{name} of calls from {sign.service} {effect}"
    return f"{name} of calls to {sign.peer} {effect}" if sign.peer else f"{name} {effect}"


def _harm(sign: Sign) -> float:
    return 0.0 if math.isnan(sign.excess) else sign.excess


def _effect(sign: Sign) -> str:
    """`+140%`, `+5 pp` of failures, `12 times` from tenfold on."""
    if sign.kind is not Kind.ERRORS and MANIFOLD <= sign.effect < math.inf:
        return f"{sign.effect + 1:.3g} times"
    return format_effect(sign.effect, sign.kind is Kind.ERRORS)


def _lead(evidence: Evidence) -> str:
    """How long before the first of those that it explains it began, where that can be told."""
    if not (evidence.own and evidence.explained):
        return ""
    began = min(sign.since for sign in evidence.own)
    follower = min(evidence.explained, key=lambda s: (s.since, s.service))
    ahead = follower.since - follower.step - began
    if ahead <= 0:
        return ""
    return f"began {format_duration(follower.since - began)} before {follower.service}"


def _explains(evidence: Evidence) -> list[str]:
    others = sorted({sign.service for sign in evidence.explained})
    if not others:
        return []
    if not evidence.own:
        return [f"calls {_named(others)}"]
    waits = _mostly(evidence, Kind.LATENCY)
    fails = _mostly(evidence, Kind.ERRORS) - waits
    rest = [name for name in others if name not in waits | fails]
    told = (
        [f"{_named(waits)} only {'waits' if len(waits) == 1 else 'wait'} for it"] if waits else []
    )
    told += (
        [f"{_named(fails)} only {'fails' if len(fails) == 1 else 'fail'} with it"] if fails else []
    )
    return told + ([f"explains {_named(rest)}"] if rest else [])


def _mostly(evidence: Evidence, kind: Kind) -> set[str]:
    """Services of which every explained sign of a kind is mostly put down to the suspect."""
    found = {s.service for s in evidence.explained if s.kind is kind}
    partly = {s.service for s in evidence.explained if s.kind is kind and s not in evidence.mostly}
    return found - partly


def _named(names: Collection[str]) -> str:
    """`cart, gateway`; of many the first three."""
    listed = sorted(names)
    more = len(listed) - MOST_NAMED
    return ", ".join(listed[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
