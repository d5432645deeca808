"""Differences to be found: each changes one environment and says which row must be told of it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.e2e_parity.world import Service, World

Row = tuple[str, str]
"""Kind and place."""


@dataclass
class Draw:
    """One world to change, and what is still untouched in it."""

    rng: random.Random
    world: World
    other: World
    free: list[str]

    def service(self) -> Service:
        """One that no other difference has touched."""
        return self.world.services[self.free.pop()]


Change = Callable[[Draw], list[Row]]


def _number(kind: str, attribute: str, place: str, factor: tuple[float, ...]) -> Change:
    def change(draw: Draw) -> list[Row]:
        one = draw.service()
        value = getattr(one, attribute)
        new = value * draw.rng.choice(factor)
        setattr(one, attribute, type(value)(new))
        return [(kind, place.format(one.name))]

    return change


def _hpa(which: int) -> Change:
    def change(draw: Draw) -> list[Row]:
        one = draw.service()
        bounds = list(one.hpa)
        bounds[which] += draw.rng.randint(1, 3)
        one.hpa = (bounds[0], bounds[1])
        return [(("hpa-min", "hpa-max")[which], one.name)]

    return change


def _tag(draw: Draw) -> list[Row]:
    one = draw.service()
    one.tag += f"-rc{draw.rng.randint(1, 9)}"
    place = f"{one.name} {one.name}_build_info version"
    return [("image-version", f"{one.name}/app"), ("version", place)]


def _image(draw: Draw) -> list[Row]:
    one = draw.service()
    one.image += "-debug"
    return [("image", f"{one.name}/app")]


def _node(draw: Draw) -> list[Row]:
    one = draw.service()
    one.node = "m5.4xlarge"
    return [("node-type", one.name)]


def _runtime(draw: Draw) -> list[Row]:
    one = draw.service()
    one.runtime = f"3.9.{draw.rng.randint(0, 20)}"
    return [("runtime", f"{one.name} python_info version")]


def _attribute(draw: Draw) -> list[Row]:
    one = draw.service()
    one.attributes = {**one.attributes, "service_version": "2.5.0-rc1"}
    return [("version", f"{one.name} target_info service_version")]


def _flag(draw: Draw) -> list[Row]:
    one = draw.service()
    flag = draw.rng.choice(sorted(one.flags))
    one.flags = {**one.flags, flag: 1 - one.flags[flag]}
    return [("feature-flag", f'{one.name} feature_flag_enabled{{flag="{flag}"}}')]


def _mix(draw: Draw) -> list[Row]:
    one = draw.service()
    routes = sorted(one.rates)
    whole = sum(one.rates.values())
    most = draw.rng.choice(routes)
    one.rates = {route: whole * (0.85 if route == most else 0.05) for route in routes}
    return [("traffic-share", f"{one.name} operations")]


def _route(draw: Draw) -> list[Row]:
    """An operation that is hardly called, so that the mix stays as it is."""
    one = draw.service()
    one.rates = {**one.rates, "/new": 0.01}
    return [("operation", f"{one.name} /new")]


def _edges(draw: Draw) -> list[Row]:
    one = draw.service()
    one.edges = (0.01, 0.1, 1.0) if draw.rng.random() < 0.5 else (*one.edges, 10.0)
    return [("buckets", f"{one.name} http_server_request_duration_seconds")]


def _throttled(draw: Draw) -> list[Row]:
    one = draw.service()
    one.throttled += draw.rng.uniform(0.2, 0.6)
    return [("throttling", f"{one.name}/app")]


def _rows(draw: Draw) -> list[Row]:
    one = draw.service()
    one.rows /= draw.rng.choice([10, 1000])
    return [("data", f'{one.name} pg_stat_user_tables_n_live_tup{{relname="{one.name}_items"}}')]


def _hits(draw: Draw) -> list[Row]:
    one = draw.service()
    one.hits -= draw.rng.uniform(0.3, 0.4)
    return [("hit-ratio", f"{one.name} cache_hits_total")]


def _targets(draw: Draw) -> list[Row]:
    one = draw.service()
    one.instances += draw.rng.randint(1, 2)
    return [("targets", f"job {one.name}")]


def _interval(draw: Draw) -> list[Row]:
    one = draw.service()
    one.interval = "2s"
    return [("scrape-interval", f"job {one.name}")]


def _metric(draw: Draw) -> list[Row]:
    name = draw.world.metrics.pop(draw.rng.randrange(len(draw.world.metrics)))
    return [("metric", name)]


def _histogram(draw: Draw) -> list[Row]:
    one = draw.service()
    one.extra_metrics = [f"{one.name}_jobs_waiting"]
    return [("metric", f"{one.name}_jobs_waiting")]


def _label(draw: Draw) -> list[Row]:
    one = draw.service()
    one.extra_labels = {"tenant": "a"}
    return [("label", "http_server_request_duration_seconds tenant")]


def _rule(draw: Draw) -> list[Row]:
    name = draw.rng.choice(sorted(draw.world.rules))
    if draw.rng.random() < 0.5:
        del draw.world.rules[name]
    else:
        draw.world.rules[name] = draw.world.rules[name].replace("5m", "1m")
    return [("recording-rule", name)]


def _server_flag(draw: Draw) -> list[Row]:
    draw.world.server_flags["query.lookback-delta"] = draw.rng.choice(["2m", "7m"])
    return [("server-flag", "--query.lookback-delta")]


def _edge(draw: Draw) -> list[Row]:
    there = [world.services for world in (draw.world, draw.other)]
    calls = sorted(set(draw.world.calls))
    kept = [call for call in calls if not any(of[name].gone for of in there for name in call)]
    chosen = draw.rng.choice(kept)
    draw.world.calls = [call for call in calls if call != chosen]
    return [("edge", f"{chosen[0]} → {chosen[1]}")]


def _gone(draw: Draw) -> list[Row]:
    """A service that is not there at all; its manifests are."""
    one = draw.service()
    one.gone = True
    draw.free[:] = [name for name in draw.free if name != one.name]
    return [("service", one.name)]


def _setting(draw: Draw) -> list[Row]:
    file = draw.rng.choice(sorted(draw.world.settings))
    draw.world.settings[file] = {**draw.world.settings[file], "timeout_ms": 7}
    return [("setting", f"{file} timeout_ms")]


def _no_setting(draw: Draw) -> list[Row]:
    file = draw.rng.choice(sorted(draw.world.settings))
    kept = {k: v for k, v in draw.world.settings[file].items() if k != "batch_size"}
    draw.world.settings[file] = kept
    return [("setting", f"{file} batch_size")]


def _secret(draw: Draw) -> list[Row]:
    file = draw.rng.choice(sorted(draw.world.settings))
    draw.world.settings[file] = {**draw.world.settings[file], "db_password": "entirely-another1"}
    return [("secret", f"{file} db_password")]


def _file(draw: Draw) -> list[Row]:
    draw.world.settings["config/only-here.yaml"] = {"one": 1, "two": {"three": 3}}
    return [("file", "config/only-here.yaml")]


def _manifest(draw: Draw) -> list[Row]:
    file = draw.rng.choice(sorted(draw.world.manifests))
    gone = draw.world.manifests[file].pop()
    return [("manifest", f"Service/{gone['metadata']['name']}")]


def _deployed(draw: Draw) -> list[Row]:
    """A limit in a manifest alone: written another way in the others, where it is the same."""
    file = draw.rng.choice(sorted(draw.world.manifests))
    for name, (deployment, *_) in draw.world.manifests.items():
        container = deployment["spec"]["template"]["spec"]["containers"][0]
        limits = container["resources"]["limits"]
        cores = float(limits["cpu"].removesuffix("m")) / 1000
        limits["cpu"] = "77m" if name == file else f"{cores:g}"
    service = file.removeprefix("k8s/").removesuffix(".yaml")
    path = "spec.template.spec.containers[app].resources.limits.cpu"
    return [("setting", f"Deployment/{service} {path}")]


CHANGES: tuple[Change, ...] = (
    _number("replicas", "replicas", "{}", (2, 3)),
    _number("cpu-limit", "cpu_limit", "{}/app", (0.25, 0.5, 2)),
    _number("memory-limit", "memory_limit", "{}/app", (0.5, 2)),
    _number("cpu-request", "cpu_request", "{}/app", (0.5, 2)),
    _number("memory-request", "memory_request", "{}/app", (0.5, 2)),
    _number("pool", "pool", '{} hikaricp_connections_max{{pool="main"}}', (2, 3)),
    _number("pool", "threads", "{} tomcat_threads_config_max_threads", (2, 3)),
    _hpa(0),
    _hpa(1),
    _tag,
    _image,
    _node,
    _runtime,
    _attribute,
    _flag,
    _mix,
    _route,
    _edges,
    _throttled,
    _rows,
    _hits,
    _targets,
    _interval,
    _metric,
    _histogram,
    _label,
    _rule,
    _server_flag,
    _edge,
    _gone,
    _setting,
    _no_setting,
    _secret,
    _file,
    _manifest,
    _deployed,
)


def seeded(worlds: tuple[World, World], seed: int, many: int = 24) -> set[Row]:
    """Change `many` things, each in one of the two worlds, and say which rows tell of them."""
    rng = random.Random(seed * 7919 + 1)  # noqa: S311
    names = [name for name in worlds[0].services if name != "gateway"]
    rng.shuffle(names)
    free = names * 3
    expected: set[Row] = set()
    chosen = rng.sample(CHANGES, many)
    for change in sorted(chosen, key=lambda one: one is not _gone):
        at = rng.randrange(2)
        expected |= set(change(Draw(rng, worlds[at], worlds[1 - at], free)))
    return expected
