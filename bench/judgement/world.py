"""A world: a system of services, how noisy it is, and how its staging differs from production."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.judgement.records import GATEWAY, Floats

NAMES = [
    "cart",
    "catalog",
    "payment",
    "search",
    "shipping",
    "profile",
    "pricing",
    "inventory",
    "review",
    "mail",
    "stock",
    "tax",
    "session",
    "ads",
    "recommend",
    "invoice",
    "currency",
    "media",
]


@dataclass(frozen=True, slots=True)
class Service:
    """Arrays over services. Times in seconds, memory in bytes, capacity in requests per second."""

    base: Floats
    """Median of a service's own time when it is idle."""
    tail: Floats
    """95th percentile of the own time over its median."""
    queue: Floats
    power: Floats
    capacity: Floats
    idle: Floats
    errors: Floats
    memory: Floats
    memory_by_load: Floats
    garbage_period: Floats
    """Seconds between collections; infinite where they are not felt."""
    garbage_size: Floats


@dataclass(frozen=True, slots=True)
class Noise:
    """Standard deviations of log values; phi: autocorrelation at 15 s; freedom: of Student's t."""

    phi: dict[str, float]
    scatter: dict[str, float]
    freedom: float
    load: float


@dataclass(frozen=True, slots=True)
class Staging:
    """How staging differs from production in all of its runs: log offsets, one per service or edge.

    spread: the standard deviation that the offsets of a kind were drawn with; per_run: that of
    what differs from run to run.
    """

    capacity_ratio: float
    own: Floats
    tail: Floats
    cost: Floats
    memory: Floats
    errors: Floats
    calls: Floats
    spread: dict[str, float]
    per_run: float
    noisier: float


@dataclass(frozen=True, slots=True)
class World:
    """edges: (caller, callee) as indices into services, a caller always before its callees; calls:
    per edge, calls for each request of the caller; passes: per edge, the share of the callee's
    errors that the caller's users feel. usual: mean load in requests per second,
    swing: how far a day takes it, relative to the mean. window: seconds
    that rates and quantiles are taken over; cpu_window: the same for CPU, at most as long.
    """

    seed: int
    index: int
    services: tuple[str, ...]
    edges: tuple[tuple[int, int], ...]
    calls: Floats
    passes: Floats
    service: Service
    noise: Noise
    staging: Staging
    usual: float
    swing: float
    window: float
    cpu_window: float
    step: float
    days: int
    habit: bool
    """Whether its test runs follow one plan."""
    batch: bool
    generator: bool

    @property
    def named_edges(self) -> list[tuple[str, str]]:
        return [(self.services[a], self.services[b]) for a, b in self.edges]

    def callees(self, service: int) -> list[int]:
        """Indices of the edges that go out of a service."""
        return [k for k, (caller, _) in enumerate(self.edges) if caller == service]

    def callers(self, service: int) -> list[int]:
        """Indices of the edges that lead into a service."""
        return [k for k, (_, callee) in enumerate(self.edges) if callee == service]

    def flow(self) -> Floats:
        """float64[services]: requests of each service for one at the gateway."""
        rate = np.zeros(len(self.services))
        rate[0] = 1.0
        for (caller, callee), calls in zip(self.edges, self.calls, strict=True):
            rate[callee] += rate[caller] * calls
        return rate


def draw(seed: int, index: int) -> World:
    """The world of that index; the same for the same seed."""
    random = np.random.default_rng([seed, index])
    names = random.permutation(NAMES)[: random.integers(4, 9)]
    services = (GATEWAY, *(str(name) for name in names))
    edges = _edges(len(services), random)
    calls = np.exp(random.uniform(np.log(0.4), np.log(2.5), len(edges)))
    silent = _silent(edges, random)
    calls[silent] = 10.0 ** random.uniform(-3.3, -2.0, len(silent))
    usual = float(10.0 ** random.uniform(0.9, 2.5))
    window = float(random.choice([15.0, 30.0, 60.0], p=[0.4, 0.4, 0.2]))
    world = World(
        seed=seed,
        index=index,
        services=services,
        edges=edges,
        calls=calls,
        passes=random.choice([0.0, 0.3, 0.8], len(edges)),
        service=_service(len(services), random),
        noise=_noise(random),
        staging=_staging(len(services), len(edges), random),
        usual=usual,
        swing=float(random.uniform(0.3, 0.55)),
        window=window,
        cpu_window=min(window, float(random.choice([15.0, 30.0]))),
        step=float(random.choice([15.0, 10.0, 5.0], p=[0.8, 0.1, 0.1])),
        days=int(random.integers(3, 8)),
        habit=bool(random.random() < 0.5),
        batch=bool(random.random() < 0.4),
        generator=bool(random.random() < 0.5),
    )
    world.service.capacity[:] = world.flow() * usual / random.uniform(0.12, 0.38, len(services))
    return world


