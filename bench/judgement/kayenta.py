"""Kayenta's canary judge (NetflixACAJudge), after its source: the canary is staging.

Per metric a Mann-Whitney U test at 98%: a metric is High when the confidence interval of the shift
(Hodges and Lehmann) lies above a quarter of the shift's own estimate. The score of a group is the
percentage of its metrics that pass; groups here are the signals, of equal weight. The score passes
at 75; below, the canary fails. There is no firing before the end. Control: the latest accepted run,
or else what production did in the same hours of its last day.
References: spinnaker/kayenta, NetflixACAJudge.scala, MannWhitneyClassifier.scala,
WeightedSumScorer.scala; Hollander and Wolfe, Nonparametric Statistical Methods, section 4.3.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from bench.judgement.records import Decision, Floats, Recording, parts

CONFIDENCE_Z = 2.3263
"""Normal quantile of 98%, two-sided."""
TOLERANCE = 0.25
PASS = 75.0
POINTS = 120
"""At most this many of a metric, evenly spaced; Kayenta's own steps are a minute or more."""
DAY = 86_400.0
WORSE_UP = (
    "error_ratio",
    "latency_p50_seconds",
    "latency_p95_seconds",
    "cpu_utilisation",
    "memory_bytes",
    "inflight_requests",
    "calls_per_request",
)
"""Signals with a direction. Request rates follow the test's plan and are not compared."""


class Kayenta:
    """all_critical: one High metric fails the canary, whatever the score."""

    def __init__(self, all_critical: bool = False) -> None:
        self.all_critical = all_critical

    def fit(self, production: Recording) -> Recording:
        return production

    def judge(
        self,
        fitted: Recording,
        staging: Recording,
        accepted: Sequence[Recording],
        edges: Sequence[tuple[str, str]],
    ) -> Decision:
        control = accepted[-1] if accepted else same_hours(fitted, staging)
        groups: dict[str, list[bool]] = defaultdict(list)
        high: dict[str, float] = {}
        for k, name in enumerate(fitted.headers):
            signal, service = parts(name)
            before, after = _points(control.values[:, k]), _points(staging.values[:, k])
            if signal not in WORSE_UP or not len(before) or not len(after):
                continue
            passed = not is_high(before, after)
            groups[signal].append(passed)
            if not passed:
                ratio = float(after.mean() / max(before.mean(), 1e-12))
                high[service] = max(high.get(service, 0.0), ratio)
        score = 100.0 * float(np.mean([np.mean(one) for one in groups.values()])) if groups else 0.0
        if score >= PASS and not (self.all_critical and high):
            return Decision("pass")
        ranked = sorted(high, key=lambda service: (-high[service], service))
        return Decision("fail", float(staging.times[-1] - staging.times[0]), tuple(ranked))


def same_hours(production: Recording, staging: Recording) -> Recording:
    """Production at the run's time of day, on its last day that has all of it."""
    begin, end = staging.times[0], staging.times[-1]
    days = np.ceil((end - production.times[-1]) / DAY)
    at = (production.times >= begin - days * DAY) & (production.times <= end - days * DAY)
    return Recording(production.times[at], production.headers, production.values[at])


def _points(values: Floats) -> Floats:
    found = values[np.isfinite(values)]
    return found[:: max(1, -(-len(found) // POINTS))]


def is_high(control: Floats, experiment: Floats) -> bool:
    """Whether the experiment is higher, by the asymptotic interval of the Mann-Whitney shift."""
    if np.array_equal(control, experiment):
        return False
    shifts = np.sort((experiment[:, None] - control[None, :]).ravel())
    n, m = len(experiment), len(control)
    rank = n * m / 2 - CONFIDENCE_Z * np.sqrt(n * m * (n + m + 1) / 12)
    lower = shifts[max(int(rank), 0)]
    return bool(lower > TOLERANCE * abs(np.median(shifts)))
