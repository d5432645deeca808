"""A shop whose spans are sent by the OpenTelemetry SDK, judged without a single metric."""

from __future__ import annotations

import random
import time

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, set_span_in_context

from anomalyd.config import parse
from anomalyd.model import Outcome, Reshaped, Told
from anomalyd.push import Post
from anomalyd.refresh import Fitter
from tests.daemon.bench import STEP, Bench, bench
from tests.daemon.test_enrich import enriching
from tests.daemon.test_record import replays

CHAIN = ("cart", "pricing")
OWN = {"cart": 0.010, "pricing": 0.020}
WINDOW = 30


class Traced:
    """Requests through three services, each with an SDK of its own, at times that a test says."""

    def __init__(self) -> None:
        self.memory = InMemorySpanExporter()
        self.random = random.Random(7)  # noqa: S311
        self.slower: dict[str, float] = {}
        self.calls = 1
        self.tracers = {}
        for service in CHAIN:
            provider = TracerProvider(resource=Resource({"service.name": service}))
            provider.add_span_processor(SimpleSpanProcessor(self.memory))
            self.tracers[service] = provider.get_tracer("shop")

    def spans(self, begin: float, rate: float) -> tuple[ReadableSpan, ...]:
        """Of the requests that begin in the next `STEP` seconds."""
        for _ in range(round(rate * STEP)):
            self._request(begin + STEP * self.random.random())
        found = self.memory.get_finished_spans()
        self.memory.clear()
        return found

    def _request(self, begin: float, service: str = CHAIN[0], parent=None) -> float:
        """Returns when it ended, unix seconds."""
        tracer = self.tracers[service]
        served = tracer.start_span(
            f"GET /{service}/{{id}}",
            set_span_in_context(parent) if parent else None,
            SpanKind.SERVER,
            start_time=round(begin * 1e9),
        )
        now = begin + OWN[service] * self.slower.get(service, 1.0) * self.random.lognormvariate(
            0, 0.2
        )
        for _ in range(self.calls if service != CHAIN[-1] else 0):
            call = tracer.start_span(
                "GET", set_span_in_context(served), SpanKind.CLIENT, start_time=round(now * 1e9)
            )
            now = self._request(now, CHAIN[CHAIN.index(service) + 1], call)
            call.end(round(now * 1e9))
        served.end(round(now * 1e9))
        return now


def tree(state, **more):
    return {
        "environments": {"staging": {"otlp": {}}, "production": {"otlp": {}}},
        "signals": {"presets": ["http", "operations", "edges"]},
        "step": f"{STEP:g}s",
        "window": f"{WINDOW}s",
        "state_dir": str(state),
        "judgement": {"warmup": "30s", "settle": "30s"},
        "api": {"listen": "127.0.0.1:0"},
        **more,
    }


def push(made: Bench, spans, environment: str) -> None:
    body = encode_spans(spans).SerializeToString()
    headers = {"content-type": "application/x-protobuf"}
    made.session.receivers["otlp"].receive(Post(environment, headers, body, made.now))


async def served(made: Bench, shop: Traced, seconds: float, rate, environment: str) -> None:
    """The shop sends what it did in every step when that is over."""
    for at in range(round(seconds / STEP)):
        spans = shop.spans(made.now, rate(at) if callable(rate) else rate)
        made.now += STEP
        push(made, spans, environment)
        await made.session.tick(made.now)


async def test_spans_of_the_sdk_are_judged_with_no_metric_at_all(tmp_path):
    config = parse(tree(tmp_path))
    shop = Traced()
    async with bench(config) as made:
        made.now = time.time() // WINDOW * WINDOW - 4 * 3600
        async with made.at_work() as session:
            assert session.settled
            await served(made, shop, 1800, lambda at: 2 + 4 * (at % 30) / 30, "production")
        async with Fitter(config) as fitter:
            _, series = await fitter.fit(lambda *_: None, lambda *_: None)
        assert series > 8
        async with made.at_work() as session, enriching(session):
            await served(made, shop, 60, 4, "staging")
            run = made.start()
            await served(made, shop, 450, 4, "staging")
            shop.slower["pricing"] = 4.0
            await served(made, shop, 210, 4, "staging")
            verdict = await made.verdict(run)
            await session.enricher.settled(run.id)
            graph = session.pipeline.graph.callees
        found = made.store.enrichment(run.id, verdict.incidents[0].id)
        recording = replays(made, run.id)
    assert verdict.outcome is Outcome.FAIL, verdict.reasons
    incident = verdict.incidents[0]
    assert {one.signal for one in incident.anomalies} >= {"operation_own_time_p95"}
    [suspect] = incident.suspects
    assert suspect.service == "pricing"
    assert "operation own time p95 +" in suspect.reason
    assert suspect.reason.endswith("; cart only waits for it")
    assert {key.told for batch in recording.batches for key in batch.traced.keys} == set(Told)
    assert graph == {"cart": ("pricing",)}
    assert found is not None
    slow = [trace for trace in found.traces if trace.why == "slow"]
    assert {(trace.service, trace.operation) for trace in slow} == {
        ("pricing", "GET /pricing/{id}")
    }
    assert min(trace.duration for trace in slow) > 0.05
    assert any(not trace.why for trace in found.traces)


async def test_a_verdict_says_how_the_traces_of_its_run_are_shaped_otherwise(tmp_path):
    config = parse(tree(tmp_path))
    shop = Traced()
    async with bench(config) as made:
        made.now = time.time() // WINDOW * WINDOW - 4 * 3600
        async with made.at_work():
            await served(made, shop, 60, 4, "production")
        async with made.at_work():
            run = made.start()
            shop.calls = 3
            await served(made, shop, 60, 4, "staging")
            verdict = await made.verdict(run)
    assert [(one.kind, one.client, one.server) for one in verdict.shape] == [
        (Reshaped.MORE_CALLS, "cart", "pricing")
    ]
    assert (verdict.shape[0].staging.value, verdict.shape[0].production.value) == (3.0, 1.0)


@pytest.mark.parametrize(
    ("learns", "known"), [(True, {"cart": ("pricing",)}), (False, {})], ids=["learns", "does not"]
)
async def test_spans_tell_who_calls_whom_where_no_signal_is_of_edges(tmp_path, learns, known):
    signals = {"presets": ["operations"]}
    config = parse(tree(tmp_path, signals=signals, learn_graph=learns))
    async with bench(config) as made, made.at_work() as session:
        made.now = time.time() // WINDOW * WINDOW
        await served(made, Traced(), 60, 4, "staging")
        assert session.pipeline.graph.callees == known
