"""Did anything restart, crash in a loop, or get replaced as a whole while it was tested."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise

from anomalyd.deployment.timeline import JITTER_SECONDS, History, Stretch, Timeline, Watched
from anomalyd.deployment.told import Names, Span, clock, instance, listed
from anomalyd.model import CheckKind, CheckState, DeploymentCheck

CLOCK_SECONDS = 300.0
"""A target's clock may be so far behind."""

STUCK = (
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "ImagePullBackOff",
    "InvalidImageName",
    "RunContainerError",
)
"""Why a container waits, where it is not only being started."""


@dataclass(slots=True)
class _Found:
    """Of one service: (when, where) of each; stuck with the reason."""

    processes: list[tuple[float, str]] = field(default_factory=list)
    containers: list[tuple[float, str]] = field(default_factory=list)
    stuck: list[tuple[float, str, str]] = field(default_factory=list)
    replaced: float | None = None
    watched: int = 0


def checks(history: History, names: Names, span: Span) -> list[DeploymentCheck]:
    """One per service that tells when its processes began, or whose containers are counted."""
    services: dict[str, _Found] = defaultdict(_Found)
    for kind, follow in ((Watched.STARTED, _processes), (Watched.RESTARTED, _containers)):
        follow(history[kind], names, span, services)
    _stuck(history[Watched.WAITING], names, span, services)
    return [_check(service, found, span) for service, found in sorted(services.items())]


def _processes(started: Timeline, names: Names, span: Span, services: dict[str, _Found]) -> None:
    whole: dict[str, list[list[Stretch]]] = defaultdict(list)
    for labels, stretches in started:
        if stretches[0].first > span.until or stretches[-1].last <= span.since:
            continue
        found = services[service := names.service(labels)]
        found.watched += 1
        whole[service].append(stretches)
        latest = stretches[0].value
        for before, one in pairwise(stretches):
            at = _when(before, one, span)
            if one.value > latest + JITTER_SECONDS and span.has(at):
                found.processes.append((at, instance(labels)))
            latest = max(latest, one.value)
    for service, instances in whole.items():
        services[service].replaced = _replaced(instances, span)


def _when(before: Stretch, after: Stretch, span: Span) -> float:
    """When a process followed on another: by its own clock, unless the other one was there yet
    while the test was under way."""
    seen = before.last > span.since + span.step
    behind = span.since - CLOCK_SECONDS < after.value <= span.since
    return before.last if seen and behind else after.value


def _replaced(instances: list[list[Stretch]], span: Span) -> float | None:
    """When the first of its new instances began, where none that was there as the test began is
    there at its end."""
    before = [one for one in instances if one[0].first <= span.since + span.step]
    if not before or any(not one[-1].gone or one[-1].last >= span.until for one in before):
        return None
    new = [one[-1].value for one in instances if one not in before and not one[-1].gone]
    begun = [start for start in new if span.has(start)]
    return min(begun) if begun and len(begun) == len(new) else None


def _containers(restarted: Timeline, names: Names, span: Span, services: dict[str, _Found]) -> None:
    for labels, stretches in restarted:
        found = services[names.workload(labels)]
        found.watched += 1
        where = f"{labels.get('pod')}/{labels.get('container')}"
        first = stretches[0]
        # A pod that came after the start of the test began with none.
        new = first.first > span.since + span.step
        counts = [(first.first, first.value)] if new else []
        counts += [(b.first, b.value - a.value) for a, b in pairwise(stretches)]
        for time, more in counts:
            if span.has(time):
                found.containers += [(time, where)] * min(100, max(0, round(more)))


def _stuck(waiting: Timeline, names: Names, span: Span, services: dict[str, _Found]) -> None:
    for labels, stretches in waiting:
        reason = labels.get("reason")
        if reason not in STUCK:
            continue
        for one in stretches:
            if span.at_once and one.gone:
                continue
            if one.value > 0 and one.within(span.since, span.until):
                where = f"{labels.get('pod')}/{labels.get('container')}"
                services[names.workload(labels)].stuck.append((one.first, where, reason))


def _check(service: str, found: _Found, span: Span) -> DeploymentCheck:
    said, at = _said(service, found)
    if said is None:
        detail = f"{service} did not restart"
        return DeploymentCheck(CheckKind.RESTARTS, service, CheckState.PASSED, detail)
    mend = f"look at why in the log of {service} from before {clock(at)}, then test again"
    return DeploymentCheck(CheckKind.RESTARTS, service, CheckState.FAILED, said, at, mend)


def _said(service: str, found: _Found) -> tuple[str | None, float]:
    if found.stuck:
        time, _, reason = min(found.stuck)
        places = listed([where for _, where, why in sorted(found.stuck) if why == reason])
        return f"{service} is in {reason} since {clock(time)} ({places})", time
    # A container that restarts begins a process: the same event, told twice.
    events = max(found.containers, found.processes, key=len)
    if events:
        everything = sorted(found.processes + found.containers)
        time, places = everything[0][0], listed([where for _, where in everything])
        if len(events) == 1:
            return f"{service} restarted at {clock(time)} ({places})", time
        return f"{service} restarted {len(events)} times, first at {clock(time)} ({places})", time
    if found.replaced is not None:
        time = found.replaced
        said = f"{service} was replaced from {clock(time)} on: no instance was there all through"
        return said, time
    return None, 0.0
