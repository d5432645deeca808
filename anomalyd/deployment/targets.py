"""Is every target up. One that left service discovery is not down: an autoscaler took it away."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from anomalyd.deployment.timeline import History, Stretch, Watched
from anomalyd.deployment.told import Names, Span, clock, instance, listed
from anomalyd.model import CheckKind, CheckState, DeploymentCheck, Labels

LEAVING_SECONDS = 60.0
"""A target that is shut down may fail its scrapes for so long before it leaves."""


@dataclass(frozen=True, slots=True)
class _Down:
    where: str
    first: float
    last: float
    still: bool


def checks(history: History, names: Names, span: Span, scrapes: int) -> list[DeploymentCheck]:
    """One per service. scrapes: that must have failed in a row."""
    services: dict[str, int] = defaultdict(int)
    down: dict[str, list[_Down]] = defaultdict(list)
    for labels, stretches in history[Watched.UP]:
        if any(one.within(span.since, span.until) for one in stretches):
            service = names.service(labels)
            services[service] += 1
            down[service] += _of(labels, history, span, scrapes)
    return [_check(service, many, down[service]) for service, many in sorted(services.items())]


def _of(labels: Labels, history: History, span: Span, scrapes: int) -> list[_Down]:
    return [
        _Down(instance(labels), max(one.first, span.since), one.value, not one.gone)
        for one in history[Watched.DOWN].of(labels)
        if not (span.at_once and one.gone)
        and _counted(one, span) >= scrapes
        and (span.ended or one.gone or one.last - one.first > LEAVING_SECONDS)
        and not _left(one, history[Watched.UP].of(labels))
    ]


def _counted(one: Stretch, span: Span) -> float:
    """Scrapes of the stretch that failed while it counts, were they as far apart as they were on
    the whole."""
    if not one.within(span.since, span.until):
        return 0
    whole = one.last - one.first
    inside = min(one.last, span.until) - max(one.first, span.since)
    return one.count if inside >= whole else 1 + (one.count - 1) * inside / whole


def _left(one: Stretch, up: list[Stretch]) -> bool:
    """Whether the target was shut down: soon after its scrapes began to fail it was there no more,
    and it did not come back."""
    after = [other for other in up if other.last > one.last]
    return one.gone and not after and one.last - one.first <= LEAVING_SECONDS


def _check(service: str, many: int, down: list[_Down]) -> DeploymentCheck:
    if not down:
        said = f"{many} target{'s' if many > 1 else ''} of {service} up"
        return DeploymentCheck(CheckKind.TARGETS, service, CheckState.PASSED, said)
    down.sort(key=lambda one: one.first)
    first, places = down[0], listed([one.where for one in down])
    if len({one.where for one in down}) > 1:
        said = f"{service} was down at {places}, first at {clock(first.first)}"
    elif down[-1].still:
        said = f"{service} is down at {places} since {clock(down[-1].first)}"
    else:
        said = f"{service} was down at {places} from {clock(first.first)} to {clock(first.last)}"
    mend = f"look at the log of {service} and why its metrics cannot be scraped"
    return DeploymentCheck(CheckKind.TARGETS, service, CheckState.FAILED, said, first.first, mend)
