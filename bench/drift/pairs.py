"""Pairs of environments: three services in a row, staging with drift, with a fault, with both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from anomalyd.facts import Fact
from anomalyd.model import Environment, Floats
from anomalyd.replay.recording import Recording
from bench.drift.processors import WORKS, drawn

CHAIN = ("gateway", "cart", "pricing")
EDGES: Mapping[str, tuple[str, ...]] = {"gateway": ("cart",), "cart": ("pricing",)}
STEP = 15.0
LOAD = 50.0
MOST = 400
"""Requests that a window's quantile is taken of: more say the same more slowly."""
LIMITS = (0.25, 0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True)
class Service:
    """work: seconds of CPU of a request; waits: of disks and others, besides what it calls."""

    work: float
    waits: float
    shape: str
    cores: float
    pods: int

    def busy(self, load: float) -> float:
        return load * self.work / (self.cores * self.pods)


Services = dict[str, Service]


@dataclass(frozen=True)
class Pair:
    """kind: what is the matter with staging; true: drift alone is, so that it must not fail.

    facts: what is told of both. service: where it is.
    """

    kind: str
    true: bool
    service: str
    production: Services
    staging: Services
    facts: tuple[Fact, ...]


def services(rng: np.random.Generator) -> Services:
    """Production at LOAD uses a tenth to four tenths of its processors."""
    found = {}
    for name in CHAIN:
        cores = float(rng.choice([1.0, 2.0, 4.0]))
        pods = int(rng.integers(1, 4))
        work = rng.uniform(0.1, 0.4) * cores * pods / LOAD
        waits = work * rng.uniform(0.3, 2.0)
        found[name] = Service(work, waits, str(rng.choice(WORKS)), cores, pods)
    return found


def recorded(rng: np.random.Generator, world: Services, loads: Floats, offset: float) -> Recording:
    """Every STEP seconds at these loads (1/s): requests, p95 and CPU of each service.

    offset: sd, in log, of what a run differs by when nothing is wrong.
    """
    columns: dict[str, Floats] = {}
    own = {name: np.exp(offset * rng.standard_normal()) for name in world}
    wander = {name: _wander(rng, len(loads)) for name in world}
    p95 = {name: np.zeros(len(loads)) for name in world}
    for at, load in enumerate(loads):
        count = min(MOST, max(20, int(load * STEP)))
        total = np.zeros(count)
        for name in reversed(CHAIN):
            one = world[name]
            spent = one.work * drawn(rng, count, one.shape, one.cores, one.busy(load))
            waited = one.waits * rng.lognormal(-0.08, 0.4, count)
            mine = (spent + waited) * own[name] * np.exp(wander[name][at])
            total = total + mine
            p95[name][at] = np.quantile(total, 0.95)
    for name, one in world.items():
        label = f'{{service="{name}"}}'
        requests = rng.poisson(loads * STEP)
        columns[f"request_rate{label}"] = requests / STEP
        columns[f"latency_p95_seconds{label}"] = p95[name]
        noise = np.exp(0.03 * rng.standard_normal(len(loads)))
        columns[f"cpu_cores{label}"] = loads * one.work * noise
    times = 1_700_000_000.0 + STEP * np.arange(len(loads))
    return Recording(times, tuple(columns), np.stack(list(columns.values()), axis=1))


def _wander(rng: np.random.Generator, count: int) -> Floats:
    """AR(1) in log: 2%, remembered for some windows."""
    values = np.zeros(count)
    for at in range(1, count):
        values[at] = 0.7 * values[at - 1] + 0.02 * rng.standard_normal()
    return values


def draw(kind: str, seed: int) -> Pair:
    """`kind` is one of KINDS."""
    rng = np.random.default_rng([KINDS.index(kind), seed])
    production, service = services(rng), str(rng.choice(CHAIN))
    while not _smaller(production[service]):
        production = services(rng)
    other = str(rng.choice([name for name in CHAIN if name != service]))
    mirror = _facts(production, production)
    drifted = _drift(rng, production, service)
    faulty = _fault(rng, production, service)
    if kind == "drift":
        told = _facts(production, drifted)
        return Pair(kind, True, service, production, drifted, told)
    if kind == "same slowdown, no drift told":
        return Pair(kind, False, service, production, drifted, mirror)
    if kind == "fault, drift the other way":
        ampler = {**faulty, service: replace(faulty[service], cores=2 * faulty[service].cores)}
        return Pair(kind, False, service, production, ampler, _facts(production, ampler))
    if kind == "fault, drift of another service":
        both = {**faulty, other: _drift(rng, production, other)[other]}
        without = {**faulty}
        return Pair(kind, False, service, production, without, _facts(production, both))
    if kind == "fault, drift that hardly matters":
        one = faulty[service]
        slight = {**faulty, service: replace(one, pods=one.pods * 4)}
        before = {**production, service: replace(production[service], pods=one.pods * 5)}
        return Pair(kind, False, service, before, slight, _facts(before, slight))
    one = drifted[service]
    factor = rng.uniform(2.5, 5)
    extra = one.work * factor / (1 - min(0.9, one.busy(LOAD)))
    worse = {**drifted, service: replace(one, waits=one.waits + 3 * extra)}
    return Pair(kind, False, service, production, worse, _facts(production, worse))


KINDS = (
    "drift",
    "same slowdown, no drift told",
    "fault, drift the other way",
    "fault, drift of another service",
    "fault, drift that hardly matters",
    "drift and a fault beyond it",
)


def _drift(rng: np.random.Generator, world: Services, service: str) -> Services:
    """A smaller limit or fewer pods, with which 50% to 75% of the processors are in use."""
    fitting = _smaller(world[service])
    if not fitting:
        return {**world, service: replace(world[service], pods=1)}
    return {**world, service: fitting[int(rng.integers(len(fitting)))]}


def _smaller(one: Service) -> list[Service]:
    choices = [
        replace(one, cores=cores, pods=pods)
        for cores in LIMITS
        for pods in range(1, one.pods + 1)
        if cores <= one.cores and (cores < one.cores or pods < one.pods)
    ]
    return [new for new in choices if 0.5 <= new.busy(LOAD) <= 0.75]


def _fault(rng: np.random.Generator, world: Services, service: str) -> Services:
    """A wait that is longer (a slow query), or more CPU for each request."""
    one = world[service]
    if rng.random() < 0.5:
        longer = (one.work + one.waits) * rng.uniform(1.0, 3.0)
        return {**world, service: replace(one, waits=one.waits + longer)}
    factor = min(rng.uniform(1.8, 2.5), 0.9 / one.busy(LOAD))
    return {**world, service: replace(one, work=one.work * factor)}


def _facts(production: Services, staging: Services) -> tuple[Fact, ...]:
    sides = ((Environment.PRODUCTION, production), (Environment.STAGING, staging))
    return tuple(
        fact
        for side, world in sides
        for name, one in world.items()
        for fact in (
            Fact("cpu-limit", f"{name}/app", side, f"{one.cores:g}", "", name, one.cores),
            Fact("replicas", name, side, str(one.pods), "", name, float(one.pods)),
        )
    )
