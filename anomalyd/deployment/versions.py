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


POD_LABELS = ("pod", "kubernetes_pod_name", "k8s_pod_name")


@dataclass(frozen=True, slots=True)
class Told:
    """One series that tells a version, or several by which the same goes. pod, job: '' where they
    are not known."""

    versions: tuple[str, ...]
    stretches: Sequence[Stretch]
    pod: str = ""
    job: str = ""


@dataclass(frozen=True, slots=True)
class Expected:
    """One version for all services that `services` matches, or one by service. named: the services
    were named on purpose, so that each of them has to tell its version."""

    version: str = ""
    by_service: Mapping[str, str] | None = None
    services: re.Pattern[str] = re.compile(".*")
    named: bool = False

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
    """One per service of which a version is expected and told, or that should tell one and does
    not."""
    found: dict[str, Instances] = {}
    silent: dict[str, list[str]] = defaultdict(list)
    for kind in by:
        for service, instances in _told(kind, history, names, span).items():
            known = found.setdefault(service, {})
            more, unread = _others(known, instances, expected.of(service))
            known.update(more)
            silent[service] += unread
    up = _up(history, names, span)
    made = [
        _check(service, wanted, instances, span, silent[service] or _mute(instances, up[service]))
        for service, instances in sorted(found.items())
        if (wanted := expected.of(service))
    ]
    named = {service for service in up if expected.named and expected.of(service)}
    lacking = sorted((named | (expected.by_service or {}).keys()) - found.keys())
    made += [_unknown(service, expected.of(service), by) for service in lacking]
    return made or [_unknown("", expected.version, by)]


def _others(known: Instances, told: Instances, wanted: str) -> tuple[Instances, list[str]]:
    """What a kind tells of instances that those before it do not, and the instances of which it
    tells what is no version of that sort, such as a build's number as the tag of an image."""
    if not known:
        return told, []
    pods = {one.pod for series in known.values() for one in series}
    new = {where: series for where, series in told.items() if where not in known}
    new = {where: series for where, series in new.items() if series[0].pod not in pods - {""}}
    versions = [version for series in told.values() for one in series for version in one.versions]
    alike = any(same(version, wanted) for version in versions)
    if "" in pods or not all(series[0].pod for series in new.values()):
        # Which instance is which pod is not known: only what is certainly another one counts.
        right = {where for where, series in told.items() if _runs(series, wanted)}
        return {w: series for w, series in new.items() if alike and w not in right}, []
    if alike or any(_shape(version) == _shape(wanted) for version in versions):
        return new, []
    return {}, list(new)


def _runs(told: Sequence[Told], wanted: str) -> bool:
    return any(same(version, wanted) for one in told for version in one.versions)


def _shape(version: str) -> str:
    return re.sub(r"\d+", "0", re.sub(r"^v(?=\d)", "", version.strip()))


def _up(history: History, names: Names, span: Span) -> dict[str, list[Labels]]:
    """Targets that were up while it counted, by service."""
    services: dict[str, list[Labels]] = defaultdict(list)
    for labels, stretches in history[Watched.UP]:
        if any(one.value > 0 for one in _counted(stretches, span)):
            services[names.service(labels)].append(labels)
    return services


def _mute(instances: Instances, up: Sequence[Labels]) -> list[str]:
    """Targets of a job that tells versions, on hosts that tell none. Where the cluster tells them
    it tells all."""
    jobs = {one.job for told in instances.values() for one in told}
    if "" in jobs:
        return []
    hosts = {_host(where) for where in instances}
    found = [instance(labels) for labels in up if labels.get("job") in jobs]
    return [where for where in found if _host(where) not in hosts]


def _host(where: str) -> str:
    return re.sub(r":\d+$", "", where)


def _counted(stretches: Sequence[Stretch], span: Span) -> list[Stretch]:
    """What is there no more soon after the warm-up was on its way out."""
    inside = [one for one in stretches if one.within(span.since, span.until)]
    leaving = span.until if span.at_once else span.since + LEAVING_STEPS * span.step
    return [one for one in inside if not (one.gone and one.last < leaving)]


def _told(kind: Watched, history: History, names: Names, span: Span) -> dict[str, Instances]:
    services: dict[str, Instances] = defaultdict(lambda: defaultdict(list))
    for labels, stretches in history[kind]:
        versions = _versions(kind, labels)
        inside = _counted(stretches, span)
        if versions and inside:
            of_pod = kind is Watched.IMAGE
            service = names.workload(labels) if of_pod else names.service(labels)
            where = labels.get("pod") if of_pod else instance(labels)
            job = "" if of_pod else labels.get("job")
            services[service][where].append(Told(versions, inside, _pod(labels), job))
    return services


def _pod(labels: Labels) -> str:
    return next((found for name in POD_LABELS if (found := labels.get(name))), "")


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


def _check(
    service: str, wanted: str, instances: Instances, span: Span, silent: Sequence[str]
) -> DeploymentCheck:
    wrong = {
        where: other
        for where, told in sorted(instances.items())
        if (other := _other(told, wanted, span)) is not None
    }
    if not wrong and silent:
        detail = f"{wanted} of {service} is expected, but {listed(silent)} told no such version"
        mend = f"let every instance of {service} export its version, or scrape kube-state-metrics"
        return DeploymentCheck(CheckKind.VERSION, service, CheckState.UNKNOWN, detail, None, mend)
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
