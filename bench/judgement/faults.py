"""Faults of every kind, each a change of `Knobs` of one strength, sized by its effect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bench.judgement.model import Knobs, effect, expected
from bench.judgement.plan import Plan
from bench.judgement.records import Floats
from bench.judgement.world import World

Apply = Callable[[World, Knobs, int, Floats, Floats, float], None]
"""(world, knobs, root, level, times, strength): level is float64[t], 0 before the onset, then 1."""
SIZES = ((0.10, 0.20), (0.20, 0.40), (0.40, 2.0))
SHARES = (0.08, 0.17, 0.75)
"""How often a size is asked for, of kinds that have sizes."""
LEAST_FLOW = 0.2
"""Services with fewer requests than this for one at the gateway are never the root."""
LEAST_SIZE = 0.09
"""What is smaller (a service at rest does not queue) is drawn anew."""


@dataclass(frozen=True, slots=True)
class Kind:
    """bounds: of the strength that is searched for; sized: False draws the strength instead."""

    name: str
    apply: Apply
    bounds: tuple[float, float]
    sized: bool = True


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault as it is in one run; size as `Truth.size`, affected: the kind of signal it is of."""

    kind: Kind
    root: int
    onset: float
    knobs: Knobs
    size: float
    affected: str


def latency(w: World, k: Knobs, root: int, level: Floats, t: Floats, strength: float) -> None:
    k.own[:, root] *= 1 + strength * level


def tail(w: World, k: Knobs, root: int, level: Floats, t: Floats, strength: float) -> None:
    k.tail[:, root] *= 1 + strength * level


def errors(w: World, k: Knobs, root: int, level: Floats, t: Floats, strength: float) -> None:
    k.errors[:, root] += strength * level


def cpu(w: World, k: Knobs, root: int, level: Floats, t: Floats, strength: float) -> None:
    k.cost[:, root] *= 1 + strength * level


def leak(w: World, k: Knobs, root: int, level: Floats, t: Floats, strength: float) -> None:
    begun = t[level > 0][0]
    k.memory[:, root] *= 1 + strength * np.maximum(t - begun, 0.0) / (t[-1] - begun)


def fan_out(w: World, k: Knobs, root: int, level: Floats, t: Floats, strength: float) -> None:
    busiest = max(w.callees(root), key=lambda edge: w.calls[edge])
    k.calls[:, busiest] *= 1 + strength * level


def retry_storm(w: World, k: Knobs, root: int, level: Floats, t: Floats, strength: float) -> None:
    """The root fails some calls, and its callers try again, up to three times."""
    k.errors[:, root] += strength * level
    again = strength + strength**2 + strength**3
    for edge in w.callers(root):
        k.calls[:, edge] *= 1 + again * level
    k.own[:, root] *= 1 + 0.5 * strength * level


def throughput(w: World, k: Knobs, root: int, level: Floats, t: Floats, strength: float) -> None:
    k.served[:, root] *= 1 - strength * level


def spikes(w: World, k: Knobs, root: int, level: Floats, t: Floats, strength: float) -> None:
    """Every one to two and a half minutes, 15 to 30 s of slowness."""
    random = np.random.default_rng([w.seed, w.index, 4, root, len(t)])
    period, width = random.uniform(60.0, 150.0), random.uniform(15.0, 30.0)
    k.own[:, root] *= 1 + strength * level * (t % period < width)


def saturation(w: World, k: Knobs, root: int, level: Floats, t: Floats, strength: float) -> None:
    """Fewer workers, so that requests queue, at the CPU per request that they always took."""
    k.pool[:, root] /= 1 + strength * level


def flatline(w: World, k: Knobs, root: int, level: Floats, t: Floats, strength: float) -> None:
    """A service is gone, with or without its callers' feeling it."""
    k.alive[:, root] &= level == 0
    for edge in w.callers(root):
        k.errors[:, w.edges[edge][0]] += max(strength, 0.0) * level


def cascade(w: World, k: Knobs, root: int, level: Floats, t: Floats, strength: float) -> None:
    """The root slows down, and its callers' workers wait for it, each a little later."""
    k.own[:, root] *= 1 + strength * level
    begun, lag, above = t[level > 0][0], 20.0, {root}
    for caller, callee in reversed(w.edges):
        if callee in above and caller not in above:
            above.add(caller)
            late = level * (t >= begun + lag * (len(above) - 1))
            k.pool[:, caller] /= 1 + 0.2 * min(strength, 1.5) * late
            k.errors[:, caller] += 0.01 * min(strength, 3.0) * late


