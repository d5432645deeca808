"""Metrics over OTLP/HTTP protobuf, from the socket to the windows of their signals."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from anomalyd.api import otlp
from anomalyd.api.access import Access
from anomalyd.config import EnvironmentConfig, Limits
from anomalyd.model import Environment
from anomalyd.push import Receiver
from anomalyd.signals import presets
from anomalyd.signals.evaluate import Evaluator
from anomalyd.signals.identity import Canonical
from anomalyd.signals.table import SeriesTable, SignalTable
from anomalyd.sources.base import Side, Wanted
from anomalyd.sources.otlp.metrics import OtlpMetrics
from anomalyd.sources.pushed import PushedSource
from anomalyd.sources.seen import Seen
from bench import sending
from bench.measure import Figure, Spread
from bench.worlds import START

EXPORT, WINDOW = 15.0, 60.0
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
"""Those that OpenTelemetry's semantic conventions name."""
STATUSES = (200, 404, 500)
SERIES_PER_HISTOGRAM = len(BOUNDS) + 3
CUMULATIVE = 2


def run(quick: bool) -> Iterator[Figure]:
    services, routes, exports, repeats = (3, 4, 3, 2) if quick else (50, 20, 12, 7)
    given = [export(number, services, routes) for number in range(1 + exports)]
    of_each = sum(points_of(body) for body in given[-1])
    ours = [asyncio.run(received(given)) / exports for _ in range(repeats)]
    theirs = [plain(given[1:]) / exports for _ in range(repeats)]
    yield Figure(
        "points.http",
        f"OTLP/HTTP, protobuf: {of_each} data points in {services} requests every {EXPORT:g} s, "
        f"nine tenths of them histograms of {SERIES_PER_HISTOGRAM} series, from the socket to "
        "their windows, and a tick per export",
        "ns per data point",
        Spread.of(ours, 1e9 / of_each),
        "opentelemetry-proto classes and a plain loop into a dict, no network",
        Spread.of(theirs, 1e9 / of_each),
    )


def export(number: int, services: int, routes: int) -> list[bytes]:
    """A request per service, as its SDK sends them: everything since the start."""
    return [_request(f"service-{i}", routes, number) for i in range(services)]


def _request(service: str, routes: int, number: int) -> bytes:
    drawn = random.Random(f"{service} {number}")
    made = ExportMetricsServiceRequest()
    one = made.resource_metrics.add()
    for key, value in (("service.name", service), ("service.instance.id", f"{service}-7d9f8b6c5")):
        one.resource.attributes.add(key=key).value.string_value = value
    metrics = one.scope_metrics.add()
    metrics.scope.name = "opentelemetry.instrumentation.aiohttp"
    took = metrics.metrics.add(name="http.server.request.duration", unit="s")
    for route in range(routes):
        for status in STATUSES:
            _histogram(took, f"/v1/resource/{route}", status, number, drawn)
    _numbers(metrics.metrics.add(name="process.cpu.time", unit="s"), number, drawn, routes)
    memory = metrics.metrics.add(name="process.memory.usage", unit="By").gauge
    memory.data_points.add(time_unix_nano=_at(number), as_int=10**8 + drawn.randrange(10**6))
    return made.SerializeToString()


def _histogram(into: Metric, route: str, status: int, number: int, drawn: random.Random) -> None:
    into.histogram.aggregation_temporality = CUMULATIVE
    counts = [number * 40 + drawn.randrange(20) for _ in range(len(BOUNDS) + 1)]
    point = into.histogram.data_points.add(
        start_time_unix_nano=round(START * 1e9),
        time_unix_nano=_at(number),
        count=sum(counts),
        sum=0.1 * sum(counts),
        bucket_counts=counts,
        explicit_bounds=BOUNDS,
    )
    for key, value in (("http.request.method", "GET"), ("http.route", route)):
        point.attributes.add(key=key).value.string_value = value
    point.attributes.add(key="http.response.status_code").value.int_value = status


