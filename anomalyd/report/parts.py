"""The parts that the document of a judged run has in common with that of a replayed one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from anomalyd.model import Coverage, Estimate, Integrity, Phase, Risk, RiskTerm, ShapeChange
from anomalyd.risk.wording import standing

Document = dict[str, Any]

Instant = Callable[[float], object]
"""How a time, in unix seconds, is written."""


def coverage(found: Coverage) -> Document:
    return {
        "production_series": found.production_series,
        "matched": found.matched,
        "judged": found.judged,
        "powered": found.powered,
        "ratio": number(found.ratio),
        "missing": texts(found.missing),
        "unmatched": texts(found.unmatched),
        "silenced": texts(found.silenced),
    }


def integrity(fault: Integrity, instant: Instant) -> Document:
    return {
        "kind": text(fault.kind),
        "where": text(fault.where),
        "start": instant(fault.start),
        "end": instant(fault.end),
        "detail": text(fault.detail),
        "breaks_run": fault.breaks_run,
    }


def reshaped(change: ShapeChange) -> Document:
    return {
        "kind": change.kind.value,
        "service": text(change.service),
        "operation": text(change.operation),
        "client": text(change.client),
        "server": text(change.server),
        "staging": _estimate(change.staging),
        "production": _estimate(change.production),
    }


def _estimate(found: Estimate) -> Document:
    return {
        "value": rounded(found.value),
        "low": rounded(found.low),
        "high": rounded(found.high),
        "of": round(found.of),
    }


def risk(found: Risk | None) -> Document | None:
    """None for a verdict of an older version."""
    if found is None:
        return None
    return {
        "score": number(found.score),
        "calibrated": found.calibrated,
        "calibrated_score": number(found.calibrated_score),
        "low": number(found.low),
        "high": number(found.high),
        "alike": found.alike,
        "outcomes": found.outcomes,
        "incidents": found.incidents,
        "needed": found.needed,
        "needed_of_each": found.needed_of_each,
        "standing": standing(found),
        "terms": [_term(term) for term in found.terms],
    }


def _term(term: RiskTerm) -> Document:
    return {
        "name": term.name,
        "value": rounded(term.value),
        "weight": number(term.weight),
        "points": number(term.points),
        "known": term.known,
        "reason": text(term.reason),
        "mend": text(term.mend),
    }


def phase(one: Phase, instant: Instant) -> Document:
    return {"kind": text(one.kind), "start": instant(one.start), "end": instant(one.end)}


def number(value: float) -> float | None:
    """None where it is not finite: JSON has no word for it."""
    return float(value) if math.isfinite(value) else None


def rounded(value: float, significant: int = 6) -> float | None:
    """To so many significant digits."""
    return number(float(f"{float(value):.{significant}g}"))


def text(written: str) -> str:
    """Lone surrogates have no place in UTF-8, which every report is written in."""
    return written.encode("utf-8", "replace").decode("utf-8")


def texts(written: Sequence[str]) -> list[str]:
    return [text(one) for one in written]
