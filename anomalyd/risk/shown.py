"""Terms: what the run showed."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from anomalyd.model import CheckState, Finding, Outcome, RiskTerm
from anomalyd.risk.chance import any_of
from anomalyd.risk.evidence import Evidence
from anomalyd.risk.wording import NAMED, listed, plural
from anomalyd.units import format_effect

OF_OUTCOME = {
    Outcome.PASS: 0.0,
    Outcome.INCONCLUSIVE: 0.35,
    Outcome.INVALID: 0.45,
    Outcome.FAIL: 1.0,
}
NEAR = 0.3
"""Share of the evidence that firing takes, in log, above which a series nearly fired."""
DOUBTED = 0.6
"""The same for a series that may differ only as staging does."""
EACH_EXPLAINED = 0.5
EACH_CHECK = 0.4
FIRED = ("fired", "explained")


def verdict(evidence: Evidence) -> RiskTerm:
    outcome = evidence.verdict.outcome
    mend = {
        Outcome.PASS: "",
        Outcome.FAIL: "mend what is worse and test again",
        Outcome.INVALID: "mend the test and repeat it",
        Outcome.INCONCLUSIVE: "repeat the run as the report says what it lacks",
    }
    return RiskTerm(
        "verdict", OF_OUTCOME[outcome], 0.9, f"the verdict is {outcome}", True, mend[outcome]
    )


def deciding(evidence: Evidence) -> RiskTerm:
    """How far services are off by what fired: of each the worst series, by its effect."""
    fired = [f for f in evidence.findings if f.state == "fired"]
    worst = _worst(fired, _size)
    reason = "no series is worse than tolerated"
    if fired:
        named = [f"{f.series} {format_effect(f.effect, f.absolute)}" for f in _first(fired, _size)]
        reason = f"{plural(len(fired), 'series is', 'series are')} worse: {listed(named, fired)}"
    mend = "mend what is worse and test again" if fired else ""
    return RiskTerm("deciding-signals", any_of(worst.values()), 0.5, reason, True, mend)


def explained(evidence: Evidence) -> RiskTerm:
    """What fired and is taken for what drift does: nobody saw it without the drift."""
    excused = [f for f in evidence.findings if f.state == "explained"]
    services = {f.service for f in excused}
    reason = "nothing worse is taken for what drift does"
    if excused:
        reason = (
            f"{plural(len(excused), 'slower series is', 'slower series are')} taken for what "
            f"drift does: {listed([f.series for f in excused[:NAMED]], excused)}"
        )
    mend = "give staging what production has, and test again" if excused else ""
    value = 1 - (1 - EACH_EXPLAINED) ** len(services)
    return RiskTerm("explained-by-drift", value, 0.2, reason, True, mend)


def near(evidence: Evidence) -> RiskTerm:
    """What nearly fired, or was kept from it by a silence; what fired came all the way."""
    close = [f for f in evidence.findings if f.state not in FIRED and _closeness(f) > NEAR]
    fired = [f for f in evidence.findings if f.state in FIRED]
    worst = _worst([*close, *fired], lambda f: (_closeness(f) - NEAR) / (1 - NEAR))
    reason = f"no series{' but what fired' if fired else ''} came close to firing"
    if close:
        named = [f"{f.series} {_closeness(f):.0%}" for f in _first(close, _closeness)]
        reason = (
            f"{plural(len(close), 'series', 'series')} came close to firing, as a share of the "
            f"evidence that it takes: {listed(named, close)}"
            + ("; what fired counts fully" if fired else "")
        )
    mend = "look at these, or test for longer, which settles it" if close else ""
    return RiskTerm("near-misses", any_of(worst.values()), 0.25, reason, True, mend)


def deployment(evidence: Evidence) -> RiskTerm:
    """Checks of the deployment that did not pass: what failed, what could not be seen, and what is
    excused."""
    left = [c for c in evidence.verdict.deployment if c.state is not CheckState.PASSED]
    checked = len(evidence.verdict.deployment)
    reason = f"all {plural(checked, 'check', 'checks')} of the deployment passed"
    if not checked:
        reason = "nothing of the deployment was checked"
    if left:
        named = [f"{check.detail} ({check.state})" for check in left[:NAMED]]
        reason = f"{len(left)} of {checked} checks of the deployment did not pass: "
        reason += listed(named, left)
    mend = "mend what the checks name" if left else ""
    value = 1 - (1 - EACH_CHECK) ** len(left)
    return RiskTerm("deployment-checks", value, 0.2, reason, True, mend)


def _closeness(finding: Finding) -> float:
    """Evidence as a share of what firing takes, at most 1; 0 for what was not judged."""
    if finding.state in FIRED:
        return 1.0
    if finding.state not in ("ok", "weak", "silenced"):
        return 0.0
    doubted = DOUBTED if finding.state == "weak" and finding.note and finding.windows else 0.0
    share = finding.evidence / finding.threshold if finding.threshold > 0 else math.nan
    return max(doubted, min(1.0, share)) if math.isfinite(share) else doubted


def _size(finding: Finding) -> float:
    """0.5 where the effect is as large as a pass must be able to show, towards 1 beyond it."""
    effect, detect = abs(finding.effect), finding.detect
    if math.isinf(effect):
        return 1.0
    if math.isnan(effect) or not detect > 0:
        return 0.5
    return effect / (effect + detect)


def _worst(findings: Iterable[Finding], size: Callable[[Finding], float]) -> Mapping[str, float]:
    """By service, so that many series of one do not count as many causes."""
    found: dict[str, float] = defaultdict(float)
    for one in findings:
        found[one.service] = max(found[one.service], size(one))
    return found


def _first(findings: Iterable[Finding], size: Callable[[Finding], float]) -> list[Finding]:
    return sorted(findings, key=lambda one: (-size(one), one.series))[:NAMED]