def _numbers(into: Metric, number: int, drawn: random.Random, many: int) -> None:
    into.sum.aggregation_temporality, into.sum.is_monotonic = CUMULATIVE, True
    for state in range(max(many // 3, 1)):
        point = into.sum.data_points.add(
            start_time_unix_nano=round(START * 1e9),
            time_unix_nano=_at(number),
            as_double=number * 3 + drawn.random(),
        )
        point.attributes.add(key="cpu.mode").value.string_value = f"mode-{state}"


def _at(number: int) -> int:
    return round((START + EXPORT * number) * 1e9)


def points_of(body: bytes) -> int:
    made = ExportMetricsServiceRequest.FromString(body)
    metrics = made.resource_metrics[0].scope_metrics[0].metrics
    return sum(len(getattr(one, str(one.WhichOneof("data"))).data_points) for one in metrics)


class Listening:
    """What the listener asks of a daemon. Its clock goes by the requests that came."""

    def __init__(self, per_export: int) -> None:
        """begun: CPU seconds when all series were known."""
        signals = presets.resolve(["http", "process"], METRICS)
        self.evaluator = Evaluator(
            SignalTable(signals, 10**6), SeriesTable(10**6), Canonical(("service_name",)), WINDOW
        )
        config = EnvironmentConfig.model_validate({"otlp_metrics": {}})
        side = Side(Environment.STAGING, config, None, {}, None, section="otlp_metrics")
        wanted = Wanted(lambda _: True, Limits(), Path(tempfile.gettempdir()))
        seen = Seen(wanted.state_dir / "none" / "pushed.json", wanted.metrics)
        inlet = PushedSource(side, self.evaluator, seen, wanted.metrics)
        self._receiver = OtlpMetrics({Environment.STAGING: inlet}, 2**28)
        self._per_export = per_export
        self.requests, self.rows, self.begun = 0, 0, 0.0

    def now(self) -> float:
        return START + EXPORT * (self.requests // self._per_export)

    def receiver(self, section: str) -> Receiver:
        """Asked with each request: a tick once an export is complete."""
        if self.requests == self._per_export:
            self.begun = time.process_time()
        if self.requests and self.requests % self._per_export == 0:
            self.rows += len(self.evaluator.evaluate(self.now() - EXPORT).rows)
        self.requests += 1
        return self._receiver


METRICS = {
    "http_server_request_duration_seconds_bucket": frozenset({"service_name", "le"}),
    "http_server_request_duration_seconds_count": frozenset(
        {"service_name", "http_response_status_code"}
    ),
    "process_cpu_time_seconds_total": frozenset({"service_name"}),
    "process_memory_usage_bytes": frozenset({"service_name"}),
}


async def received(given: list[list[bytes]]) -> float:
    """CPU seconds of this process for all exports but the first, which names the series."""
    listening = Listening(len(given[0]))
    bodies = [body for export in given for body in export]
    with tempfile.TemporaryDirectory() as folder:
        async with otlp.listening(listening, Access("127.0.0.1:0")) as (host, port):
            address = f"{host}:{port}"
            await sending.send(address, "/v1/metrics", Path(folder), bodies, sending.OTLP)
            listening.rows += len(listening.evaluator.evaluate(listening.now()).rows)
            taken = time.process_time() - listening.begun
    if listening.requests != len(bodies) or not listening.rows:
        raise RuntimeError("the data points did not become signals")
    return taken


def plain(given: list[list[bytes]]) -> float:
    """CPU seconds of reading them into the latest values by name and attributes."""
    latest: dict[tuple[object, ...], object] = {}
    begun = time.process_time()
    for body in (body for export in given for body in export):
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            whose = _pairs(resource.resource.attributes)
            for metric in (one for scope in resource.scope_metrics for one in scope.metrics):
                kind = metric.WhichOneof("data")
                for point in getattr(metric, str(kind)).data_points:
                    key = (whose, metric.name, _pairs(point.attributes))
                    latest[key] = _value(point, kind == "histogram")
    return time.process_time() - begun


def _pairs(attributes: object) -> tuple[tuple[str, object], ...]:
    return tuple(
        (pair.key, getattr(pair.value, pair.value.WhichOneof("value"))) for pair in attributes
    )


def _value(point: object, histogram: bool) -> object:
    if not histogram:
        return getattr(point, point.WhichOneof("value"))
    return point.count, point.sum, tuple(point.bucket_counts)
