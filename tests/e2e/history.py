"""Three days of production for a real Prometheus, from what the services were measured to do.

Load goes up and down with the hour of the day; at each scrape the requests since the last one are
drawn from the distribution that was measured at that load, slowed or hastened by what any real
system has besides: a few percent that wander over minutes. Written as OpenMetrics, one file per
block, and turned into blocks by promtool.
"""

from __future__ import annotations

import math
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from anomalyd.demo.topology import EDGES, ENTRY, WORK
from anomalyd.model import Floats, Labels
from tests.e2e.measure import LOADS, SERVER, Service
from tests.tools import need

DAY = 86400.0
BLOCK = 7200.0
LEAST, MOST = 14.0, 74.0
"""Requests per second in the small hours and at noon."""

LATENCY_WANDER, CPU_WANDER, LOAD_WANDER = 0.02, 0.06, 0.05
MINUTES = 5.0
"""Sds of the wandering, on a log scale, and how long it is remembered."""


@dataclass(slots=True)
class History:
    """times: float64[n], scrapes; series: metric with labels → float64[n], cumulative counters
    and gauges."""

    times: Floats
    series: dict[Labels, Floats] = field(default_factory=dict)

    def put(self, name: str, labels: Mapping[str, str], values: Floats) -> None:
        self.series[Labels.of({"__name__": name, **labels})] = values


def generate(
    services: Mapping[str, Service], end: float, days: float, interval: float, seed: int
) -> History:
    """What production's scrapes of `days` up to `end` (unix seconds) would have stored.

    The buckets of failed requests are left out, as by a relabelling rule that saves room: they
    take as long as the others, and are in a hundred thousand.
    """
    rng = np.random.default_rng(seed)
    times = (
        np.arange(math.ceil((end - days * DAY) / interval), math.floor(end / interval)) * interval
    )
    history = History(times)
    hour = (times % DAY) / 3600
    load = LEAST + (MOST - LEAST) * (0.5 - 0.5 * np.cos(2 * np.pi * (hour - 4) / 24))
    load = load * np.exp(_wander(rng, times, LOAD_WANDER))
    requests = rng.poisson(load * interval)
    bad = _failures(rng, requests)
    for name, service in services.items():
        labels = {"service": name, "job": name, "instance": f"10.0.0.1/{name}", "env": "production"}
        _requests(history, rng, service, labels, load, requests, bad[name])
        cores = _at(load, service.cores) * np.exp(_wander(rng, times, CPU_WANDER))
        # The kernel counts a process's time in hundredths of a second.
        used = np.floor(np.cumsum(cores * interval) * 100) / 100
        history.put("process_cpu_seconds_total", labels, used)
        resident = service.memory * np.exp(_wander(rng, times, 0.005))
        history.put("process_resident_memory_bytes", labels, np.round(resident / 4096) * 4096)
        history.put("up", labels, np.ones(len(times)))
    return history


def _requests(
    history: History,
    rng: np.random.Generator,
    service: Service,
    labels: Mapping[str, str],
    load: Floats,
    requests: Floats,
    bad: Mapping[str, Floats],
) -> None:
    """Counts per status, and the buckets of the good ones."""
    route = {"http_request_method": "GET", "http_route": f"/{labels['service']}"}
    mean = _at(load, service.mean)
    good = requests - sum(bad.values())
    for status in service.statuses:
        count = good if status == "200" else bad[status]
        marked = {**labels, **route, "http_response_status_code": status}
        history.put(f"{SERVER}_count", marked, np.cumsum(count).astype(float))
        history.put(f"{SERVER}_sum", marked, np.round(np.cumsum(count * mean), 3))
    shares = _hastened(_at(load, service.shares), _wander(rng, history.times, LATENCY_WANDER))
    drawn = rng.multinomial(good.astype(np.int64), shares)
    below = np.cumsum(np.cumsum(drawn, axis=0), axis=1).astype(float)
    marked = {**labels, **route, "http_response_status_code": "200"}
    for edge, column in zip(service.edges, below.T, strict=True):
        history.put(f"{SERVER}_bucket", {**marked, "le": edge}, column)


