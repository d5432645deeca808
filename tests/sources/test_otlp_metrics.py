"""OTLP metrics become the series that a scrape of the same metrics would have given."""

from __future__ import annotations

import json
import math
from contextlib import AsyncExitStack

import numpy as np
import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

from anomalyd import sources
from anomalyd.config import EnvironmentConfig, Limits, parse
from anomalyd.model import Environment, Gauge, Kind, Rate, Selector, Signal
from anomalyd.model import HistogramQuantile as Quantile
from anomalyd.push import Post, Refused
from anomalyd.signals.identity import Canonical
from anomalyd.signals.table import SignalTable
from anomalyd.sources.base import Wanted
from anomalyd.sources.otlp.naming import metric_name
from tests.sources.otlp_bodies import NOW, text

DELTA, CUMULATIVE = 1, 2
FORMS = {"protobuf": "application/x-protobuf", "json": "application/json"}


def signal(name: str, definition) -> Signal:
    return Signal(name, Kind.OTHER, definition)


SIGNALS = (
    signal("queue", Gauge(Selector("queue_depth"))),
    signal("requests", Rate(Selector("requests_total"))),
    signal("p50", Quantile(Selector("http_server_request_duration_seconds"), 0.5)),
    signal("calls", Rate(Selector("http_server_request_duration_seconds_count"))),
    signal("p50_fine", Quantile(Selector("work_seconds"), 0.5)),
    signal("work", Rate(Selector("work_seconds_count"))),
)


class World:
    """One environment that is sent metrics, in windows of 30 s."""

    def __init__(self, tmp_path, form: str = "protobuf", **both) -> None:
        self.form = form
        names = {"queue_depth", "requests_total"} | {
            f"{base}{end}"
            for base in ("http_server_request_duration_seconds", "work_seconds")
            for end in ("_bucket", "_count", "_sum")
        }
        self.wanted = Wanted(names.__contains__, Limits(), tmp_path)
        self.both = both or {"staging": {}}
        self.tables, self.made = {}, {}

    async def start(self) -> World:
        for name, section in self.both.items():
            environment = EnvironmentConfig.model_validate({"otlp_metrics": section})
            table = self.tables[name] = SignalTable(SIGNALS, 1000)
            canonical = Canonical(("service_name",))
            async with AsyncExitStack() as stack:
                side = await sources.look(Environment(name), environment, self.wanted, stack)
            self.made[Environment(name)] = sources.build(side, table, canonical, 30.0, self.wanted)
        self.receiver = sources.receivers(self.made)["otlp_metrics"]
        return self

    def send(self, *metrics: Metric, at: float, path: str = "", **resource: str):
        message = request(*metrics, **resource)
        body = message.SerializeToString() if self.form == "protobuf" else as_json(message)
        headers = {"content-type": FORMS[self.form]}
        return self.receiver.receive(Post(path, headers, body, NOW + at))

    async def values(self, at: float, environment: str = "staging") -> dict[str, float]:
        batch = await self.made[Environment(environment)].collect(NOW + at)
        keys = self.tables[environment].keys
        return {keys[row]: value for row, value in zip(batch.rows, batch.values, strict=True)}


@pytest.fixture(params=FORMS)
async def world(request, tmp_path) -> World:
    return await World(tmp_path, request.param).start()


def request(*metrics: Metric, **resource: str) -> ExportMetricsServiceRequest:
    made = ExportMetricsServiceRequest()
    one = made.resource_metrics.add()
    for key, value in (resource or {"service.name": "cart"}).items():
        one.resource.attributes.append(text(key, value))
    one.scope_metrics.add().metrics.extend(metrics)
    return made


def as_json(message: ExportMetricsServiceRequest) -> bytes:
    return json.dumps(MessageToDict(message, use_integers_for_enums=True)).encode()


def ns(at: float) -> int:
    return round((NOW + at) * 1e9)


def gauge(name: str, value: float, at: float) -> Metric:
    made = Metric(name=name)
    made.gauge.data_points.add(as_double=value, time_unix_nano=ns(at))
    return made


def counter(value: int, at: float, *, temporality: int = CUMULATIVE, start: float = 0) -> Metric:
    made = Metric(name="requests", unit="{request}")
    made.sum.is_monotonic, made.sum.aggregation_temporality = True, temporality
    made.sum.data_points.add(as_int=value, time_unix_nano=ns(at), start_time_unix_nano=ns(start))
    return made