def _edges(count: int, random: np.random.Generator) -> tuple[tuple[int, int], ...]:
    """A tree from the gateway, and a few calls across it; sorted, so that callers come first."""
    found = {(int(random.integers(max(0, k - 4), k)), k) for k in range(1, count)}
    for _ in range(int(random.integers(0, 3))):
        a, b = sorted(int(one) for one in random.choice(count, 2, replace=False))
        found.add((a, b))
    return tuple(sorted(found))


def _silent(edges: tuple[tuple[int, int], ...], random: np.random.Generator) -> list[int]:
    """In a third of worlds one leaf is an operation that is hardly ever called."""
    callers = {a for a, _ in edges}
    leaves = [b for _, b in edges if b not in callers]
    if random.random() > 1 / 3 or len(leaves) < 2:
        return []
    leaf = random.choice(leaves)
    return [k for k, (_, b) in enumerate(edges) if b == leaf]


def _service(count: int, random: np.random.Generator) -> Service:
    garbage = random.random(count) < 0.25
    return Service(
        base=np.exp(random.uniform(np.log(0.003), np.log(0.08), count)),
        tail=random.uniform(1.8, 4.5, count),
        queue=random.uniform(0.2, 0.9, count),
        power=random.uniform(1.0, 3.0, count),
        capacity=np.ones(count),
        idle=random.uniform(0.01, 0.05, count),
        errors=np.where(random.random(count) < 0.3, 0.0, random.uniform(0.0, 0.01, count)),
        memory=np.exp(random.uniform(np.log(5e7), np.log(2e9), count)),
        memory_by_load=random.uniform(0.0, 0.5, count),
        garbage_period=np.where(garbage, random.uniform(60.0, 300.0, count), np.inf),
        garbage_size=random.uniform(0.1, 0.5, count),
    )


def _noise(random: np.random.Generator) -> Noise:
    phi = random.uniform(0.0, 0.9)
    near = np.clip(phi + random.normal(0.0, 0.1, 4), 0.0, 0.9)
    kinds = ("latency", "tail", "cpu", "calls")
    return Noise(
        phi={**dict(zip(kinds, near.tolist(), strict=True)), "memory": 0.98},
        scatter={
            "latency": random.uniform(0.02, 0.08),
            "tail": random.uniform(0.02, 0.07),
            "cpu": random.uniform(0.02, 0.06),
            "calls": random.uniform(0.005, 0.02),
            "memory": random.uniform(0.01, 0.03),
        },
        freedom=random.uniform(3.5, 12.0),
        load=random.uniform(0.01, 0.03),
    )


def _staging(services: int, edges: int, random: np.random.Generator) -> Staging:
    spread = {
        "latency": random.uniform(0.10, 0.18),
        "tail": random.uniform(0.03, 0.08),
        "cpu": random.uniform(0.10, 0.15),
        "memory": random.uniform(0.10, 0.20),
        "calls": 0.10,
        "errors": 0.2,
    }
    return Staging(
        capacity_ratio=float(random.uniform(0.3, 1.5)),
        own=random.normal(0.0, spread["latency"], services),
        tail=random.normal(0.0, spread["tail"], services),
        cost=random.normal(0.0, spread["cpu"], services),
        memory=random.normal(0.0, spread["memory"], services),
        errors=random.normal(0.0, spread["errors"], services),
        calls=random.normal(0.0, spread["calls"], edges),
        spread=spread,
        per_run=float(random.uniform(0.01, 0.03)),
        noisier=float(random.uniform(0.8, 1.2)),
    )
