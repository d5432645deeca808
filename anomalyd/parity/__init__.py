"""Is staging a fair mirror of production: facts of both, and where they differ."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from anomalyd.parity import metrics, runtime, server, traffic, workloads
from anomalyd.parity.asking import Look

COLLECTORS: tuple[Callable[[Look], Awaitable[None]], ...] = (
    metrics.collect,
    server.collect,
    workloads.collect,
    runtime.collect,
    traffic.collect,
)
"""What is asked of a Prometheus; the first finds the metrics that the others ask for."""
