"""A shop as both environments have it, drawn by a seed: what it exposes, and its files.

Production and staging begin alike; `tests/e2e_parity/drift.py` then changes one of them. Nothing
here knows how `anomalyd.parity` finds what differs.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from anomalyd.model import escape_label_value
from anomalyd.signals.selector import parse_series

NAMES = (
    "gateway", "cart", "pricing", "inventory", "search", "orders", "payment", "mail", "users",
    "reviews", "images", "stock",
)  # fmt: skip
ROUTES = ("/", "/list", "/item/{id}", "/save")
EDGES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
FLAGS = ("new_checkout", "fast_path", "beta_search")


@dataclass
class Service:
    """One service, its container and what it tells. rates: req/s by route."""

    name: str
    replicas: int
    cpu_limit: float
    memory_limit: float
    cpu_request: float
    memory_request: float
    image: str
    tag: str
    hpa: tuple[int, int]
    node: str
    runtime: str
    pool: int
    threads: int
    flags: dict[str, int]
    rates: dict[str, float]
    edges: tuple[float, ...]
    throttled: float
    rows: float
    hits: float
    attributes: dict[str, str]
    instances: int = 2
    interval: str = "1s"
    extra_metrics: list[str] = field(default_factory=list)
    extra_labels: dict[str, str] = field(default_factory=dict)
    gone: bool = False
    timeout: str = "1s"
    image_tag: str = ""
    resources: dict[tuple[str, str], float] = field(default_factory=dict)
    infos: dict[str, dict[str, str]] = field(default_factory=dict)
    gauges: dict[str, float] = field(default_factory=dict)


@dataclass
class World:
    """One environment. rules: recording rules; settings: files by path, as plain values."""

    side: str
    services: dict[str, Service]
    calls: list[tuple[str, str]]
    rules: dict[str, str]
    server_flags: dict[str, str]
    settings: dict[str, Any]
    manifests: dict[str, list[dict[str, Any]]]
    metrics: list[str]
    without_metrics: set[str] = field(default_factory=set)
    nodes: dict[str, str] = field(default_factory=lambda: {"kubelet_version": "v1.30.2"})

    @property
    def running(self) -> list[Service]:
        return [one for one in self.services.values() if not one.gone]


def make(side: str, seed: int) -> World:
    """The same for both sides but for where they are: hosts, pods and the environment's name."""
    rng = random.Random(seed)  # noqa: S311
    services = {name: service(name, rng) for name in NAMES}
    calls = [(caller, callee) for caller, callee in pairwise(NAMES)]
    calls += [("gateway", name) for name in rng.sample(NAMES[2:], 5)]
    rules = {
        f"job:{name}:rate5m": f"sum by (job) (rate(shop_{name}_total[5m]))" for name in NAMES[:6]
    }
    metrics = [f"shop_business_{number}" for number in range(30)]
    flags = {"query.lookback-delta": "4m", "query.timeout": "90s"}
    settings = {f"config/{name}.{kind}": _settings(name, rng) for name, kind in _kinds()}
    manifests = {f"k8s/{name}.yaml": _manifests(one) for name, one in services.items()}
    return World(side, services, calls, rules, flags, settings, manifests, metrics)


def _kinds() -> Iterator[tuple[str, str]]:
    kinds = ("yaml", "json", "toml", "env", "properties")
    for number, name in enumerate(NAMES):
        yield name, kinds[number % len(kinds)]


def service(name: str, rng: random.Random) -> Service:
    whole = rng.uniform(5, 40)
    shares = [rng.uniform(0.5, 2) for _ in ROUTES]
    return Service(
        name=name,
        replicas=rng.randint(2, 6),
        cpu_limit=rng.choice([0.5, 1.0, 2.0, 4.0]),
        memory_limit=rng.choice([256, 512, 1024]) * 2**20,
        cpu_request=rng.choice([0.1, 0.25, 0.5]),
        memory_request=rng.choice([64, 128, 256]) * 2**20,
        image=f"shop/{name}",
        tag=f"v{rng.randint(1, 9)}.{rng.randint(0, 20)}.{rng.randint(0, 9)}",
        hpa=(rng.randint(1, 2), rng.randint(6, 12)),
        node=rng.choice(["m5.large", "c6i.xlarge"]),
        runtime=f"3.{rng.randint(10, 13)}.{rng.randint(0, 9)}",
        pool=rng.choice([10, 20, 50]),
        threads=rng.choice([8, 16, 200]),
        flags={flag: rng.randint(0, 1) for flag in FLAGS},
        rates={
            route: whole * share / sum(shares) for route, share in zip(ROUTES, shares, strict=True)
        },
        edges=EDGES,
        throttled=rng.uniform(0.0, 0.1),
        rows=float(rng.randint(10_000, 5_000_000)),
        hits=rng.uniform(0.5, 0.95),
        attributes={"telemetry_sdk_version": "1.29.0", "service_version": "2.4.1"},
    )


