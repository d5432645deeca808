"""Runs in which no single signal is out of its band, but their combination is unlike any before.

Latency, CPU and requests under way of a service share a factor (a neighbour, a cache, a pause), in
production as in staging. A joint shift keeps what each of them does and changes what they do
together; its twin moves as far the way they always move.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

import numpy as np
from scipy.signal import lfilter

from bench.judgement.faults import LEAST_FLOW
from bench.judgement.observe import trailing
from bench.judgement.production import production
from bench.judgement.records import Floats, Recording, Run, Truth, header, parts
from bench.judgement.staging import run
from bench.judgement.world import World

KINDS = ("decoupled", "reversed", "apart", "three")
"""decoupled: CPU follows a factor of its own, as large; reversed: it falls when latency rises;
apart: latency up, CPU down, for good; three: requests under way down too, latency up."""

SIZES = (0.7, 1.2, 2.0)
"""Standard deviations that each signal is shifted by."""

STRENGTHS = (1.0, 2.0, 3.0)
"""The factor's sd over that of what a signal does alone."""

COUPLED = ("latency_p50_seconds", "latency_p95_seconds", "cpu_utilisation", "inflight_requests")
FOLLOWS = {name: "cpu" if name == "cpu_utilisation" else "latency" for name in COUPLED}
SHIFTS = {
    "apart": {"latency_p50_seconds": 1.0, "latency_p95_seconds": 1.0, "cpu_utilisation": -1.0},
    "three": {
        "latency_p50_seconds": 1.0,
        "latency_p95_seconds": 1.0,
        "cpu_utilisation": -1.0,
        "inflight_requests": -1.0,
    },
}


@dataclass(frozen=True, slots=True)
class Change:
    """What is done to one service from `onset` on, seconds from the start; size: see `SIZES`.
    twin: moved as far, the way that is usual."""

    kind: str
    service: str
    onset: float
    size: float
    twin: bool


def strength(world: World) -> float:
    """Of its factor: one of `STRENGTHS`."""
    return STRENGTHS[world.index % len(STRENGTHS)]


def history(world: World) -> Recording:
    """Production with its factors."""
    return _coupled(world, production(world), None, "production", 0)


def accepted(world: World, number: int) -> Recording:
    return _coupled(world, run(world, "accepted", number).recording, None, "accepted", number)


def joint(world: World, kind: str, number: int, *, twin: bool = False) -> Run:
    """A run with a joint shift, or its twin; every third is off from the start.

    Raises ValueError if there is no such kind.
    """
    if kind not in KINDS:
        raise ValueError(f"no kind {kind!r} of joint shift; there are {', '.join(KINDS)}")
    plain = run(world, "good", number)
    random = np.random.default_rng([world.seed, world.index, 5, zlib.crc32(kind.encode()), number])
    span = float(np.ptp(plain.recording.times))
    onset = 0.0 if number % 3 == 2 else float(random.uniform(0.35, 0.6)) * span
    busy = [s for s, rate in zip(world.services, world.flow(), strict=True) if rate >= LEAST_FLOW]
    size = SIZES[number // 3 % len(SIZES)] if kind in SHIFTS else strength(world)
    change = Change(kind, busy[int(random.integers(len(busy)))], onset, size, twin)
    recording = _coupled(world, plain.recording, change, kind, number)
    if twin:
        return Run(recording, replace(plain.truth, kind=f"{kind}, as usual", size=size))
    truth = Truth("joint", kind, size, onset, change.service, onset == 0.0, False)
    return Run(recording, replace(truth, beyond=plain.truth.beyond))


def _coupled(
    world: World, plain: Recording, change: Change | None, name: str, number: int
) -> Recording:
    """The recording with a factor in every service, and a change in one."""
    seed = [world.seed, world.index, 4, zlib.crc32(name.encode()), number]
    values = plain.values.copy()
    for k, service in enumerate(world.services):
        random = np.random.default_rng([*seed, k])
        mine = change if change is not None and change.service == service else None
        factors = _factors(world, plain.times, mine, random)
        for signal in COUPLED:
            column = plain.headers.index(header(signal, service))
            values[:, column] *= np.exp(factors[FOLLOWS[signal]])
            if mine is not None and mine.kind in SHIFTS:
                step = SHIFTS[mine.kind].get(signal, 0.0)
                step = abs(step) if mine.twin else step
                after = plain.times - plain.times[0] >= mine.onset
                values[after, column] *= np.exp(step * mine.size * _sd(world, signal))
    return Recording(plain.times, plain.headers, _capped(plain.headers, values))


def _factors(
    world: World, times: Floats, change: Change | None, random: np.random.Generator
) -> dict[str, Floats]:
    """float64[t] each: what latency and what CPU is multiplied by, as logs."""
    step = float(times[1] - times[0])
    common, other = (_wave(world, step, len(times), random) for _ in range(2))
    of_cpu = common.copy()
    if change is not None and not change.twin and change.kind in ("decoupled", "reversed"):
        after = times - times[0] >= change.onset
        of_cpu = np.where(after, other if change.kind == "decoupled" else -common, common)
    about, times_own = world.noise.scatter, strength(world)
    return {
        "latency": times_own * about["latency"] * common,
        "cpu": times_own * about["cpu"] * of_cpu,
    }


def _wave(world: World, step: float, ticks: int, random: np.random.Generator) -> Floats:
    """AR(1) of unit variance, averaged over the window that signals are taken over."""
    phi = world.noise.phi["latency"] ** (step / 15.0)
    shocks = random.normal(0.0, 1.0, ticks)
    shocks[1:] *= np.sqrt(1 - phi**2)
    window = max(1, round(world.window / step))
    wave = np.asarray(lfilter([1.0], [1.0, -phi], shocks), dtype=float)
    over = np.minimum(np.arange(ticks) + 1, window)
    return trailing(wave[:, np.newaxis], window)[:, 0] / over


def _sd(world: World, signal: str) -> float:
    """Of a signal's log, from its own noise and the factor's."""
    return float(np.hypot(1.0, strength(world)) * world.noise.scatter[FOLLOWS[signal]])


def _capped(headers: tuple[str, ...], values: Floats) -> Floats:
    for column, name in enumerate(headers):
        if parts(name)[0] == "cpu_utilisation":
            np.minimum(values[:, column], 1.0, out=values[:, column])
    return values
