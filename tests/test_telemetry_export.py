"""The expected band as text, and what an OTLP receiver is sent."""

from __future__ import annotations

import gzip
import math
import re
import threading
from collections import defaultdict
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from anomalyd import telemetry
from anomalyd.config import Telemetry as Settings
from anomalyd.telemetry import Band
from anomalyd.telemetry_export import BAND_LABELS, BAND_VALUES, render_bands
from tests.telemetry_text import Samples, parsed, value

SERIES = 'p95{service="cart"}'
BAND = Band("run-1", "p95", "cart", SERIES, 0.9, 0.5, 0.4, 0.6, 1.5)


def test_series_over_the_limit_are_left_out_and_counted() -> None:
    bands = [Band("r", "p95", f"s{i}", f"p95-{i}", 1, 1, 1, 1, 0) for i in range(5)]
    samples = parsed(render_bands(bands, limit=3))
    shown = [dict(labels)["service"] for name, labels in samples if name.endswith("_observed")]
    assert shown == ["s0", "s1", "s2"]
    assert value(samples, "anomalyd_series_left_out") == 2


def test_a_series_given_twice_does_not_spoil_the_scrape() -> None:
    text = render_bands([BAND, BAND], limit=10)
    assert text.count(b"anomalyd_series_observed{") == 1


class _Twin(Collector):
    """Bands as prometheus-client renders them: slow and obvious."""

    def __init__(self, bands: list[Band]) -> None:
        self.bands = bands

    def collect(self) -> Iterator[GaugeMetricFamily]:
        for name, text in BAND_VALUES.items():
            family = GaugeMetricFamily(f"anomalyd_series_{name}", text, labels=BAND_LABELS)
            for band in self.bands:
                labels = [band.run, band.signal, band.service, band.series.replace('"', "'")]
                family.add_metric(labels, getattr(band, name))
            yield family


words = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=8)
floats = st.floats(allow_nan=False)


@given(st.lists(st.builds(Band, words, words, words, words, *[floats] * 5), max_size=4))
def test_bands_as_text_are_what_the_client_library_writes(bands: list[Band]) -> None:
    shown = {
        (band.run, band.signal, band.service, band.series.replace('"', "'")): band for band in bands
    }
    registry = CollectorRegistry()
    registry.register(_Twin(list(shown.values())))
    ours = parsed(render_bands(bands, limit=10))
    del ours["anomalyd_series_left_out", frozenset()]
    assert ours == parsed(generate_latest(registry))


def test_an_unknown_value_of_a_band_is_not_a_number() -> None:
    band = Band("r", "p95", "cart", SERIES, math.nan, math.inf, -math.inf, 1, 0)
    text = render_bands([band], limit=1).decode()
    assert re.findall(r"^anomalyd_series_\w+\{.*\} (\S+)$", text, re.M) == [
        "NaN", "+Inf", "-Inf", "1.0", "0.0",
    ]  # fmt: skip


class Receiver(ThreadingHTTPServer):
    """An OTLP/HTTP receiver that keeps what it was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies: dict[str, list[bytes]] = defaultdict(list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def metric_values(self) -> Samples:
        found: Samples = {}
        for body in self.bodies["/v1/metrics"]:
            request = ExportMetricsServiceRequest.FromString(body)
            for resource in request.resource_metrics:
                for scope in resource.scope_metrics:
                    for metric in scope.metrics:
                        points = metric.gauge.data_points or metric.sum.data_points
                        for point in points:
                            pairs = {pair.key: pair.value.string_value for pair in point.attributes}
                            number = point.as_double or float(point.as_int)
                            found[metric.name, frozenset(pairs.items())] = number
        return found


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.bodies[self.path].append(body)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_otlp_is_sent_what_metrics_shows_and_spans(receiver: Receiver) -> None:
    bands = [Band("r", "p95", f"s{i}", f"p95-{i}", i, 1, 1, 1, 0) for i in range(1, 2001)]
    made = telemetry.setup(
        Settings(otlp_endpoint=receiver.url),
        bands=lambda: bands,
        outcomes=lambda: (("run-1", "fail"),),
        risks=lambda: (("run-1", 93.0, None),),
    )
    telemetry.ticks.add(4)
    telemetry.trace_tick(asked_at=1000.0, answered_at=1000.5, judged_at=1000.75)
    telemetry.source_up.set(1, {"source": "staging"})
    made.shutdown()
    told = receiver.metric_values()
    assert value(told, "anomalyd_ticks") == 4
    assert value(told, "anomalyd_source_up", source="staging") == 1
    assert value(told, "anomalyd_run_verdict", run="run-1", outcome="fail") == 1
    assert value(told, "process_resident_memory_bytes") > 0
    observed = [number for (name, _), number in told.items() if name == "anomalyd_series_observed"]
    assert sorted(observed) == list(range(1, 2001))
    (body,) = receiver.bodies["/v1/traces"]
    (resource,) = ExportTraceServiceRequest.FromString(body).resource_spans
    spans = {span.name: span for scope in resource.scope_spans for span in scope.spans}
    seconds = {n: (s.end_time_unix_nano - s.start_time_unix_nano) / 1e9 for n, s in spans.items()}
    assert seconds == {"tick": 0.75, "ask": 0.5, "judge": 0.25}
    assert {spans[part].parent_span_id for part in ("ask", "judge")} == {spans["tick"].span_id}
    named = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
    assert named["service.name"] == "anomalyd"