def _failures(rng: np.random.Generator, requests: Floats) -> dict[str, dict[str, Floats]]:
    """Service → status → count per scrape. A service fails by itself (500) or since what it
    calls failed (502)."""
    bad: dict[str, dict[str, Floats]] = {}

    def visit(name: str) -> None:
        for callee in EDGES[name]:
            visit(callee)
        own = rng.binomial(requests, WORK[name].errors)
        bad[name] = {"500": own}
        if EDGES[name]:
            below = sum(sum(bad[callee].values()) for callee in EDGES[name])
            bad[name]["502"] = np.minimum(below, requests - own)

    visit(ENTRY)
    return bad


def _at(load: Floats, measured: Floats) -> Floats:
    """`measured` (first axis: LOADS) at each `load`, linear between."""
    knots = np.array(LOADS)
    right = np.clip(np.searchsorted(knots, load), 1, len(knots) - 1)
    share = np.clip((load - knots[right - 1]) / (knots[right] - knots[right - 1]), 0, 1)
    share = share.reshape(-1, *[1] * (measured.ndim - 1))
    found: Floats = measured[right - 1] * (1 - share) + measured[right] * share
    return found


def _hastened(shares: Floats, log_factor: Floats) -> Floats:
    """Shares of buckets, each 1.2 times as wide as the one before, once all takes that longer."""
    below = np.cumsum(shares, axis=1)
    steps = (log_factor / math.log(1.2))[:, np.newaxis]
    before = np.pad(below, ((0, 0), (1, 0)))[:, :-1]
    after = np.pad(below, ((0, 0), (0, 1)), mode="edge")[:, 1:]
    slower, faster = np.maximum(steps, 0), np.maximum(-steps, 0)
    moved = below - slower * (below - before) + faster * (after - below)
    moved[:, -1] = 1.0
    parts = np.maximum(np.diff(moved, axis=1, prepend=0.0), 0.0)
    return parts / parts.sum(axis=1, keepdims=True)


def _wander(rng: np.random.Generator, times: Floats, sd: float) -> Floats:
    """AR(1) with that sd, drawn once a minute and straight between."""
    minutes = np.arange(times[0] - 60, times[-1] + 120, 60.0)
    phi = math.exp(-1 / MINUTES)
    shocks = rng.normal(0, sd * math.sqrt(1 - phi * phi), len(minutes))
    level, levels = rng.normal(0, sd), []
    for shock in shocks:
        level = phi * level + shock
        levels.append(level)
    return np.interp(times, minutes, levels)


def backfill(history: History, data: Path, scratch: Path) -> None:
    """Write the history's blocks into a Prometheus data directory, one promtool per block."""
    promtool = need("promtool")

    def block(number: int, part: slice) -> None:
        text = scratch / f"block-{number}.om"
        with text.open("w", encoding="utf-8") as file:
            file.writelines(exposition(history, part))
        command = [str(promtool), "tsdb", "create-blocks-from", "openmetrics", str(text), str(data)]
        done = subprocess.run([*command, "--quiet"], capture_output=True, text=True, check=False)
        text.unlink()
        if done.returncode:
            raise RuntimeError(f"promtool: {done.stderr.strip()}")

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(block, *zip(*enumerate(_blocks(history.times)), strict=True)))


def exposition(history: History, part: slice) -> Iterator[str]:
    """OpenMetrics text of some scrapes, series by series."""
    stamps = [f" {time:.3f}\n" for time in history.times[part].tolist()]
    for labels, values in history.series.items():
        series = f"{labels.get('__name__')}{labels.without(['__name__'])} "
        shown: Iterable[str] = map("{:.12g}".format, values[part].tolist())
        yield "".join([series + value + stamp for value, stamp in zip(shown, stamps, strict=True)])
    yield "# EOF\n"


def _blocks(times: Floats) -> list[slice]:
    """Scrapes that go into the same two hours, as Prometheus cuts them."""
    edges = np.flatnonzero(np.diff(np.floor(times / BLOCK))) + 1
    ends = [0, *edges.tolist(), len(times)]
    return [slice(a, b) for a, b in pairwise(ends)]