KINDS = (
    Kind("latency", latency, (0.01, 20.0)),
    Kind("tail", tail, (0.01, 20.0)),
    Kind("errors", errors, (0.01, 0.1), sized=False),
    Kind("cpu", cpu, (0.01, 3.0)),
    Kind("leak", leak, (0.05, 10.0)),
    Kind("fan_out", fan_out, (0.01, 10.0)),
    Kind("retry_storm", retry_storm, (0.05, 0.5), sized=False),
    Kind("throughput", throughput, (0.05, 0.8)),
    Kind("spikes", spikes, (0.05, 30.0)),
    Kind("saturation", saturation, (0.02, 12.0)),
    Kind("flatline", flatline, (-0.1, 0.1), sized=False),
    Kind("cascade", cascade, (0.5, 6.0)),
)


def fault(
    world: World,
    number: int,
    plan: Plan,
    load: Floats,
    healthy: Knobs,
    random: np.random.Generator,
) -> Fault:
    """The fault of that number: kinds take turns, every third is there from the start.

    plan, load, healthy: the run as it would be without it. knobs of what is returned have it.
    """
    kind = KINDS[number % len(KINDS)]
    whole = (number // len(KINDS) + number) % 3 == 0
    while True:
        onset = 0.0 if whole else random.uniform(plan.ramped + 120.0, plan.drained - 420.0)
        onset = world.step * round(onset / world.step)
        found = _draw(world, kind, onset, plan, load, healthy, random)
        if found.size >= LEAST_SIZE:
            return found


def _draw(
    world: World,
    kind: Kind,
    onset: float,
    plan: Plan,
    load: Floats,
    healthy: Knobs,
    random: np.random.Generator,
) -> Fault:
    root = int(random.choice(_eligible(world, kind)))
    level = (plan.times >= onset).astype(float)
    strength = _strength(world, kind, root, level, plan, load, healthy, random)
    knobs = healthy.copy()
    kind.apply(world, knobs, root, level, plan.times, strength)
    size, affected = _size(world, plan, load, healthy, knobs, level)
    if kind.name == "flatline":
        size, affected = 1.0, "absence"
    return Fault(kind, root, onset, knobs, size, affected)


def _eligible(world: World, kind: Kind) -> list[int]:
    flow = world.flow()
    some = [k for k in range(len(flow)) if flow[k] >= LEAST_FLOW]
    if kind.name == "fan_out":
        return [k for k in some if any(world.calls[e] >= 0.1 for e in world.callees(k))]
    if kind.name in ("retry_storm", "throughput", "flatline", "cascade"):
        return [k for k in some if k > 0]
    return some


def _wished(kind: Kind, random: np.random.Generator) -> float:
    low, high = SIZES[int(random.choice(len(SIZES), p=SHARES))]
    if kind.name == "throughput":
        high = min(high, 0.75)
    return float(np.exp(random.uniform(np.log(low), np.log(high))))


def _size(
    world: World, plan: Plan, load: Floats, healthy: Knobs, knobs: Knobs, level: Floats
) -> tuple[float, str]:
    ratio = world.staging.capacity_ratio
    ticks = (level > 0) & (plan.times >= plan.ramped) & (plan.times < plan.drained)
    return effect(expected(world, load, healthy, ratio), expected(world, load, knobs, ratio), ticks)


def _strength(
    world: World,
    kind: Kind,
    root: int,
    level: Floats,
    plan: Plan,
    load: Floats,
    healthy: Knobs,
    random: np.random.Generator,
) -> float:
    """The strength whose effect has the size wished for, by bisection of its logarithm."""
    low, high = kind.bounds
    if not kind.sized:
        return float(random.uniform(low, high))
    wished = _wished(kind, random)
    for _ in range(14):
        middle = float(np.sqrt(low * high))
        knobs = healthy.copy()
        kind.apply(world, knobs, root, level, plan.times, middle)
        if _size(world, plan, load, healthy, knobs, level)[0] < wished:
            low = middle
        else:
            high = middle
    return high
