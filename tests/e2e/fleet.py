"""Many services that have nothing to do with one another, by the clock on the wall, and faults."""

from __future__ import annotations

import math
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from aiohttp import web

from anomalyd.baseline.file import save
from anomalyd.baseline.fit import FitInput, fit
from anomalyd.config import Config
from tests.daemon.shop import START, Shop

SERVICES = tuple(f"service-{number:02}" for number in range(24))
LOAD = 50.0
"""Requests per second of each."""
FAILING, MEMORY = 0.002, 2e8
SIZES = {"latency": (1.6, 4.0), "errors": (0.04, 0.3), "memory": (1.5, 3.0)}
"""Least and most: what latency and memory are multiplied by, the share of requests that fails."""


@dataclass(frozen=True, slots=True)
class Fault:
    """since: unix seconds, when it is switched on."""

    service: str
    kind: str
    size: float
    since: float = math.inf

    def __str__(self) -> str:
        size = f"{self.size:.0%} fail" if self.kind == "errors" else f"x{self.size:.2f}"
        return f"{self.kind} {size}"


def drawn(chance: random.Random, many: int) -> list[Fault]:
    """Faults of different services; every kind is there as often."""
    services = chance.sample(SERVICES, many)
    kinds = [list(SIZES)[number % len(SIZES)] for number in range(many)]
    chance.shuffle(kinds)
    return [
        Fault(service, kind, math.exp(chance.uniform(*map(math.log, SIZES[kind]))))
        for service, kind in zip(services, kinds, strict=True)
    ]


class Fleet:
    """What one process exposes of them; values wander from window to window."""

    def __init__(self, window: float) -> None:
        self.window, self.begun = window, time.time()
        self.faults: dict[str, Fault] = {}
        self.address = ""
        self._shop = Shop(load=LOAD)

    async def metrics(self, _: web.Request) -> web.Response:
        now = time.time()
        return web.Response(text="\n".join([*map("\n".join, self._lines(now)), ""]))

    def _lines(self, now: float) -> list[list[str]]:
        return [
            [
                f'requests_total{{service="{service}"}} {LOAD * (now - self.begun)}',
                f'failed_total{{service="{service}"}} {self._failed(service, now)}',
                f'latency_seconds{{service="{service}"}} {self._latency(service, now)}',
                f'memory_bytes{{service="{service}"}} {self._memory(service, now)}',
            ]
            for service in SERVICES
        ]

    def _fault(self, service: str, kind: str, now: float) -> Fault | None:
        fault = self.faults.get(service)
        return fault if fault and fault.kind == kind and fault.since <= now else None

    def _failed(self, service: str, now: float) -> float:
        fault = self._fault(service, "errors", now)
        more = (fault.size - FAILING) * (now - fault.since) if fault else 0.0
        return LOAD * (FAILING * (now - self.begun) + more)

    def _latency(self, service: str, now: float) -> float:
        fault = self._fault(service, "latency", now)
        usual = self._shop.latency(service, self._slot(now))
        return usual * (fault.size if fault else 1.0)

    def _memory(self, service: str, now: float) -> float:
        fault = self._fault(service, "memory", now)
        return memory(service, self._slot(now)) * (fault.size if fault else 1.0)

    def _slot(self, now: float) -> float:
        return math.floor(now / self.window) * self.window


def memory(service: str, time: float) -> float:
    return MEMORY * math.exp(0.02 * random.Random(f"memory {service} {time:.1f}").gauss())  # noqa: S311


@asynccontextmanager
async def exposed(window: float) -> AsyncIterator[Fleet]:
    made = Fleet(window)
    app = web.Application()
    app.router.add_get("/metrics", made.metrics)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.address = f"127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


def write_baseline(path: Path, config: Config, window: float, windows: int = 600) -> None:
    """What they do in production at 20 to 100 requests/s each, as a baseline file."""
    shop = Shop()
    times = np.arange(windows) * window
    loads = 60 + 40 * np.sin(np.arange(windows) / 20)
    made = {name: np.zeros((len(SERVICES), windows)) for name in SIZES}
    for at, (moment, load) in enumerate(zip(times.tolist(), loads.tolist(), strict=True)):
        shop.load = load
        made["latency"][:, at] = [shop.latency(service, moment) for service in SERVICES]
        made["errors"][:, at] = [shop.errors(service, moment) for service in SERVICES]
        made["memory"][:, at] = [memory(service, moment) for service in SERVICES]
    counts = np.broadcast_to(loads * window, made["errors"].shape)
    unknown = np.full_like(counts, np.nan)
    signals = {one.name: one.signal() for one in config.signals.custom}
    inputs = [
        FitInput(
            signals[name],
            [f'{name}{{service="{service}"}}' for service in SERVICES],
            values,
            counts if name == "errors" else unknown,
        )
        for name, values in made.items()
    ]
    offered = loads * len(SERVICES)
    meta = {"created_at": START, "queries": {}}
    save(fit(times, offered, inputs, step=window, window=window, meta=meta), path)
