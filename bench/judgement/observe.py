"""What monitoring shows of a state: counts, noise, and windows that smear."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from bench.judgement.model import Knobs, State
from bench.judgement.records import Floats, header
from bench.judgement.world import World

SIGNALS = (
    "request_rate",
    "error_ratio",
    "latency_p50_seconds",
    "latency_p95_seconds",
    "cpu_utilisation",
    "memory_bytes",
    "inflight_requests",
    "calls_per_request",
)
SCRAPES_PER_WINDOW = 4
OF_MEDIAN, OF_P95 = 1.253, 2.11
"""Standard deviation of a sample quantile of n normal values, times sqrt(n)."""


def headers(world: World) -> tuple[str, ...]:
    """Column names; only services that call others have `calls_per_request`."""
    callers = {caller for caller, _ in world.edges}
    return tuple(
        header(signal, service)
        for signal in SIGNALS
        for k, service in enumerate(world.services)
        if signal != "calls_per_request" or k in callers
    )


def observe(
    world: World,
    state: State,
    knobs: Knobs,
    step: float,
    random: np.random.Generator,
    noisier: float = 1.0,
) -> Floats:
    """float64[t, columns] as in `headers`. step: seconds; noisier: factor of the scatter."""
    window = max(1, round(world.window / step))
    cpu_window = max(1, round(world.cpu_window / step))
    noise = _Noise(world, state.rate.shape, step, random, noisier)
    count = random.poisson(state.rate * step).astype(float)
    p50, p95 = _latency(state, count, noise)
    callers = sorted({caller for caller, _ in world.edges})
    expected_calls = state.calls * count * noise.log("calls")
    requests = trailing(count, window)
    some = np.where(requests > 0, requests, np.nan)
    bad = random.binomial(count.astype(np.int64), state.errors).astype(float)
    ticks = np.minimum(np.arange(len(count)) + 1, window)[:, None]
    cpu_ticks = np.minimum(np.arange(len(count)) + 1, cpu_window)[:, None]
    held = random.poisson(state.inflight * SCRAPES_PER_WINDOW / window) / SCRAPES_PER_WINDOW
    columns = (
        requests / (ticks * step),
        trailing(bad, window) / some,
        _weighted(p50, count, window) / some,
        _weighted(p95, count, window) / some,
        trailing(np.minimum(state.cpu * noise.log("cpu"), 1.0), cpu_window) / cpu_ticks,
        state.memory * noise.log("memory"),
        trailing(held * window, window) / ticks,
        (trailing(random.poisson(expected_calls).astype(float), window) / some)[:, callers],
    )
    alive = [knobs.alive] * (len(SIGNALS) - 1) + [knobs.alive[:, callers]]
    return np.where(np.hstack(alive), np.hstack(columns), np.nan)


class _Noise:
    """Autocorrelated, heavy-tailed factors with median 1."""

    def __init__(
        self,
        world: World,
        shape: tuple[int, ...],
        step: float,
        random: np.random.Generator,
        noisier: float,
    ) -> None:
        self.about, self.shape, self.step = world.noise, shape, step
        self.random, self.noisier = random, noisier

    def student(self) -> Floats:
        """float64[t, services], heavy-tailed, of unit variance."""
        nu = self.about.freedom
        drawn = self.random.standard_t(nu, self.shape)
        return np.asarray(drawn * np.sqrt((nu - 2) / nu), dtype=float)

    def log(self, kind: str) -> Floats:
        phi = self.about.phi[kind] ** (self.step / 15.0)
        shocks = self.student()
        shocks[1:] *= np.sqrt(1 - phi**2)
        series = lfilter([1.0], [1.0, -phi], shocks, axis=0)
        return np.asarray(np.exp(self.about.scatter[kind] * self.noisier * series), dtype=float)


def _latency(state: State, count: Floats, noise: _Noise) -> tuple[Floats, Floats]:
    """(median, 95th percentile) of the requests of each tick; the fewer, the noisier."""
    width = np.log(state.p95 / state.p50) / 1.645
    per_request = width / np.sqrt(np.maximum(count, 1.0))
    shared = noise.log("latency")
    p50 = state.p50 * shared * np.exp(OF_MEDIAN * per_request * noise.student())
    p95 = state.p95 * shared * noise.log("tail") * np.exp(OF_P95 * per_request * noise.student())
    return p50, np.maximum(p95, p50)


def _weighted(values: Floats, count: Floats, window: int) -> Floats:
    return trailing(values * count, window)


def trailing(values: Floats, window: int) -> Floats:
    """Sums over the last `window` ticks, over fewer at the start. float64[t, n]."""
    total = np.cumsum(values, axis=0)
    total[window:] -= total[:-window].copy()
    return total
