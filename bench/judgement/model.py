"""What every signal is expected to be, given the load and what is being done to the system.

Latency is a service's own time, longer the busier it is (a queue), plus that of the calls it makes.
Everything that ever happens, from a garbage collection to a fault, is a change of `Knobs`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from bench.judgement.records import Floats
from bench.judgement.world import World

ERROR_UNIT = 0.10
"""Of the error ratio: as much of it is tolerated, half a point, as of anything else, 5%."""


@dataclass(slots=True)
class Knobs:
    """float64[t, services], but calls: float64[t, edges] and alive: bool[t, services].

    Factors, 1 when nothing happens: own time, tail (of p95 over p50), cost (CPU per request),
    memory, pool (of workers), served (share of calls that arrive), calls. errors is added.
    """

    own: Floats
    tail: Floats
    cost: Floats
    memory: Floats
    pool: Floats
    served: Floats
    errors: Floats
    calls: Floats
    alive: NDArray[np.bool_]

    @classmethod
    def still(cls, ticks: int, world: World) -> Knobs:
        shape = (ticks, len(world.services))
        own, tail, cost, memory, pool, served = (np.ones(shape) for _ in range(6))
        calls = np.ones((ticks, len(world.edges)))
        alive = np.ones(shape, dtype=bool)
        return cls(own, tail, cost, memory, pool, served, np.zeros(shape), calls, alive)

    def copy(self) -> Knobs:
        return Knobs(*(getattr(self, field.name).copy() for field in fields(self)))


@dataclass(frozen=True, slots=True)
class State:
    """float64[t, services] each; busy: the share of its pool that a service uses."""

    rate: Floats
    calls: Floats
    busy: Floats
    cpu: Floats
    memory: Floats
    errors: Floats
    p50: Floats
    p95: Floats
    inflight: Floats


def expected(world: World, load: Floats, knobs: Knobs, capacity_ratio: float = 1.0) -> State:
    """load: float64[t], requests per second at the gateway."""
    per_edge = world.calls * knobs.calls
    rate, calls = _traffic(world, load, per_edge, knobs)
    capacity = world.service.capacity * capacity_ratio
    cpu = rate * knobs.cost / capacity
    busy = cpu / knobs.pool
    p50, tail = _latency(world, busy, per_edge, knobs)
    errors = _errors(world, busy, per_edge, knobs)
    idle = world.service.idle
    return State(
        rate=rate,
        calls=calls,
        busy=busy,
        cpu=np.minimum(idle + (1 - idle) * cpu, 1.0),
        memory=world.service.memory * (1 + world.service.memory_by_load * busy) * knobs.memory,
        errors=errors,
        p50=p50,
        p95=p50 + tail,
        inflight=rate * (p50 + 0.3 * tail),
    )


def _traffic(world: World, load: Floats, per_edge: Floats, knobs: Knobs) -> tuple[Floats, Floats]:
    """(requests per second, calls made per request) of each service."""
    rate = np.zeros_like(knobs.own)
    calls = np.zeros_like(knobs.own)
    rate[:, 0] = load * knobs.served[:, 0]
    for k, (caller, callee) in enumerate(world.edges):
        rate[:, callee] += rate[:, caller] * per_edge[:, k] * knobs.served[:, callee]
        calls[:, caller] += per_edge[:, k]
    return rate, calls


def _latency(world: World, busy: Floats, per_edge: Floats, knobs: Knobs) -> tuple[Floats, Floats]:
    """(median, 95th percentile less median), seconds; callees before their callers."""
    about = world.service
    waiting = 1 + about.queue * np.minimum(busy, 3.0) ** about.power / np.maximum(1 - busy, 0.03)
    p50 = about.base * waiting * knobs.own
    tail = p50 * (about.tail - 1) * knobs.tail
    for k in reversed(range(len(world.edges))):
        caller, callee = world.edges[k]
        p50[:, caller] += per_edge[:, k] * p50[:, callee]
        share = np.minimum(per_edge[:, k], 1.5)
        tail[:, caller] = np.hypot(tail[:, caller], share * tail[:, callee])
    return p50, tail


def _errors(world: World, busy: Floats, per_edge: Floats, knobs: Knobs) -> Floats:
    ratio = world.service.errors + knobs.errors + 0.6 * np.maximum(busy - 0.97, 0.0)
    for k in reversed(range(len(world.edges))):
        caller, callee = world.edges[k]
        share = np.minimum(per_edge[:, k], 1.0) * world.passes[k]
        ratio[:, caller] += share * ratio[:, callee]
    return np.asarray(np.clip(ratio, 0.0, 0.95), dtype=float)


def effect(before: State, after: State, ticks: NDArray[np.bool_]) -> tuple[float, str]:
    """(relative change of the most affected signal, its kind), means over those ticks.

    The rate of the gateway is the load and does not count.
    """
    changes = {
        "latency": _change(before.p50, after.p50, ticks).max(),
        "tail": _change(before.p95, after.p95, ticks).max(),
        "errors": _more(before.errors, after.errors, ticks).max() / ERROR_UNIT,
        "cpu": _change(before.cpu, after.cpu, ticks).max(),
        "memory": _change(before.memory, after.memory, ticks).max(),
        "inflight": _change(before.inflight, after.inflight, ticks).max(),
        "calls": _change(before.calls, after.calls, ticks).max(),
        "rate": _change(before.rate, after.rate, ticks)[1:].max(),
    }
    kind = max(changes, key=lambda one: changes[one])
    return float(changes[kind]), kind


def _change(before: Floats, after: Floats, ticks: NDArray[np.bool_]) -> Floats:
    was = before[ticks].mean(axis=0)
    return np.asarray(_more(before, after, ticks) / np.maximum(was, 1e-9), dtype=float)


def _more(before: Floats, after: Floats, ticks: NDArray[np.bool_]) -> Floats:
    return np.asarray(np.abs(after[ticks].mean(axis=0) - before[ticks].mean(axis=0)), dtype=float)
