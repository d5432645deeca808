"""The terms of release risk, in the order they are shown: one function each.

Each says how much speaks against the release on one count, from 0 to 1; a worse run never gives a
smaller value. Weights were chosen, not learned: what they are worth, recorded outcomes tell.
"""

from __future__ import annotations

from collections.abc import Callable

from anomalyd.model import RiskTerm
from anomalyd.risk import mirror, reached, shown
from anomalyd.risk.evidence import Evidence

TERMS: tuple[Callable[[Evidence], RiskTerm], ...] = (
    shown.verdict,
    shown.deciding,
    shown.explained,
    shown.near,
    reached.coverage,
    reached.load,
    reached.operations,
    reached.untested,
    mirror.drift,
    mirror.versions,
    shown.deployment,
)
