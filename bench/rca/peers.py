"""The two plain rules that ranking is compared with, on the same series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from anomalyd.explain.graph import Graph
from anomalyd.explain.shifts import FEWEST, Series, Spell
from bench.rca.cases import Case

ANOMALOUS = 3.0
"""Standard deviations."""


def largest_z(case: Case) -> list[str]:
    """Services by their series that is off by most standard deviations of normal times."""
    scores = _scores(case.world.series, case.spell)
    return sorted(scores, key=lambda service: (-scores[service], service))


def deepest_anomalous(case: Case) -> list[str]:
    """Services that are off by 3 standard deviations, those farthest from the entries first; of
    those at one depth, the larger z."""
    scores = {s: z for s, z in _scores(case.world.series, case.spell).items() if z > ANOMALOUS}
    depths = _depths(Graph(case.world.calls))
    return sorted(scores, key=lambda service: (-depths.get(service, 0), -scores[service], service))


def _scores(series: Sequence[Series], spell: Spell) -> dict[str, float]:
    scores: dict[str, float] = {}
    for one in series:
        known = np.isfinite(one.values)
        usual = one.values[spell.ordinary(one.times) & known]
        during = one.values[spell.during(one.times) & known]
        if len(usual) < FEWEST or not len(during):
            continue
        spread = max(float(np.std(usual)), 1e-9)
        z = abs(float(np.mean(during)) - float(np.mean(usual))) / spread
        service = one.peer or one.service
        scores[service] = max(scores.get(service, 0.0), z)
    return scores


def _depths(graph: Graph) -> Mapping[str, int]:
    """Calls from the nearest service that nobody calls."""
    entries = sorted(graph.services - set(graph.callers)) or sorted(graph.services)[:1]
    depths, todo = dict.fromkeys(entries, 0), list(entries)
    while todo:
        service = todo.pop(0)
        for callee in graph.callees.get(service, ()):
            if callee not in depths:
                depths[callee] = depths[service] + 1
                todo.append(callee)
    return depths
