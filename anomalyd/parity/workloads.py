"""What runs, and on what: kube-state-metrics 1.x and 2.x, and cAdvisor's throttling.

A pod is found back to its workload by its owners where those are exposed, else by its name.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable

from anomalyd.kubernetes import image, workload
from anomalyd.model import Labels, Matcher
from anomalyd.parity.asking import Look, distinct
from anomalyd.parity.kinds import Part
from anomalyd.parity.quantity import shown
from anomalyd.signals.promql import duration

REPLICAS = (
    ("kube_deployment_spec_replicas", "deployment"),
    ("kube_statefulset_replicas", "statefulset"),
    ("kube_daemonset_status_desired_number_scheduled", "daemonset"),
)
RESOURCES = (
    ("kube_pod_container_resource_limits", "", "limit"),
    ("kube_pod_container_resource_requests", "", "request"),
    ("kube_pod_container_resource_limits_cpu_cores", "cpu", "limit"),
    ("kube_pod_container_resource_limits_memory_bytes", "memory", "limit"),
    ("kube_pod_container_resource_requests_cpu_cores", "cpu", "request"),
    ("kube_pod_container_resource_requests_memory_bytes", "memory", "request"),
)
"""(metric, resource that its name says, limit or request)."""
BOUNDS = (
    ("kube_horizontalpodautoscaler_spec_min_replicas", "horizontalpodautoscaler", "hpa-min"),
    ("kube_horizontalpodautoscaler_spec_max_replicas", "horizontalpodautoscaler", "hpa-max"),
    ("kube_hpa_spec_min_replicas", "hpa", "hpa-min"),
    ("kube_hpa_spec_max_replicas", "hpa", "hpa-max"),
)
NODE_TYPE = (
    "label_node_kubernetes_io_instance_type",
    "label_beta_kubernetes_io_instance_type",
)
NODE_INFO = ("kernel_version", "os_image", "container_runtime_version", "kubelet_version")


async def collect(look: Look) -> None:
    if any(name.startswith("kube_") for name in look.names):
        look.offers(Part.WORKLOADS)
        pods = await _pods(look)
        await _replicas(look)
        await _resources(look, pods)
        await _images(look, pods)
        await _bounds(look)
        await _nodes(look, pods)
    if "container_cpu_cfs_throttled_periods_total" in look.names:
        await _throttling(look, await _pods(look))


class Pods:
    """The service of a pod; owners: (namespace, pod) → name of the workload."""

    def __init__(self, look: Look, owners: dict[tuple[str, str], str]) -> None:
        self._look, self._owners = look, owners

    def service(self, labels: Labels) -> str:
        pod = labels.get("pod") or labels.get("pod_name")
        owner = self._owners.get((labels.get("namespace"), pod)) or workload(pod)
        return self._look.canonical.named(owner)

    def place(self, labels: Labels) -> str:
        return f"{self.service(labels)}/{labels.get('container') or labels.get('container_name')}"


async def _pods(look: Look) -> Pods:
    owners: dict[tuple[str, str], str] = {}
    sets: dict[tuple[str, str], str] = {}
    if "kube_replicaset_owner" in look.names:
        for labels, _ in await look.ask(Part.WORKLOADS, look.select("kube_replicaset_owner")):
            if labels.get("owner_kind") == "Deployment":
                key = (labels.get("namespace"), labels.get("replicaset"))
                sets[key] = labels.get("owner_name")
    if "kube_pod_owner" in look.names:
        for labels, _ in await look.ask(Part.WORKLOADS, look.select("kube_pod_owner")):
            space, name = labels.get("namespace"), labels.get("owner_name")
            if labels.get("owner_kind") == "ReplicaSet":
                name = sets.get((space, name), "")
            if name:
                owners[space, labels.get("pod")] = name
    return Pods(look, owners)


async def _replicas(look: Look) -> None:
    for metric, label in REPLICAS:
        if metric in look.names:
            query = look.select(metric)
            for labels, value in await look.ask(Part.WORKLOADS, query):
                service = look.canonical.named(labels.get(label))
                look.add("replicas", service, f"{value:g}", query, service, value)


async def _resources(look: Look, pods: Pods) -> None:
    for metric, resource, bound in RESOURCES:
        if metric not in look.names:
            continue
        query = look.select(metric)
        found: dict[tuple[str, str, str], set[float]] = defaultdict(set)
        for labels, value in await look.ask(Part.WORKLOADS, query):
            what = resource or labels.get("resource")
            found[what, pods.place(labels), pods.service(labels)].add(value)
        for (what, place, service), values in found.items():
            known = what in ("cpu", "memory")
            kind = f"{what}-{bound}" if known else f"resource-{bound}"
            at = place if known else f"{place} {what}"
            said = distinct([shown(what, one) for one in sorted(values)])
            look.add(kind, at, said, query, service, _only(values))


def _only(values: Iterable[float]) -> float:
    """The number, where there is one."""
    found = set(values)
    return found.pop() if len(found) == 1 else math.nan


async def _images(look: Look, pods: Pods) -> None:
    metric = "kube_pod_container_info"
    if metric not in look.names:
        return
    query = look.select(metric)
    names: dict[tuple[str, str], list[str]] = defaultdict(list)
    versions: dict[tuple[str, str], list[str]] = defaultdict(list)
    for labels, _ in await look.ask(Part.WORKLOADS, query):
        name, version = image(labels.get("image_spec") or labels.get("image"))
        key = (pods.place(labels), pods.service(labels))
        names[key].append(name)
        versions[key].append(version)
    for (place, service), found in names.items():
        look.add("image", place, distinct(found), query, service)
    for (place, service), found in versions.items():
        look.add("image-version", place, distinct(found), query, service)


async def _bounds(look: Look) -> None:
    for metric, label, kind in BOUNDS:
        if metric in look.names:
            query = look.select(metric)
            for labels, value in await look.ask(Part.WORKLOADS, query):
                service = look.canonical.named(labels.get(label))
                look.add(kind, service, f"{value:g}", query, service, value)


async def _nodes(look: Look, pods: Pods) -> None:
    types = await _node_types(look)
    if types:
        look.offers(Part.NODES)
        await _types_of_services(look, pods, types)
    if "kube_node_info" in look.names:
        look.offers(Part.NODES)
        query = look.select("kube_node_info")
        told = await look.ask(Part.NODES, query)
        for name in NODE_INFO:
            found = [labels.get(name) for labels, _ in told if labels.get(name)]
            if found:
                look.add("node-version", f"nodes {name}", distinct(found), query)


async def _node_types(look: Look) -> dict[str, str]:
    if "kube_node_labels" not in look.names:
        return {}
    types = {}
    for labels, _ in await look.ask(Part.NODES, look.select("kube_node_labels")):
        kind = next((labels.get(name) for name in NODE_TYPE if labels.get(name)), "")
        if kind:
            types[labels.get("node")] = kind
    return types


async def _types_of_services(look: Look, pods: Pods, types: dict[str, str]) -> None:
    """Of the nodes that a service's pods are on, or of all nodes where that is not told."""
    query = look.select("kube_node_labels")
    found: dict[str, list[str]] = defaultdict(list)
    if "kube_pod_info" in look.names:
        for labels, _ in await look.ask(Part.NODES, look.select("kube_pod_info")):
            kind = types.get(labels.get("node"), "")
            if kind:
                found[pods.service(labels)].append(kind)
    if not found:
        look.add("node-type", "nodes", distinct(list(types.values())), query)
    for service, kinds in found.items():
        look.add("node-type", service, distinct(kinds), query, service)


async def _throttling(look: Look, pods: Pods) -> None:
    """The share of the scheduler's periods in which a container was held back."""
    counts: list[dict[tuple[str, str], float]] = []
    some = Matcher("container", "!=", "")
    metrics = ("container_cpu_cfs_throttled_periods_total", "container_cpu_cfs_periods_total")
    for metric in metrics:
        query = f"increase({look.select(metric, some)}[{duration(look.span)}])"
        summed: dict[tuple[str, str], float] = defaultdict(float)
        for labels, value in await look.ask(Part.CADVISOR, query):
            summed[pods.place(labels), pods.service(labels)] += value
        counts.append(summed)
    throttled, periods = counts
    if periods:
        look.offers(Part.CADVISOR)
    how = f"{metrics[0]} / {metrics[1]} over {duration(look.span)}"
    for (place, service), of in periods.items():
        if of > 0:
            share = throttled.get((place, service), 0.0) / of
            look.add("throttling", place, f"{share:.1%}", how, service, share)
