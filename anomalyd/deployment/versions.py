"""Is the expected version everywhere: of builds, of resource attributes, or of images."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from anomalyd.deployment.timeline import History, Stretch, Watched
from anomalyd.deployment.told import Names, Span, instance, listed
from anomalyd.kubernetes import image
from anomalyd.model import CheckKind, CheckState, DeploymentCheck, Labels

NOT_OURS = re.compile(
    r"(go|prometheus|alertmanager|pushgateway|promtail|grafana|loki|tempo|mimir|thanos|cortex|etcd"
    r"|coredns|kubernetes|kube_state_metrics|otelcol\w*|\w*_exporter)_build_info"
)
"""Builds of runtimes and of what observes, not of what is tested."""

LEAVING_STEPS = 2
"""So many looks after the warm-up what was replaced before it may still be there."""

LEAST_REVISION = 7
"""Characters that a shortened revision has at least."""


@dataclass(frozen=True, slots=True)
class Told:
    """One series that tells a version, or several by which the same goes."""

    versions: tuple[str, ...]
    stretches: Sequence[Stretch]


@dataclass(frozen=True, slots=True)
class Expected:
    """One version for all services that `services` matches, or one by service."""

    version: str = ""
    by_service: Mapping[str, str] | None = None
    services: re.Pattern[str] = re.compile(".*")

    def of(self, service: str) -> str:
        """'' where none is expected."""
        if self.by_service is not None:
            return self.by_service.get(service, "")
        return self.version if self.services.fullmatch(service) else ""


Instances = dict[str, list[Told]]
"""By where it runs."""


def checks(
    history: History, names: Names, span: Span, expected: Expected, by: Sequence[Watched]
) -> list[DeploymentCheck]:
    """One per service of which a version is expected and told, or that is named and tells none."""
    found: dict[str, Instances] = {}
    for kind in by:
        for service, instances in _told(kind, history, names, span).items():
            found.setdefault(service, instances)
    made = [
        _check(service, wanted, instances, span)
        for service, instances in sorted(found.items())
        if (wanted := expected.of(service))
    ]
    lacking = sorted((expected.by_service or {}).keys() - found.keys())
    made += [_unknown(service, expected.of(service), by) for service in lacking]
    return made or [_unknown("", expected.version, by)]


def _told(kind: Watched, history: History, names: Names, span: Span) -> dict[str, Instances]:
    services: dict[str, Instances] = defaultdict(lambda: defaultdict(list))
    for labels, stretches in history[kind]:
        versions = _versions(kind, labels)
        inside = [one for one in stretches if one.within(span.since, span.until)]
        # What is there no more soon after the warm-up was on its way out.
        leaving = span.until if span.at_once else span.since + LEAVING_STEPS * span.step
        inside = [one for one in inside if not (one.gone and one.last < leaving)]
        if versions and inside:
            of_pod = kind is Watched.IMAGE
            service = names.workload(labels) if of_pod else names.service(labels)
            where = labels.get("pod") if of_pod else instance(labels)
            services[service][where].append(Told(versions, inside))
    return services


def _versions(kind: Watched, labels: Labels) -> tuple[str, ...]:
    if kind is Watched.IMAGE:
        reference = labels.get("image_spec") or labels.get("image")
        return (image(reference)[1],) if reference else ()
    if kind is Watched.RESOURCE:
        return tuple(filter(None, [labels.get("service_version")]))
    if NOT_OURS.fullmatch(labels.get("__name__")):
        return ()
    return tuple(filter(None, [labels.get("version"), labels.get("revision")]))


def same(told: str, expected: str) -> bool:
    """`v2.4` is 2.4; a revision may be shortened on either side."""
    one, other = (re.sub(r"^v(?=\d)", "", text.strip()) for text in (told, expected))
    short, long = sorted((one.lower(), other.lower()), key=len)
    of_revision = re.fullmatch(rf"[0-9a-f]{{{LEAST_REVISION},40}}", short)
    return one == other or (of_revision is not None and long.startswith(short))


def _check(service: str, wanted: str, instances: Instances, span: Span) -> DeploymentCheck:
    wrong = {
        where: other
        for where, told in sorted(instances.items())
        if (other := _other(told, wanted, span)) is not None
    }
    if not wrong:
        many = f"{len(instances)} instance{'s' if len(instances) > 1 else ''}"
        detail = f"{service} runs {wanted} ({many})"
        return DeploymentCheck(CheckKind.VERSION, service, CheckState.PASSED, detail)
    versions = listed(sorted({told for told, _ in wrong.values()}))
    at = min(time for _, time in wrong.values())
    detail = f"{service} ran {versions} at {listed(list(wrong))}, {wanted} is expected"
    mend = f"deploy {wanted} of {service} to all of staging, or correct what is expected"
    return DeploymentCheck(CheckKind.VERSION, service, CheckState.FAILED, detail, at, mend)


def _other(told: Sequence[Told], wanted: str, span: Span) -> tuple[str, float] | None:
    """Another version that an instance ran, and since when; None where what it ran all along is
    the one that is wanted, whatever libraries within it tell of themselves."""
    right = [one for one in told if any(same(version, wanted) for version in one.versions)]
    others = [one for one in told if one not in right]
    first = min(s.first for one in told for s in one.stretches)
    last = max(s.last for one in told for s in one.stretches)
    if right:
        begun = min(s.first for one in right for s in one.stretches)
        ended = max(s.last for one in right for s in one.stretches)
        late = begun > max(first, span.since) + span.step
        early = ended < min(last, span.until) - span.step
        if not (late or early) or not others:
            return None
    other = min(others, key=lambda one: one.stretches[0].first)
    return other.versions[0], max(span.since, other.stretches[0].first)


def _unknown(service: str, wanted: str, by: Sequence[Watched]) -> DeploymentCheck:
    whose = service or "any service"
    detail = f"{wanted} is expected, but the version of {whose} is told by none of {', '.join(by)}"
    mend = "export a build_info with a label version, or set deployment.version.by"
    return DeploymentCheck(CheckKind.VERSION, service, CheckState.UNKNOWN, detail, None, mend)
