"""anomalyd itself, by the function that `anomalyd replay` calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from anomalyd.baseline.profile import Baseline
from anomalyd.model import Anomaly, Incident
from anomalyd.replay import judge as replaying
from anomalyd.replay.infer import Columns, columns
from anomalyd.replay.production import fit_production
from anomalyd.replay.recording import Recording as Table
from anomalyd.replay.windows import width_of
from bench.judgement.records import Decision, Recording


@dataclass(slots=True)
class Fitted:
    """A world as far as it is known: production, and what its latest accepted runs taught."""

    production: Table
    accepted: tuple[int, ...] | None = None
    reference: replaying.Reference | None = None


@dataclass(frozen=True, slots=True)
class Ours:
    """independent: neighbouring windows are taken as unrelated, which must break the budget."""

    independent: bool = False

    def fit(self, production: Recording) -> Fitted:
        return Fitted(_table(production))

    def judge(
        self,
        fitted: Fitted,
        staging: Recording,
        accepted: Sequence[Recording],
        edges: Sequence[tuple[str, str]],
    ) -> Decision:
        graph: dict[str, list[str]] = {}
        for caller, callee in edges:
            graph.setdefault(caller, []).append(callee)
        known = tuple(map(id, accepted))
        if fitted.reference is None or fitted.accepted != known:
            fitted.reference = self._learn(fitted.production, staging, accepted, graph)
            fitted.accepted = known
        judged = replaying.judge(fitted.reference, _table(staging), graph)
        return _decision(judged, float(staging.times[0]))

    def _learn(
        self,
        production: Table,
        staging: Recording,
        accepted: Sequence[Recording],
        graph: dict[str, list[str]],
    ) -> replaying.Reference:
        runs = [_table(run) for run in accepted]
        headers = [*production.headers, *staging.headers, *(h for r in runs for h in r.headers)]
        found: Columns = columns(list(dict.fromkeys(headers)), graph)
        width = width_of(_table(staging).step)
        baseline = fit_production(production, found, width)
        reference = replaying.learn(found, baseline, width, runs, graph)
        return _unrelated(reference) if self.independent else reference


def _unrelated(reference: replaying.Reference) -> replaying.Reference:
    profiles = reference.baseline.profiles
    none = np.zeros_like(profiles.phi)
    baseline = Baseline(replace(profiles, phi=none), reference.baseline.meta)
    transfer = reference.transfer
    if transfer is not None:
        zero = np.zeros_like(transfer.phi)
        transfer = replace(transfer, phi=zero, wander=zero)
    return replace(reference, baseline=baseline, transfer=transfer)


def _table(recording: Recording) -> Table:
    return Table(recording.times, recording.headers, recording.values)


def _decision(judged: replaying.Judged, start: float) -> Decision:
    incidents = judged.verdict.incidents
    fired = [anomaly.fired_at for incident in incidents for anomaly in incident.anomalies]
    first = min(incidents, key=_began, default=None)
    suspects = tuple(one.service for one in first.suspects) if first is not None else ()
    outcome = judged.verdict.outcome.value
    return Decision(outcome, min(fired) - start if fired else None, suspects)


def _began(incident: Incident) -> float:
    return min(map(_fired, incident.anomalies))


def _fired(anomaly: Anomaly) -> float:
    return anomaly.fired_at
