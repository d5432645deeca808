"""Test runs in staging: good, bad, broken, and good ones worse by exactly what is tolerated."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from bench.judgement.faults import Fault, fault
from bench.judgement.hardships import (
    BROKEN,
    GENERATOR,
    broken_load,
    damage,
    disturb,
    generator_columns,
    lose_telemetry,
)
from bench.judgement.model import Knobs, expected
from bench.judgement.observe import headers, observe, trailing
from bench.judgement.plan import Plan, plan
from bench.judgement.production import DAY, START, collect_garbage
from bench.judgement.records import GATEWAY, Floats, Recording, Run, Truth, parts
from bench.judgement.world import World

TOLERATE, TOLERATE_ERRORS = 0.05, 0.005
RUNS = {"accepted": 5, "good": 16, "bad": 8, "broken": 2, "boundary": 10}
"""Parts of the suite, with the runs of each world."""
SPREAD_OF = {"inflight": "latency", "rate": "calls"}


def run(world: World, part: str, number: int) -> Run:
    """The run of that number in that part of the suite, one of `RUNS`.

    Raises ValueError if there is no such part.
    """
    if part not in RUNS:
        raise ValueError(f"no part {part!r} of the suite; there are {', '.join(RUNS)}")
    random = np.random.default_rng([world.seed, world.index, 2, zlib.crc32(part.encode()), number])
    offsets = _offsets(world, random)
    planned = plan(world, offsets, random)
    knobs = _repeat(offsets, len(planned.times))
    start = START + world.days * DAY + 3600.0 * int(random.integers(1, 48))
    collect_garbage(world, knobs, start + planned.times, world.step)
    jitter = np.exp(random.normal(0.0, world.noise.load, len(planned.load)))
    load = planned.load * jitter
    kind = BROKEN[(number + world.index) % len(BROKEN)] if part == "broken" else ""
    if kind:
        load = broken_load(kind, planned, random) * jitter
    names = disturb(knobs, planned, random)
    found = None
    if part == "bad":
        turn = world.index * RUNS["bad"] + number
        found = fault(world, turn, planned, load, knobs, random)
        knobs = found.knobs
    values = _values(world, kind, planned, load, knobs, random)
    if part == "boundary":
        _worsen(world, values, load, planned, number, random)
    names += damage(values[:, : len(headers(world))], planned, random)
    if kind == "telemetry_gone":
        lose_telemetry(values, random)
    recording = Recording(start + planned.times, _columns(world), values)
    return Run(recording, _truth(world, planned, kind, found, tuple(names)))


def _offsets(world: World, random: np.random.Generator) -> Knobs:
    """One tick: the offsets of the world and those of this run alone."""
    about, services, edges = world.staging, len(world.services), len(world.edges)
    own, tail, cost, memory = random.normal(0.0, about.per_run, (4, services))
    one = Knobs.still(1, world)
    one.own *= np.exp(about.own + own)
    one.tail *= np.exp(about.tail + tail)
    one.cost *= np.exp(about.cost + cost)
    one.memory *= np.exp(about.memory + memory)
    one.calls *= np.exp(about.calls + random.normal(0.0, 0.3 * about.per_run, edges))
    one.errors += world.service.errors * (np.exp(about.errors) - 1)
    return one


def _repeat(one: Knobs, ticks: int) -> Knobs:
    return Knobs(*(np.repeat(getattr(one, name), ticks, axis=0) for name in Knobs.__slots__))


def _columns(world: World) -> tuple[str, ...]:
    return headers(world) + (GENERATOR if world.generator else ())


def _values(
    world: World,
    kind: str,
    planned: Plan,
    load: Floats,
    knobs: Knobs,
    random: np.random.Generator,
) -> Floats:
    state = expected(world, load, knobs, world.staging.capacity_ratio)
    values = observe(world, state, knobs, world.step, random, world.staging.noisier)
    if not world.generator:
        return values
    return np.hstack((values, generator_columns(world, kind, planned, load, random)))


def _worsen(
    world: World,
    values: Floats,
    load: Floats,
    planned: Plan,
    number: int,
    random: np.random.Generator,
) -> None:
    """Every column but the load worse by what is tolerated, half of the runs from the start."""
    onset = 0.0 if number % 2 else random.uniform(planned.ramped + 120.0, planned.drained - 300.0)
    after = planned.times >= onset
    for column, name in enumerate(headers(world)):
        signal, service = parts(name)
        if signal == "error_ratio":
            flow = world.flow()[world.services.index(service)]
            values[:, column] += _more_errors(world, load * flow, after, random)
        elif signal != "request_rate":
            values[after, column] *= 1 + TOLERATE
        elif service != GATEWAY:
            values[after, column] *= 1 - TOLERATE


def _more_errors(
    world: World, rate: Floats, after: NDArray[np.bool_], random: np.random.Generator
) -> Floats:
    """float64[t]: what is tolerated, as the share of requests that a window would have shown."""
    count = np.rint(rate * world.step)
    bad = random.binomial(count.astype(np.int64), np.where(after, TOLERATE_ERRORS, 0.0))
    window = max(1, round(world.window / world.step))
    sums = [trailing(one.astype(float)[:, None], window)[:, 0] for one in (bad, count)]
    return np.asarray(sums[0] / np.maximum(sums[1], 1.0), dtype=float)


def _truth(
    world: World, planned: Plan, kind: str, found: Fault | None, names: tuple[str, ...]
) -> Truth:
    per_capacity = planned.load.max() / world.staging.capacity_ratio
    beyond = bool(per_capacity > (1 + world.swing) * world.usual)
    if kind:
        return Truth("broken", kind, beyond=beyond, negatives=names)
    if found is None:
        return Truth("good", beyond=beyond, negatives=names)
    whole = found.onset == 0.0
    return Truth(
        "bad",
        found.kind.name,
        found.size,
        found.onset,
        world.services[found.root],
        whole,
        whole and inside_spread(world, found.affected, found.size),
        beyond,
        names,
    )


def inside_spread(world: World, affected: str, size: float) -> bool:
    """Whether a shift is within two standard deviations of staging's ordinary offsets."""
    spread = world.staging.spread
    name = SPREAD_OF.get(affected, affected)
    if name not in spread or name == "errors":
        return False
    deviation = np.hypot(spread["latency"], spread["tail"]) if name == "tail" else spread[name]
    return bool(abs(np.log1p(size)) < 2 * deviation)
