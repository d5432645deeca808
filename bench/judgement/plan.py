"""The load that a generator is asked to make in a test run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.judgement.model import Knobs, expected
from bench.judgement.records import Floats
from bench.judgement.world import World

SHAPES = ("steady", "steps", "spike")


@dataclass(frozen=True, slots=True)
class Plan:
    """times: float64[t] seconds from the start; load: float64[t] requests per second at the
    gateway; ramped, drained: seconds at which the ramp ends and the drain begins."""

    times: Floats
    load: Floats
    ramped: float
    drained: float


def plan(world: World, offsets: Knobs, random: np.random.Generator) -> Plan:
    """From a third of production's usual load to twice that, as far as staging can carry it.

    offsets: one tick, how staging differs in this run. A world with a habit has one plan and
    varies its level by a few percent.
    """
    choice = np.random.default_rng([world.seed, world.index, 3]) if world.habit else random
    duration = world.step * round(choice.uniform(1200.0, 1800.0) / world.step)
    ramped = choice.uniform(90.0, 240.0)
    drained = duration - choice.uniform(45.0, 100.0)
    shape = str(choice.choice(SHAPES))
    wished = world.usual * np.exp(choice.uniform(np.log(1 / 3), np.log(2.0)))
    limit, peak = choice.uniform(0.55, 0.85), choice.uniform(1.2, 1.5)
    times = world.step * np.arange(round(duration / world.step), dtype=float)
    form = _form(times, ramped, drained, shape, peak, choice)
    wished *= random.uniform(0.95, 1.05)
    top = min(wished * form.max(), limit * bearable(world, offsets))
    return Plan(times, form / form.max() * top, ramped, drained)


def bearable(world: World, offsets: Knobs) -> float:
    """Requests per second at the gateway that would fill the busiest service."""
    one = expected(world, np.ones(1), offsets, world.staging.capacity_ratio)
    return float(1.0 / one.busy.max())


def _form(
    times: Floats,
    ramped: float,
    drained: float,
    shape: str,
    peak: float,
    random: np.random.Generator,
) -> Floats:
    """Load relative to the plateau."""
    rise = np.clip(times / ramped, 0.0, 1.0)
    fall = np.clip(1 - (times - drained) / 30.0, 0.0, 1.0)
    form = np.ones_like(times)
    share = (times - ramped) / (drained - ramped)
    if shape == "steps":
        form = np.select([share < 0.33, share < 0.67], [0.5, 0.75], 1.0)
    elif shape == "spike":
        at, length = random.uniform(0.3, 0.7), random.uniform(45.0, 120.0)
        since = times - ramped - at * (drained - ramped)
        form[(since >= 0) & (since < length)] = peak
    return np.asarray(form * rise * fall, dtype=float)
