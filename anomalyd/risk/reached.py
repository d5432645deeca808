"""Terms: how far the run went of what production does."""

from __future__ import annotations

import math
from collections.abc import Iterable

from anomalyd.model import RiskTerm
from anomalyd.risk.chance import unknown
from anomalyd.risk.evidence import Evidence
from anomalyd.risk.wording import NAMED, listed, plural
from anomalyd.units import format_value


def coverage(evidence: Evidence) -> RiskTerm:
    seen = evidence.verdict.coverage
    value = 1 - min(1.0, max(0.0, seen.ratio))
    reason = (
        f"{seen.powered} of {seen.production_series} series of production could have shown a "
        f"change that matters: {seen.ratio:.0%} in all"
    )
    if not seen.production_series:
        reason = "production gave no series to compare with"
    mend = "test for longer, and find what staging did not send" if value else ""
    return RiskTerm("coverage", value, 0.35, reason, True, mend)


def load(evidence: Evidence) -> RiskTerm:
    """How much of production's largest load the run fell short of."""
    most, reached = evidence.most_load, _reached(evidence.loads)
    if not (math.isfinite(most) and most > 0):
        return unknown(
            "load",
            0.3,
            "the load that production sees is not known",
            "set identity.entry or load, so that load is known",
        )
    value = min(1.0, max(0.0, 1 - reached / most))
    reason = (
        f"the run reached {format_value(reached, 'req/s')} per unit of capacity; production was "
        f"seen at up to {format_value(most, 'req/s')}"
    )
    mend = f"test up to {format_value(most, 'req/s')} per unit of capacity" if value else ""
    return RiskTerm("load", value, 0.3, reason, True, mend)


def operations(evidence: Evidence) -> RiskTerm:
    """Production's operations that the run did not call, by their share of its calls."""
    known, called = evidence.operations, evidence.called
    if not known:
        return unknown(
            "operations",
            0.3,
            "which operations production has, or the run called, is not known",
            "let both environments tell requests by route: see docs/risk.md",
        )
    left = {name: share for name, share in known.items() if name not in called}
    value = math.fsum(left.values()) / math.fsum(known.values())
    reason = f"the run called all {len(known)} operations of production"
    if left:
        most = sorted(left, key=lambda name: (-left[name], name))
        reason = (
            f"the run did not call {len(left)} of {len(known)} operations of production, "
            f"{value:.0%} of its calls by service: {listed(most[:NAMED], most)}"
        )
    mend = "let the test call them" if left else ""
    return RiskTerm("operations", min(1.0, value), 0.3, reason, True, mend)


def untested(evidence: Evidence) -> RiskTerm:
    left, tested = sorted(evidence.untested), evidence.tested
    if not left and not tested:
        return unknown(
            "untested-services",
            0.35,
            "no series says which service it is of",
            "set identity.service to the label that names it",
        )
    value = len(left) / (len(left) + len(tested))
    reason = f"all {plural(len(tested), 'service was', 'services were')} seen at work"
    if left:
        reason = (
            f"{len(left)} of {len(left) + len(tested)} services of production were not seen at "
            f"work: {listed(left[:NAMED], left)}"
        )
    mend = "let the test reach them, and staging measure them" if left else ""
    return RiskTerm("untested-services", value, 0.35, reason, True, mend)


def _reached(loads: Iterable[float]) -> float:
    return max((load for load in loads if math.isfinite(load)), default=0.0)
