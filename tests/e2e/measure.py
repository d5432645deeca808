"""What the demo's services do at several loads, read off their own /metrics."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from anomalyd.demo.load import Load, Steady
from anomalyd.demo.system import System
from anomalyd.model import Environment, Floats

SERVER = "http_server_request_duration_seconds"
LOADS = (12.0, 28.0, 45.0, 62.0, 80.0)
SECONDS = 5.0
"""At each load, on the way up and on the way down, so that what drifts meanwhile cancels."""
WARM_SECONDS = 5.0

Scraped = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@dataclass(frozen=True, slots=True)
class Service:
    """statuses: every response code the service exports. edges: its buckets' `le`, as exported.
    shares: float64[loads, edges], of requests in each bucket. mean: seconds, cores: float64[loads].
    memory: resident bytes at the end."""

    statuses: tuple[str, ...]
    edges: tuple[str, ...]
    shares: Floats
    mean: Floats
    cores: Floats
    memory: float

    def quantile(self, q: float, load: float) -> float:
        """Seconds, linear within a bucket."""
        shares = [np.interp(load, LOADS, column) for column in self.shares.T]
        upper = [float(edge) for edge in self.edges[:-1]]
        return float(np.interp(q, np.cumsum(shares)[:-1], upper))


async def measure(seed: int) -> dict[str, Service]:
    """Drive a system of its own through `LOADS`; service name → what it did."""
    async with System(Environment.PRODUCTION, seed) as system, aiohttp.ClientSession() as session:
        await Load(system.entry, Steady(LOADS[-1], WARM_SECONDS), seed).run()
        growth: dict[float, list[tuple[float, dict[str, Scraped]]]] = {}
        for number, load in enumerate((*LOADS, *reversed(LOADS))):
            before, began = await _scrape(session, system), time.monotonic()
            await Load(system.entry, Steady(load, SECONDS), seed * 100 + number).run()
            after = await _scrape(session, system)
            took = time.monotonic() - began
            growth.setdefault(load, []).append((took, _difference(before, after)))
        last = await _scrape(session, system)
    return {name: _service(name, growth, last[name]) for name in last}


async def _scrape(session: aiohttp.ClientSession, system: System) -> dict[str, Scraped]:
    found: dict[str, Scraped] = {}
    for target in system.targets():
        async with session.get(target.url) as response:
            families = list(text_string_to_metric_families(await response.text()))
        found[target.labels["service"]] = {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in families
            for sample in family.samples
        }
    return found


def _difference(before: Mapping[str, Scraped], after: Mapping[str, Scraped]) -> dict[str, Scraped]:
    return {
        name: {key: value - before[name].get(key, 0.0) for key, value in scraped.items()}
        for name, scraped in after.items()
    }


def _service(
    name: str, growth: Mapping[float, list[tuple[float, dict[str, Scraped]]]], last: Scraped
) -> Service:
    labels = [dict(pairs) for metric, pairs in last if metric == f"{SERVER}_bucket"]
    edges = tuple(sorted({label["le"] for label in labels}, key=float))
    shares, mean, cores = [], [], []
    for load in LOADS:
        parts = [part[name] for _, part in growth[load]]
        took = sum(seconds for seconds, _ in growth[load])
        below = [sum(_total(part, "_bucket", le=edge) for part in parts) for edge in edges]
        count = sum(_total(part, "_count") for part in parts)
        shares.append(np.diff([0.0, *below]) / count)
        mean.append(sum(_total(part, "_sum") for part in parts) / count)
        cores.append(sum(part["process_cpu_seconds_total", ()] for part in parts) / took)
    return Service(
        tuple(sorted({label["http_response_status_code"] for label in labels})),
        edges,
        np.array(shares),
        np.array(mean),
        np.array(cores),
        last["process_resident_memory_bytes", ()],
    )


def _total(scraped: Scraped, suffix: str, **wanted: str) -> float:
    """Over all response codes."""
    return sum(
        value
        for (metric, pairs), value in scraped.items()
        if metric == SERVER + suffix and wanted.items() <= dict(pairs).items()
    )
