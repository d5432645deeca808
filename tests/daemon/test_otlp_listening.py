"""The daemon as a process takes spans of the SDK and metrics by HTTP and by gRPC."""

from __future__ import annotations

import asyncio
import math

from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import (
    OTLPMetricExporter as MetricsByGrpc,
)
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as ByGrpc
from opentelemetry.exporter.otlp.proto.http.metric_exporter import (
    OTLPMetricExporter as MetricsByHttp,
)
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as ByHttp
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import SpanExportResult

from tests.api.test_otlp import exported, finished
from tests.daemon.process import fast, serving, written
from tests.telemetry_text import parsed, value

OTLP = {"http": "127.0.0.1:0", "grpc": "127.0.0.1:0"}


def measured(exporter) -> bool:
    """Whether a histogram that the preset `http` knows was exported by the SDK."""
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=math.inf)
    provider = MeterProvider([reader], Resource({"service.name": "cart"}))
    durations = provider.get_meter("test").create_histogram("http.server.request.duration", "s")
    durations.record(0.1)
    done = provider.force_flush()
    provider.shutdown()
    return done


async def test_spans_and_metrics_come_by_http_and_by_grpc_and_are_counted(tmp_path):
    tree = fast("http://a", None, tmp_path / "state", otlp=OTLP)
    tree["environments"] = {"staging": {"otlp": {}, "otlp_metrics": {}}}
    tree["signals"] = {"presets": ["http"]}
    del tree["load"]
    async with serving(written(tmp_path / "c.yaml", tree)) as daemon:
        await daemon.says("listening for OTLP by gRPC on ")
        http, grpc = (
            next(line for line in daemon.said if words in line).rpartition(words)[2]
            for words in ("listening for OTLP on ", "by gRPC on ")
        )
        await daemon.answers("/-/healthy", lambda status, _: status == 200)
        by_http = ByHttp(endpoint=f"{http}/staging/v1/traces")
        by_grpc = ByGrpc(endpoint=grpc, insecure=True)
        for exporter, names in ((by_http, ["a"]), (by_grpc, ["b", "c"])):
            assert await exported(exporter, finished(names)) is SpanExportResult.SUCCESS
        told = await daemon.answers("/metrics", lambda _, text: "anomalyd_spans_total{" in text)
        assert value(parsed(told.encode()), "anomalyd_spans_total", environment="staging") == 3
        for exporter in (
            MetricsByHttp(endpoint=f"{http}/v1/metrics"),
            MetricsByGrpc(endpoint=grpc, insecure=True),
        ):
            assert await asyncio.to_thread(measured, exporter)
        told = await daemon.answers("/metrics", lambda _, text: 'protocol="otlp"' in text)
        labels = {"protocol": "otlp", "result": "taken"}
        assert value(parsed(told.encode()), "anomalyd_pushed_samples_total", **labels) > 10
        assert await daemon.stopped() == 0
