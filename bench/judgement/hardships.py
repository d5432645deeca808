"""What happens in good runs and must not fail them, and what makes a run no test at all."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bench.judgement.model import Knobs
from bench.judgement.plan import Plan
from bench.judgement.records import Floats
from bench.judgement.world import World

Disturb = Callable[[Knobs, Plan, np.random.Generator], None]
Damage = Callable[[Floats, Plan, np.random.Generator], None]


def cold_start(knobs: Knobs, plan: Plan, random: np.random.Generator) -> None:
    """Caches are empty and code is not compiled yet."""
    decay = np.exp(-plan.times / random.uniform(20.0, 60.0))[:, None]
    knobs.own *= 1 + random.uniform(0.3, 2.0) * decay
    knobs.cost *= 1 + random.uniform(0.1, 0.6) * decay


def blip(knobs: Knobs, plan: Plan, random: np.random.Generator) -> None:
    """One service is slow once, for 25 to 40 s."""
    begin = random.uniform(plan.ramped, plan.drained - 60.0)
    length = random.uniform(25.0, 40.0)
    at = (plan.times >= begin) & (plan.times < begin + length)
    knobs.own[at, int(random.integers(knobs.own.shape[1]))] *= random.uniform(1.5, 5.0)


def gap(values: Floats, plan: Plan, random: np.random.Generator) -> None:
    """Nothing is scraped for half a minute to two minutes."""
    values[_span(plan, random.uniform(30.0, 120.0), random)] = np.nan


def lost_column(values: Floats, plan: Plan, random: np.random.Generator) -> None:
    column = int(random.integers(values.shape[1]))
    values[_span(plan, random.uniform(30.0, 180.0), random), column] = np.nan


def reset(values: Floats, plan: Plan, random: np.random.Generator) -> None:
    """A counter starts anew: everything of it is zero for one sample."""
    row, column = int(random.integers(8, len(values) - 8)), int(random.integers(values.shape[1]))
    values[row, column] = 0.0


def absurd(values: Floats, plan: Plan, random: np.random.Generator) -> None:
    row, column = int(random.integers(8, len(values) - 8)), int(random.integers(values.shape[1]))
    values[row, column] *= 10.0 ** random.uniform(2.0, 6.0)


def stuck(values: Floats, plan: Plan, random: np.random.Generator) -> None:
    """A column repeats its last value for one to four minutes."""
    span = _span(plan, random.uniform(60.0, 240.0), random)
    column = int(random.integers(values.shape[1]))
    values[span, column] = values[span.start, column]


DISTURBANCES: tuple[tuple[Disturb, float], ...] = ((cold_start, 0.7), (blip, 0.3))
DAMAGES: tuple[tuple[Damage, float], ...] = (
    (gap, 0.25),
    (lost_column, 0.3),
    (reset, 0.25),
    (absurd, 0.25),
    (stuck, 0.25),
)
"""With the share of runs they happen in."""


def disturb(knobs: Knobs, plan: Plan, random: np.random.Generator) -> list[str]:
    """Names of what was done to the system, in place."""
    chosen = [one for one, share in DISTURBANCES if random.random() < share]
    for one in chosen:
        one(knobs, plan, random)
    return [one.__name__ for one in chosen]


def damage(values: Floats, plan: Plan, random: np.random.Generator) -> list[str]:
    """Names of what was done to the telemetry, in place."""
    chosen = [one for one, share in DAMAGES if random.random() < share]
    for one in chosen:
        one(values, plan, random)
    return [one.__name__ for one in chosen]


def _span(plan: Plan, seconds: float, random: np.random.Generator) -> slice:
    step = plan.times[1] - plan.times[0]
    length = max(2, round(seconds / step))
    begin = int(random.integers(1, len(plan.times) - length))
    return slice(begin, begin + length)


BROKEN = ("stopped", "stalling", "telemetry_gone", "no_load")


def broken_load(kind: str, plan: Plan, random: np.random.Generator) -> Floats:
    """float64[t]: the load when the generator does not do what was asked of it."""
    length = plan.drained - plan.ramped
    if kind == "stopped":
        return np.where(plan.times < plan.ramped + random.uniform(0.0, 0.35) * length, plan.load, 0)
    if kind == "stalling":
        period, share = random.uniform(180.0, 300.0), random.uniform(0.6, 0.85)
        working = plan.times % period < (1 - share) * period
        return np.where(working | (plan.times < plan.ramped), plan.load, 0.02 * plan.load)
    return np.zeros_like(plan.load) if kind == "no_load" else plan.load


def lose_telemetry(values: Floats, random: np.random.Generator) -> None:
    """All columns are gone for 60 to 95% of the run, at one stretch."""
    length = int(len(values) * random.uniform(0.6, 0.95))
    begin = int(random.integers(0, len(values) - length + 1))
    values[begin : begin + length] = np.nan


GENERATOR = (
    "generator_cpu_utilisation",
    "generator_dropped_iterations_rate",
    "generator_vus",
)


def generator_columns(
    world: World, kind: str, plan: Plan, load: Floats, random: np.random.Generator
) -> Floats:
    """float64[t, 3] as in `GENERATOR`: what the load generator says of itself."""
    late = kind == "stalling"
    missing = np.maximum(plan.load - load, 0.0)
    busy = 0.05 + 0.35 * plan.load / max(plan.load.max(), 1e-9)
    busy = np.where(missing > 0.5 * plan.load, 0.99 if late else 0.01, busy)
    noise = np.exp(random.normal(0.0, 0.05, len(load)))
    dropped = missing if late else np.zeros_like(load)
    vus = np.ceil(plan.load * 0.3)
    if kind in ("stopped", "no_load"):
        vus = np.where(load > 0, vus, 0.0)
    return np.column_stack((np.minimum(busy * noise, 1.0), dropped, vus))
