"""Anomalies that belong together, told once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from anomalyd.explain.signs import Sign
from anomalyd.explain.suspects import Graph, suspects
from anomalyd.explain.witness import Witness
from anomalyd.explain.wording import summarise
from anomalyd.judgement.course import Course, within
from anomalyd.model import Anomaly, Batch, Incident, Kind, Suspect


@dataclass(slots=True)
class _Group:
    id: str
    run_id: str
    anomalies: dict[str, Anomaly] = field(default_factory=dict)
    ended_at: float | None = None
    traced: Sequence[Sign] = ()

    def began(self) -> float:
        return min(anomaly.started_at for anomaly in self.anomalies.values())

    def firing(self) -> bool:
        return any(anomaly.resolved_at is None for anomaly in self.anomalies.values())

    def last(self) -> float:
        """When it last mattered, for an incident whose anomalies have all resolved."""
        return max(anomaly.resolved_at or anomaly.fired_at for anomaly in self.anomalies.values())


class Incidents:
    """Groups anomalies by run, time and service graph.

    An anomaly joins the first open incident of its run with a service that the graph connects to
    its own (a service unknown to the graph is connected to all); otherwise it opens one. An
    incident closes once all its anomalies have been resolved for `close_after` seconds.
    """

    def __init__(self, graph: Graph, close_after: float) -> None:
        self.graph = graph
        self._close_after = close_after
        self._groups: list[_Group] = []
        self.witnesses: dict[str, Witness] = {}

    def hear(self, courses: Iterable[Course], batch: Batch, window: float) -> list[str]:
        """What traces tell of a window of `window` seconds, which counts for the runs in whose
        active part it lies. Returns the ids of open incidents whose suspects are now others, or in
        another order."""
        retold: list[str] = []
        traced = batch.traced
        for run in [course.run for course in courses]:
            if traced is None or not within(run, traced.until - window, traced.until):
                continue
            witness = self.witnesses.setdefault(run.id, Witness(run.selector))
            witness.hear(batch.time, traced)
            groups = [g for g in self._groups if g.run_id == run.id and g.ended_at is None]
            retold += [group.id for group in groups if self._retold(group, witness)]
        return retold

    def _retold(self, group: _Group, witness: Witness) -> bool:
        before = [suspect.service for suspect in self._suspects(group)]
        group.traced = witness.signs(group.began())
        return before != [suspect.service for suspect in self._suspects(group)]

    def _suspects(self, group: _Group) -> tuple[Suspect, ...]:
        return suspects(list(group.anomalies.values()), self.graph, group.traced)

    def add(self, run_id: str, anomaly: Anomaly) -> str:
        """Take in an anomaly, new or changed; returns its incident's id."""
        group = self._holding(run_id, anomaly.series) or self._near(run_id, anomaly)
        if group is None:
            group = _Group(_identify(run_id, anomaly), run_id)
            self._groups.append(group)
        group.anomalies[anomaly.series] = anomaly
        if run_id in self.witnesses and group.ended_at is None:
            group.traced = self.witnesses[run_id].signs(group.began())
        return group.id

    def close_due(self, now: float) -> list[str]:
        """Ids of the incidents that end now."""
        ended = []
        for group in self._groups:
            due = not group.firing() and now - group.last() >= self._close_after
            if group.ended_at is None and due:
                group.ended_at = group.last()
                ended.append(group.id)
        return ended

    def close_all(self, run_id: str, now: float) -> list[str]:
        """End what is open at the end of a run; its anomalies resolve with it."""
        ended = []
        for group in self._groups:
            if group.run_id == run_id and group.ended_at is None:
                for series, anomaly in group.anomalies.items():
                    if anomaly.resolved_at is None:
                        group.anomalies[series] = replace(anomaly, resolved_at=now)
                group.ended_at = group.last()
                ended.append(group.id)
        return ended

    def get(self, ids: Iterable[str]) -> list[Incident]:
        wanted = set(ids)
        return [self._incident(group) for group in self._groups if group.id in wanted]

    def of_run(self, run_id: str) -> list[Incident]:
        return [self._incident(group) for group in self._groups if group.run_id == run_id]

    def restore(self, incidents: Sequence[Incident]) -> None:
        for incident in incidents:
            anomalies = {anomaly.series: anomaly for anomaly in incident.anomalies}
            group = _Group(incident.id, incident.run_id, anomalies, incident.ended_at)
            if incident.run_id in self.witnesses:
                group.traced = self.witnesses[incident.run_id].signs(group.began())
            self._groups.append(group)

    def forget(self, run_id: str) -> None:
        self._groups = [group for group in self._groups if group.run_id != run_id]
        self.witnesses.pop(run_id, None)

    def _holding(self, run_id: str, series: str) -> _Group | None:
        return next(
            (
                group
                for group in self._groups
                if group.run_id == run_id and group.ended_at is None and series in group.anomalies
            ),
            None,
        )

    def _near(self, run_id: str, anomaly: Anomaly) -> _Group | None:
        open_groups = [g for g in self._groups if g.run_id == run_id and g.ended_at is None]
        return next(
            (
                group
                for group in open_groups
                if any(
                    self.graph.connected(anomaly.service, other.service)
                    for other in group.anomalies.values()
                )
            ),
            None,
        )

    def _incident(self, group: _Group) -> Incident:
        anomalies = tuple(sorted(group.anomalies.values(), key=lambda a: (a.started_at, a.series)))
        ranked = self._suspects(group)
        return Incident(
            id=group.id,
            run_id=group.run_id,
            started_at=group.began(),
            severity=severity(anomalies),
            summary=summarise(anomalies, ranked),
            anomalies=anomalies,
            suspects=ranked,
            ended_at=group.ended_at,
        )


CRITICAL: Mapping[Kind, float] = {Kind.ERRORS: 0.05, Kind.LATENCY: 1.0}
"""Effects from which callers feel it badly: 5 pp of errors, latency doubled."""


def severity(anomalies: Sequence[Anomaly]) -> str:
    felt = any(a.effect >= CRITICAL.get(a.kind, float("inf")) for a in anomalies)
    gone = any(a.detector == "absence" for a in anomalies)
    return "critical" if felt or gone else "warning"


def _identify(run_id: str, anomaly: Anomaly) -> str:
    """The same for the same run, series and time, so that a replayed opening is recognised."""
    seed = f"{run_id}|{anomaly.series}|{anomaly.fired_at:.3f}"
    return hashlib.blake2b(seed.encode(), digest_size=6).hexdigest()
