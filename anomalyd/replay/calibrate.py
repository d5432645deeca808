"""How often runs known to be good fail, and by which signals, against the budget they are given."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from anomalyd.model import Finding, Labels, Outcome, Verdict
from anomalyd.replay.intervals import clopper_pearson

CONFIDENCE = 0.95

UNJUDGED = ("missing", "unmatched", "silenced", "sparse")
"""States of findings that could not have fired."""


@dataclass(frozen=True, slots=True)
class Rate:
    """k of n runs, and the Clopper-Pearson interval of the chance of one, the runs taken for
    independent of one another."""

    k: int
    n: int
    confidence: float = CONFIDENCE

    @property
    def interval(self) -> tuple[float, float]:
        return clopper_pearson(self.k, self.n, self.confidence)

    @property
    def up_to(self) -> float:
        """What is not excluded, at 95% one-sided."""
        return clopper_pearson(self.k, self.n, 2 * CONFIDENCE - 1)[1]


@dataclass(frozen=True, slots=True)
class SignalRate:
    """One signal over all runs.

    rate: runs in which it fired, of those in which it was judged; intervals of all signals hold
    together (Bonferroni). share: of the budget, by its part of the series. fired: labels of the
    series that fired, by how many runs, most first; largest: their largest effect as people read
    it. nearest: among those that did not fire, the largest evidence as a share of the threshold
    (natural logs), and the series that came so near.
    """

    name: str
    rate: Rate
    share: float
    fired: tuple[tuple[Labels, int], ...]
    largest: float
    absolute: bool
    nearest: float
    nearest_series: str

    @property
    def offends(self) -> bool:
        """Whether it is shown to take more than its share."""
        return self.rate.interval[0] > self.share


@dataclass(frozen=True, slots=True)
class Calibration:
    """rate: runs failed, of those that were judged; invalid ones are neither. spared: failed runs
    that would not have failed without the offenders."""

    budget: float
    rate: Rate
    inconclusive: int
    invalid: int
    signals: tuple[SignalRate, ...]
    spared: int

    @property
    def offenders(self) -> list[SignalRate]:
        return [signal for signal in self.signals if signal.offends]

    @property
    def within(self) -> bool:
        """Whether nothing shows that more good runs fail than the budget allows."""
        return not self.offenders and self.rate.interval[0] <= self.budget


def measure(verdicts: Sequence[Verdict], budget: float) -> Calibration:
    """What verdicts on runs known to be good say, each judged by the budget. Signals that offend
    come first, then those that fired, then those that came nearest."""
    judged = [verdict for verdict in verdicts if verdict.outcome is not Outcome.INVALID]
    failed = [verdict for verdict in judged if verdict.outcome is Outcome.FAIL]
    names = dict.fromkeys(f.signal for v in judged for f in _judged(v))
    total = max((len(_judged(verdict)) for verdict in judged), default=0)
    signals = [_signal(name, judged, budget, total, len(names)) for name in names]
    signals.sort(key=lambda one: (not one.offends, -one.rate.k, -one.nearest, one.name))
    offending = {signal.name for signal in signals if signal.offends}
    return Calibration(
        budget,
        Rate(len(failed), len(judged)),
        sum(verdict.outcome is Outcome.INCONCLUSIVE for verdict in judged),
        len(verdicts) - len(judged),
        tuple(signals),
        sum({f.signal for f in _fired(verdict.findings)} <= offending for verdict in failed),
    )


def runs_needed(budget: float) -> int:
    """How many good runs, none of which fails, show at 95% that the budget is kept."""
    return math.ceil(math.log(1 - CONFIDENCE) / math.log1p(-budget))


def _signal(
    name: str, judged: Sequence[Verdict], budget: float, total: int, signals: int
) -> SignalRate:
    found = [[f for f in _judged(verdict) if f.signal == name] for verdict in judged]
    of_runs = [findings for findings in found if findings]
    fired = [f for findings in of_runs for f in _fired(findings)]
    counts = {
        labels: sum(f.labels == labels for f in fired) for labels in {f.labels for f in fired}
    }
    calm = [f for findings in of_runs for f in findings if f.state != "fired"]
    near = max(calm, key=lambda f: (_nearness(f), f.series), default=None)
    return SignalRate(
        name,
        Rate(
            sum(bool(_fired(findings)) for findings in of_runs),
            len(of_runs),
            1 - (1 - CONFIDENCE) / max(signals, 1),
        ),
        budget * max(map(len, of_runs), default=0) / max(total, 1),
        tuple(sorted(counts.items(), key=lambda one: (-one[1], one[0]))),
        max((f.effect for f in fired if math.isfinite(f.effect)), key=abs, default=math.nan),
        any(f.absolute for f in fired),
        _nearness(near) if near is not None else 0.0,
        near.series if near is not None else "",
    )


def _judged(verdict: Verdict) -> list[Finding]:
    return [f for f in verdict.findings if f.state not in UNJUDGED]


def _fired(findings: Iterable[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.state == "fired"]


def _nearness(finding: Finding) -> float:
    near = finding.evidence / finding.threshold if finding.threshold else 0.0
    return max(near, 0.0) if math.isfinite(near) else 0.0