def histogram(counts, at: float, *, temporality: int = CUMULATIVE, start: float = 0) -> Metric:
    made = Metric(name="http.server.request.duration", unit="s")
    made.histogram.aggregation_temporality = temporality
    point = made.histogram.data_points.add(time_unix_nano=ns(at), start_time_unix_nano=ns(start))
    point.explicit_bounds.extend([0.1, 0.2])
    point.bucket_counts.extend(counts)
    point.count, point.sum = sum(counts), 1.0
    point.attributes.append(text("http.route", "/cart"))
    return made


def exponential(counts, scale: int, offset: int, at: float, temporality=CUMULATIVE) -> Metric:
    made = Metric(name="work", unit="s")
    made.exponential_histogram.aggregation_temporality = temporality
    point = made.exponential_histogram.data_points.add(
        time_unix_nano=ns(at), scale=scale, start_time_unix_nano=ns(at - 10)
    )
    point.positive.offset = offset
    point.positive.bucket_counts.extend(counts)
    point.count = sum(counts)
    return made


async def test_gauges_and_cumulative_counters(world):
    for at in (5, 15, 25):
        world.send(gauge("queue.depth", at, at), counter(at * 10, at), at=at)
    found = await world.values(30)
    assert found['queue{service="cart"}'] == 15
    assert found['requests{service="cart"}'] == pytest.approx(10, rel=0.01)


async def test_deltas_are_added_up_from_their_start_on(world):
    for at in (10, 20, 30):
        delta = {"temporality": DELTA, "start": at - 10}
        world.send(counter(100, at, **delta), histogram([60, 40, 0], at, **delta), at=at)
    found = await world.values(30)
    assert found['requests{service="cart"}'] == pytest.approx(10, rel=0.01)
    assert found['calls{service="cart"}'] == pytest.approx(10, rel=0.01)
    assert found['p50{service="cart"}'] == pytest.approx(0.1 * 50 / 60)


async def test_cumulative_histograms(world):
    for at in (5, 15, 25):
        world.send(histogram([at, 3 * at, 0], at), at=at)
    assert (await world.values(30))['p50{service="cart"}'] == pytest.approx(0.1 + 0.1 / 3)


@pytest.mark.parametrize(("scale", "offset"), [(2, -9), (5, -72), (0, -3), (11, -4097), (-3, 0)])
@pytest.mark.parametrize("temporality", [CUMULATIVE, DELTA])
async def test_exponential_histograms_of_any_scale(world, scale, offset, temporality):
    """All values are in the bucket that ends at 2**((offset + 1) / 2**scale)."""
    for at in (5, 15, 25):
        count = 10 * at if temporality == CUMULATIVE else 100
        world.send(exponential([count], scale, offset, at, temporality), at=at)
    schema = min(scale, 8)
    index = (offset >> (scale - schema)) + 1
    found = await world.values(30)
    assert found['p50_fine{service="cart"}'] == pytest.approx(2 ** ((index - 0.5) / 2**schema))
    assert found['work{service="cart"}'] == pytest.approx(300 / 30)


async def test_exemplars_are_kept_for_incidents(world):
    made = [histogram([1, 2, 3], 5), exponential([1], 0, 0, 5), counter(1, 5)]
    for number, metric in enumerate(made, 1):
        of = getattr(metric, metric.WhichOneof("data")).data_points[0]
        traced = of.exemplars.add(as_double=0.25 * number, time_unix_nano=ns(4))
        traced.trace_id = bytes([number]) * 16
    world.send(*made, at=5)
    (part,) = world.made[Environment.STAGING].parts.values()
    found = {one.trace_id: one.duration for one in part.kept.find("cart", NOW, NOW + 5)}
    if world.form == "protobuf":
        assert {key[:2]: value for key, value in found.items()} == {
            "01": 0.25,
            "02": 0.5,
            "03": pytest.approx(math.nan, nan_ok=True),
        }
    assert len(found) == 3


@pytest.mark.parametrize(("scale", "offset"), [(-5, 0), (0, 2**30), (8, -(2**31))])
async def test_a_scale_that_no_native_histogram_has_is_told(world, scale, offset):
    assert b"no value" in world.send(exponential([1], scale, offset, 5), at=5).body