def _settings(name: str, rng: random.Random) -> dict[str, Any]:
    return {
        "name": name,
        "timeout_ms": rng.randint(100, 5000),
        "retries": rng.randint(0, 5),
        "cache_ttl": f"{rng.randint(10, 600)}s",
        "log_level": rng.choice(["info", "warning"]),
        "db_password": "".join(rng.choices("abcdefghijkmnpqrstuvwxyz23456789", k=24)),
        "db_pool": rng.randint(5, 50),
        "batch_size": rng.randint(10, 500),
        "currency": rng.choice(["EUR", "USD"]),
        "workers": rng.randint(1, 16),
    }


def _manifests(one: Service) -> list[dict[str, Any]]:
    labels = {"app": one.name}
    container = {
        "name": "app",
        "image": f"registry.example.com/{one.image}:{one.tag}",
        "args": ["serve", f"--threads={one.threads}"],
        "env": [{"name": "POOL", "value": str(one.pool)}, {"name": "REGION", "value": "eu"}],
        "resources": {"limits": {"cpu": f"{one.cpu_limit * 1000:g}m", "memory": one.memory_limit}},
    }
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": one.replicas, "selector": {"matchLabels": labels}, "template": template}
    meta = {"name": one.name, "labels": labels}
    ports = [{"name": "http", "port": 80, "targetPort": 8080}]
    return [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": dict(meta), "spec": spec},
        {"apiVersion": "v1", "kind": "Service", "metadata": dict(meta), "spec": {"ports": ports}},
    ]


def write_files(world: World, root: Path) -> None:
    """The world's settings and manifests below `root`."""
    for name, content in world.settings.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_written(path.suffix, content), encoding="utf-8")
    for name, documents in world.manifests.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump_all(documents), encoding="utf-8")


def _written(suffix: str, content: dict[str, Any]) -> str:
    if suffix == ".json":
        return json.dumps(content)
    if suffix == ".yaml":
        return yaml.safe_dump(content)
    quote = json.dumps if suffix == ".toml" else str
    separator = " = " if suffix != ".env" else "="
    return "".join(f"{key}{separator}{quote(value)}\n" for key, value in content.items())


def exposition(world: World, target: str, seconds: float) -> str:
    """What a target tells `seconds` after the world began: `kube`, or a service's name."""
    lines = _kube(world, seconds) if target == "kube" else _process(world, target, seconds)
    kept = (one for one in lines if one[0] not in world.without_metrics)
    return "".join(f"{name}{_labels(labels)} {value!r}\n" for name, labels, value in kept)


Line = tuple[str, dict[str, str], float]


def _labels(labels: dict[str, str]) -> str:
    inner = ",".join(f'{name}="{escape_label_value(value)}"' for name, value in labels.items())
    return "{" + inner + "}" if inner else ""


def _kube(world: World, seconds: float) -> Iterator[Line]:
    """kube-state-metrics and cAdvisor: of each pod, and of the nodes."""
    drawn = {"m5.large", "c6i.xlarge", "m5.4xlarge", *(one.node for one in world.running)}
    for node in sorted(drawn):
        host = f"{world.side}-{node}"
        yield (
            "kube_node_labels",
            {"node": host, "label_node_kubernetes_io_instance_type": node},
            1.0,
        )
        yield "kube_node_info", {"node": host, **world.nodes}, 1.0
    for one in world.running:
        yield from _workload(world, one, seconds)
    for caller, callee in world.calls:
        if not (world.services[caller].gone or world.services[callee].gone):
            edge = {"client": caller, "server": callee}
            yield "traces_service_graph_request_total", edge, 5.0 * seconds


