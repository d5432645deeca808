"""The two minutes of the demo: how long, how much load, what is judged and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anomalyd.demo.load import Steady, Sweep
from anomalyd.demo.system import Target
from anomalyd.demo.topology import EDGES, ENTRY, FaultKind

_SERVER = "http_server_request_duration_seconds"
_CLIENT = "http_client_request_duration_seconds"

SHOWS: Mapping[FaultKind, str] = {
    FaultKind.LATENCY: "latency_p95",
    FaultKind.ERRORS: "error_ratio",
    FaultKind.LEAK: "memory",
    FaultKind.FANOUT: "calls",
}
"""The signal of its own service in which a fault shows."""

SIGNALS: Sequence[Mapping[str, Any]] = (
    {
        "name": "latency_p95",
        "kind": "latency",
        "unit": "s",
        "histogram": _SERVER,
        "quantile": 0.95,
        "detect": "100%",
    },
    {
        "name": "error_ratio",
        "kind": "errors",
        "ratio": {
            "bad": _SERVER + '_count{http_response_status_code=~"5.."}',
            "total": _SERVER + "_count",
        },
        "detect": "15pp",
    },
    {
        "name": "calls",
        "kind": "other",
        "unit": "req/s",
        "rate": _CLIENT + "_count",
        "detect": "100%",
    },
    {
        "name": "request_rate",
        "kind": "traffic",
        "unit": "req/s",
        "rate": f'{_SERVER}_count{{http_route!="/{ENTRY}"}}',
        "detect": "100%",
    },
    {
        "name": "memory",
        "kind": "resource",
        "unit": "By",
        "gauge": "process_resident_memory_bytes",
        "agg": "max",
        "detect": "100%",
    },
)
"""A test of half a minute can show a doubling, so that is what it is asked for. The process's CPU
counter moves in steps of 10 ms, too coarse for windows of a second, and is left out."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Durations in seconds, rates in requests per second.

    Both systems are warmed up at `high` for `warm`. The tests run at `rate`, inside the `low` to
    `high` that production's history covers. The bad test has `before_fault` seconds in good
    order, then `fault` seconds with the fault on.
    """

    warm: float = 3.0
    history: float = 48.0
    low: float = 12.0
    high: float = 70.0
    cycles: int = 3
    rate: float = 45.0
    ramp: float = 2.0
    good: float = 37.0
    before_fault: float = 14.0
    fault: float = 15.0
    scrape_interval: float = 0.25
    window: float = 1.0
    warmup: float = 3.0
    settle: float = 1.0

    def warm_up(self) -> Steady:
        return Steady(self.high, self.warm)

    def sweep(self) -> Sweep:
        return Sweep(self.low, self.high, self.history, self.cycles)

    def good_test(self) -> Steady:
        return Steady(self.rate, self.good, self.ramp)

    def bad_test(self) -> Steady:
        return Steady(self.rate, self.before_fault + self.fault, self.ramp)

    def configuration(
        self, staging: Sequence[Target], production: Sequence[Target], state: Path
    ) -> dict[str, Any]:
        """What the daemon is given: an ordinary configuration, with everything in a hurry."""
        return {
            "environments": {
                "staging": self._scrape(staging),
                "production": self._scrape(production),
            },
            "identity": {"service": ["service"], "entry": ENTRY},
            "signals": {"presets": [], "custom": [dict(signal) for signal in SIGNALS]},
            "load": {"rate": f'{_SERVER}_count{{http_route="/{ENTRY}"}}'},
            "graph": {caller: list(callees) for caller, callees in EDGES.items() if callees},
            "step": f"{self.window:g}s",
            "window": f"{self.window:g}s",
            "state_dir": str(state),
            "baseline": {"days": 0.01},
            "judgement": {
                "warmup": f"{self.warmup:g}s",
                "settle": f"{self.settle:g}s",
                "keep_firing_for": "10s",
                "close_incident_after": "10s",
                "ignore_shorter": "0s",
            },
            "sinks": {"log": None},
            "api": {"listen": "127.0.0.1:0"},
        }

    def _scrape(self, targets: Sequence[Target]) -> dict[str, Any]:
        return {
            "scrape": {
                "interval": f"{self.scrape_interval * 1000:g}ms",
                "targets": [{"url": each.url, "labels": dict(each.labels)} for each in targets],
            }
        }