async def test_deltas_of_a_histogram_that_grows_coarser_go_on(world):
    for at, scale, offset in ((5, 3, 8), (15, 2, 4), (25, 2, 4)):
        world.send(exponential([100], scale, offset, at, DELTA), at=at)
    assert (await world.values(30))['p50_fine{service="cart"}'] == pytest.approx(2**1.125)


async def test_a_point_that_cannot_be_taken_is_told_and_the_others_are_kept(world):
    late = gauge("queue.depth", 1, 700)
    empty = Metric(name="queue.depth")
    empty.gauge.data_points.add(time_unix_nano=ns(1))
    broken = histogram([1, 2, 3], 5)
    broken.histogram.data_points[0].bucket_counts.append(1)
    reply = world.send(gauge("queue.depth", 7, 5), late, empty, broken, at=5)
    told = (
        ExportMetricsServiceResponse.FromString(reply.body).partial_success.error_message
        if world.form == "protobuf"
        else json.loads(reply.body)["partialSuccess"]["errorMessage"]
    )
    assert reply.status == 200
    assert told.startswith("refused data points: 2: no value, no time")
    assert "; 1: a time more than 10 min ahead" in told
    assert (await world.values(30)) == {'queue{service="cart"}': 7}


async def test_a_body_that_is_none_is_refused(world):
    headers = {"content-type": FORMS[world.form]}
    with pytest.raises(Refused, match="no ExportMetricsServiceRequest") as refused:
        world.receiver.receive(Post("", headers, b"\xff{", NOW))
    assert refused.value.status == 400


async def test_what_no_signal_needs_costs_no_series(world):
    world.send(gauge("other", 1, 5), at=5)
    (part,) = world.made[Environment.STAGING].parts.values()
    assert len(part._evaluator.series) == 0


async def test_what_there_was_no_room_for_is_taken_once_there_is(world):
    world.send(gauge("queue_depth", 1, 5), at=5)
    (part,) = world.made[Environment.STAGING].parts.values()
    part._evaluator.series.limit = 1
    for at in (6, 7):
        world.send(gauge("queue_depth", 2, at), at=at, **{"service.name": "pricing"})
    assert len(part._evaluator.series) == 1
    part._evaluator.series.limit = 2
    world.receiver._forget(0, np.array([99]))
    world.send(gauge("queue_depth", 3, 8), at=8, **{"service.name": "pricing"})
    assert len(part._evaluator.series) == 2


async def test_a_path_or_the_resource_says_whose_they_are(tmp_path):
    world = await World(tmp_path, staging={}, production={"environment": ["live"]}).start()
    attribute = "deployment.environment.name"
    for at in (5, 15):
        world.send(gauge("queue.depth", 1, at), at=at, **{"service.name": "a", attribute: "live"})
        world.send(gauge("queue.depth", 2, at), at=at, path="staging", **{"service.name": "a"})
    reply = world.send(gauge("queue.depth", 3, 5), at=5, **{attribute: "dev"})
    assert b"no environment here takes" in reply.body
    assert await world.values(30, "production") == {'queue{service="a"}': 1}
    assert await world.values(30, "staging") == {'queue{service="a"}': 2}


@pytest.mark.parametrize(
    ("name", "unit", "kind", "expected"),
    [
        ("http.server.request.duration", "s", {}, "http_server_request_duration_seconds"),
        ("process.memory.usage", "By", {"gauge": True}, "process_memory_usage_bytes"),
        ("requests", "{request}", {"counter": True}, "requests_total"),
        ("requests.total", "1", {"counter": True}, "requests_total"),
        ("cpu.utilization", "1", {"gauge": True}, "cpu_utilization_ratio"),
        ("speed", "m/s", {"gauge": True}, "speed_meters_per_second"),
        ("a..b-c_total", "", {}, "a_b_c_total"),
        ("latency_seconds", "s", {}, "latency_seconds"),
        ("2xx", "", {}, "_2xx"),
    ],
)
def test_names_are_those_of_a_prometheus(name, unit, kind, expected):
    assert metric_name(name, unit, **kind) == expected


def test_metrics_alone_are_a_source():
    assert parse({"environments": {"staging": {"otlp_metrics": {}}}}).environments.otlp
