"""Days of production: the load of day and week, incidents, deploys, batch jobs and gaps."""

from __future__ import annotations

import numpy as np

from bench.judgement.model import Knobs, expected
from bench.judgement.observe import headers, observe
from bench.judgement.records import Floats, Recording
from bench.judgement.world import World

STEP = 60.0
DAY = 86_400.0
START = 1_767_571_200.0
"""A Monday, 00:00 UTC."""


def production(world: World) -> Recording:
    """`world.days` days in steps of a minute, ending before any of its test runs."""
    random = np.random.default_rng([world.seed, world.index, 1])
    ticks = int(world.days * DAY / STEP)
    times = START + STEP * np.arange(ticks, dtype=float)
    load = _load(world, times, random)
    knobs = Knobs.still(ticks, world)
    collect_garbage(world, knobs, times, STEP)
    _incidents(knobs, random)
    _deploys(knobs, random)
    if world.batch:
        _batch(knobs, times, random)
    values = observe(world, expected(world, load, knobs), knobs, STEP, random)
    _damage(values, random)
    return Recording(times, headers(world), values)


def _load(world: World, times: Floats, random: np.random.Generator) -> Floats:
    hour = (times % DAY) / 3600.0
    daily = (
        1 + world.swing * np.sin(2 * np.pi * (hour - 9) / 24) + 0.12 * np.sin(4 * np.pi * hour / 24)
    )
    weekend = np.where((times - START) // DAY % 7 >= 5, random.uniform(0.6, 1.0), 1.0)
    shocks = random.normal(0.0, 0.03, len(times) // 5 + 2)
    drift = np.interp(np.arange(len(times)), 5 * np.arange(len(shocks)), shocks)
    jitter = random.normal(0.0, world.noise.load, len(times))
    return np.asarray(world.usual * daily * weekend * np.exp(drift + jitter), dtype=float)


def collect_garbage(world: World, knobs: Knobs, times: Floats, step: float) -> None:
    """Pauses of about ten seconds that lengthen the tail, in production as in staging."""
    pause = 10.0
    for k in np.flatnonzero(np.isfinite(world.service.garbage_period)):
        period = world.service.garbage_period[k]
        since = times % period
        felt = np.clip((pause + step - since) / step, 0.0, 1.0) * (since < step + pause)
        share = np.minimum(felt, min(1.0, pause / step))
        knobs.tail[:, k] *= 1 + world.service.garbage_size[k] * share


def _incidents(knobs: Knobs, random: np.random.Generator) -> None:
    ticks, services = knobs.own.shape
    for _ in range(int(random.integers(1, 5))):
        span = _span(ticks, random.integers(10, 61), random)
        k = int(random.integers(services))
        knobs.own[span, k] *= random.uniform(1.5, 4.0)
        knobs.errors[span, k] += random.uniform(0.01, 0.2)


def _deploys(knobs: Knobs, random: np.random.Generator) -> None:
    ticks, services = knobs.own.shape
    for _ in range(int(random.integers(2, 9))):
        span = _span(ticks, random.integers(2, 6), random)
        k = int(random.integers(services))
        knobs.own[span, k] *= random.uniform(1.2, 2.0)
        knobs.cost[span, k] *= random.uniform(1.1, 1.6)
        knobs.memory[span, k] *= 0.7


def _batch(knobs: Knobs, times: Floats, random: np.random.Generator) -> None:
    """A job that runs at the same minute of every hour."""
    minute, length = random.integers(0, 50), random.integers(3, 9)
    at = (times // 60 % 60 >= minute) & (times // 60 % 60 < minute + length)
    k = int(random.integers(knobs.own.shape[1]))
    knobs.cost[at, k] *= random.uniform(1.1, 1.4)
    knobs.own[at, k] *= random.uniform(1.05, 1.4)


def _damage(values: Floats, random: np.random.Generator) -> None:
    ticks, columns = values.shape
    for _ in range(int(random.integers(1, 5))):
        values[_span(ticks, random.integers(5, 121), random)] = np.nan
    for _ in range(int(random.integers(0, 6))):
        column = int(random.integers(columns))
        values[_span(ticks, random.integers(5, 121), random), column] = np.nan
        values[random.integers(ticks), random.integers(columns)] *= 10.0 ** random.uniform(2.0, 6.0)


def _span(ticks: int, length: int | np.integer, random: np.random.Generator) -> slice:
    begin = int(random.integers(0, ticks - int(length)))
    return slice(begin, begin + int(length))