def _workload(world: World, one: Service, seconds: float) -> Iterator[Line]:
    space = {"namespace": f"shop-{world.side}"}
    yield "kube_deployment_spec_replicas", {**space, "deployment": one.name}, float(one.replicas)
    hpa = {**space, "horizontalpodautoscaler": one.name}
    yield "kube_horizontalpodautoscaler_spec_min_replicas", hpa, float(one.hpa[0])
    yield "kube_horizontalpodautoscaler_spec_max_replicas", hpa, float(one.hpa[1])
    unique = random.Random(f"{world.side}{one.name}")  # noqa: S311
    ending = "".join(unique.choices("bcdfghjklmnpqrstvwxz2456789", k=9))
    for number in range(one.replicas):
        pod = f"{one.name}-{ending}-{''.join(unique.choices('bcdfghjklmnpqrstvwxz2456789', k=5))}"
        at = {**space, "pod": pod}
        app = {**at, "container": "app"}
        cpu, memory = {**app, "resource": "cpu"}, {**app, "resource": "memory"}
        yield "kube_pod_container_resource_limits", cpu, one.cpu_limit
        yield "kube_pod_container_resource_limits", memory, one.memory_limit
        yield "kube_pod_container_resource_requests", cpu, one.cpu_request
        yield "kube_pod_container_resource_requests", memory, one.memory_request
        for (bound, resource), value in one.resources.items():
            yield f"kube_pod_container_resource_{bound}", {**app, "resource": resource}, value
        image = f"{world.side}.registry.example.com:5000/{one.image}:{one.image_tag or one.tag}"
        yield "kube_pod_container_info", {**app, "image": image}, 1.0
        yield "kube_pod_info", {**at, "node": f"{world.side}-{one.node}"}, 1.0
        if number < one.replicas:
            yield "container_cpu_cfs_periods_total", app, 10.0 * seconds
            yield "container_cpu_cfs_throttled_periods_total", app, 10.0 * one.throttled * seconds


def _gauges(one: Service) -> Iterator[Line]:
    """Settings and volumes: what was drawn, and in its place what was planted."""
    drawn = {
        'hikaricp_connections_max{pool="main"}': float(one.pool),
        "tomcat_threads_config_max_threads": float(one.threads),
        f'pg_stat_user_tables_n_live_tup{{relname="{one.name}_items"}}': one.rows,
        **{f'feature_flag_enabled{{flag="{name}"}}': float(on) for name, on in one.flags.items()},
    }
    for series, value in {**drawn, **one.gauges}.items():
        metric, labels = parse_series(series)
        yield metric, {"service": one.name, **dict(labels)}, value


def _process(world: World, name: str, seconds: float) -> Iterator[Line]:
    """One instance of a service; the application's own metrics are told by the gateway."""
    one = world.services[name]
    extra = one.extra_labels
    for route, rate in one.rates.items():
        count = rate * seconds
        labels = {"service": name, "http_route": route, "http_response_status_code": "200", **extra}
        for edge in (*one.edges, float("inf")):
            below = count if edge >= 0.05 else count / 2
            le = "+Inf" if edge == float("inf") else f"{edge:g}"
            yield "http_server_request_duration_seconds_bucket", {**labels, "le": le}, below
        yield "http_server_request_duration_seconds_count", labels, count
        yield "http_server_request_duration_seconds_sum", labels, count * 0.03
    own = {"service": name}
    infos = {
        "python_info": {"version": one.runtime, "implementation": "CPython"},
        "target_info": {**one.attributes, "host_name": f"{world.side}-{name}"},
        f"{name}_build_info": {"version": one.tag, "goversion": "go1.22"},
    }
    for metric in {**infos, **one.infos}:
        yield metric, {**own, **infos.get(metric, {}), **one.infos.get(metric, {})}, 1.0
    yield from _gauges(one)
    yield "cache_hits_total", own, 100.0 * one.hits * seconds
    yield "cache_misses_total", own, 100.0 * (1 - one.hits) * seconds
    for metric in one.extra_metrics:
        yield metric, own, 1.0
    if name == "gateway":
        for metric in world.metrics:
            yield metric, own, 7.0
