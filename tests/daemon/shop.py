"""A shop of three services as its Prometheus tells of it: what a test says, at any time asked."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from aiohttp import web

from anomalyd.baseline.file import save
from anomalyd.baseline.fit import FitInput, fit
from anomalyd.config import Config, parse
from tests.fakes.prometheus import FakePrometheus, vector

SERVICES = ("cart", "gateway", "pricing")
WINDOW = 30.0
METRICS = {
    "latency_seconds": ["service", "job"],
    "requests_total": ["service", "job"],
    "failed_total": ["service", "job"],
}
START = 1_800_000_000.0
Series = tuple[dict[str, str], str | float]


@dataclass
class Shop(FakePrometheus):
    """load: requests/s at each service. slower, failing: factor of latency and share of failed
    requests by service, 1 and 0.002 where not set. Extra series are added to latency's answer.
    runs: value of the label `testid` by run, '' where series carry none. more: what ranges of other
    metrics yield, by query and time.
    """

    load: float = 50.0
    slower: dict[str, float] = field(default_factory=dict)
    failing: dict[str, float] = field(default_factory=dict)
    extra: list[Series] = field(default_factory=list)
    runs: tuple[str, ...] = ("",)
    running: float = 0.0
    now: float | None = None
    more: Callable[[str, float], list[Series]] = lambda query, time: []

    def __post_init__(self) -> None:
        self.metrics = dict(METRICS)
        self.ranges = self.series

    def _query(self, query: str, form: dict[str, str]) -> web.Response:
        if query == "time()" and self.now is not None:
            now = self.now + self.skew
            return self._ok({"resultType": "scalar", "result": [now, repr(now)]})
        at = float(form.get("time", START))
        if query == "running{}" or query.startswith("running"):
            found = [({"testid": run} if run else {}, self.running) for run in self.runs]
            return self._ok(vector(*found, at=at))
        if any(metric in query for metric in METRICS) and not query.startswith("count("):
            return self._ok(vector(*self.series(query, at), at=at))
        return super()._query(query, form)

    def series(self, query: str, time: float) -> list[Series]:
        """What a query yields at a time; the same whenever it is asked."""
        if not any(metric in query for metric in METRICS):
            return self.more(query, time)
        if "latency_seconds" in query:
            return [*self._of_services(self.latency, time), *self.extra]
        if "failed_total" in query:
            return self._of_services(self.errors, time)
        if "increase(requests_total" in query:
            return self._of_services(lambda *_: self.load * WINDOW, time)
        return [(self._labels("", run), self.load) for run in self.runs]

    def latency(self, service: str, time: float) -> float:
        usual = 0.02 * (1 + self.load / 100) * math.exp(0.03 * _normal(service, time))
        return usual * self.slower.get(service, 1.0)

    def errors(self, service: str, time: float) -> float:
        share = self.failing.get(service, 0.002)
        return max(0.0, share + 0.001 * _normal(f"errors {service}", time))

    def _of_services(self, value: Any, time: float) -> list[Series]:
        return [
            (self._labels(service, run), value(service, time))
            for service in SERVICES
            for run in self.runs
        ]

    def _labels(self, service: str, run: str) -> dict[str, str]:
        labels = {"service": service, "testid": run}
        return {name: value for name, value in labels.items() if value}


def _normal(what: str, time: float) -> float:
    return random.Random(f"{what} {time:.1f}").gauss()  # noqa: S311


def settings(staging: str, production: str | None, state: Path, **more: Any) -> dict[str, Any]:
    """A configuration as YAML would have it; `more` replaces whole sections."""
    environments: dict[str, Any] = {"staging": {"url": staging, "timeout": "2s"}}
    if production is not None:
        environments["production"] = {"url": production, "timeout": "2s"}
    return {
        "environments": environments,
        "signals": {
            "presets": [],
            "custom": [
                {"name": "latency", "kind": "latency", "unit": "s", "gauge": "latency_seconds"},
                {
                    "name": "errors",
                    "kind": "errors",
                    "ratio": {"bad": "failed_total", "total": "requests_total"},
                },
            ],
        },
        "load": {"rate": "requests_total"},
        "graph": {"gateway": ["cart"], "cart": ["pricing"]},
        "step": "10s",
        "window": "30s",
        "state_dir": str(state),
        "judgement": {"warmup": "30s", "settle": "30s"},
        "api": {"listen": "127.0.0.1:0"},
        "reports": {"formats": ["json"]},
        **more,
    }


def configuration(staging: str, production: str | None, state: Path, **more: Any) -> Config:
    return parse(settings(staging, production, state, **more))


def write_baseline(
    path: Path, config: Config, *, window: float = WINDOW, windows: int = 600
) -> None:
    """What the shop does in production at 20 to 100 requests/s, as a baseline file."""
    shop = Shop()
    times = np.arange(windows) * WINDOW
    loads = 60 + 40 * np.sin(np.arange(windows) / 20)
    signals = {one.name: one.signal() for one in config.signals.custom}
    latency, errors = np.zeros((2, len(SERVICES), windows))
    for at, (time, load) in enumerate(zip(times, loads, strict=True)):
        shop.load = float(load)
        latency[:, at] = [shop.latency(service, time) for service in SERVICES]
        errors[:, at] = [shop.errors(service, time) for service in SERVICES]
    counts = np.broadcast_to(loads * WINDOW, errors.shape)
    unknown = np.full_like(latency, np.nan)
    inputs = [
        FitInput(signals["latency"], _keys("latency"), latency, unknown),
        FitInput(signals["errors"], _keys("errors"), errors, counts),
    ]
    meta = {"created_at": START, "queries": {}}
    save(fit(times, loads, inputs, step=WINDOW, window=window, meta=meta), path)


def _keys(signal: str) -> list[str]:
    return [f'{signal}{{service="{service}"}}' for service in SERVICES]
