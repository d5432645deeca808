"""One number of all terms.

A leaky noisy-or (Pearl, "Probabilistic Reasoning in Intelligent Systems", 1988, section 4.3.2; the
leak: Henrion, 1989): every term is a cause that alone would make an incident with the chance
weight × value, and the number is the chance that at least one does, were they independent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from anomalyd.model import Risk, RiskTerm
from anomalyd.risk.evidence import Evidence
from anomalyd.risk.terms import TERMS

LEAK = 0.02
"""The risk of a release against which nothing speaks."""
DIGITS = 1
"""Of the number, after the point: more would promise what it cannot keep."""


def assess(evidence: Evidence) -> Risk:
    """Deterministic; a worse term never lowers it."""
    return combined([term(evidence) for term in TERMS])


def combined(terms: Sequence[RiskTerm]) -> Risk:
    whole = _survival(terms)
    shown = []
    for term in terms:
        without = whole / (1 - _chance(term))
        shown.append(replace(term, points=round(100 * (without - whole), DIGITS)))
    return Risk(round(100 * (1 - whole), DIGITS), tuple(shown))


def _survival(terms: Sequence[RiskTerm]) -> float:
    return (1 - LEAK) * math.prod(1 - _chance(term) for term in terms)


def _chance(term: RiskTerm) -> float:
    return term.weight * min(1.0, max(0.0, term.value))
