"""OTLP by HTTP: the answers that its specification has, and real exporters."""

from __future__ import annotations

import asyncio
import gzip
import json

import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.api.otlp import LIMIT, Inlet, http, receiver
from tests.sources.otlp_bodies import as_json, body, request, span

PROTOBUF = {"Content-Type": "application/x-protobuf"}
JSON = {"Content-Type": "application/json; charset=utf-8"}
GZIP = {"Content-Encoding": "gzip"}


@pytest.fixture
def staging(daemon):
    """Spans of the tests end in the future of this daemon's clock, but for this."""
    daemon.clock = 1_800_000_000.0
    made = Inlet()
    receiver(daemon, staging=made)
    return made


def finished(names, service="cart", **attributes):
    """Spans that the SDK recorded."""
    memory = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource.create({"service.name": service, **attributes}))
    provider.add_span_processor(SimpleSpanProcessor(memory))
    for name in names:
        provider.get_tracer("test").start_span(name).end()
    provider.shutdown()
    return memory.get_finished_spans()


async def exported(exporter, spans) -> SpanExportResult:
    try:
        return await asyncio.to_thread(exporter.export, spans)
    finally:
        await asyncio.to_thread(exporter.shutdown)


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
async def test_the_sdk_exports_spans_in_protobuf(daemon, staging, compression):
    daemon.clock = 4e9
    async with http(daemon) as (url, _):
        exporter = OTLPSpanExporter(endpoint=f"{url}/v1/traces", compression=compression)
        assert await exported(exporter, finished(["a", "b"])) is SpanExportResult.SUCCESS
    assert staging.operations == ["a", "b"]
    assert staging.kept[0].resources[0].get("service_name") == "cart"


async def test_the_sdk_comes_again_when_the_queue_was_full(daemon, staging):
    daemon.clock = 4e9
    staging.most = 0
    asked = asyncio.Event()
    room = staging.room
    staging.room = lambda spans: asked.set() or room(spans)
    async with http(daemon) as (url, _):
        exporter = OTLPSpanExporter(endpoint=f"{url}/v1/traces", timeout=20)
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(exported(exporter, finished(["a"])), name="sdk")
            await asked.wait()
            assert staging.operations == []
            staging.most = 10
    assert sending.result() is SpanExportResult.SUCCESS
    assert staging.operations == ["a"]


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("form", [PROTOBUF, JSON], ids=["protobuf", "json"])
async def test_spans_are_answered_in_their_encoding(daemon, staging, form, packed):
    given = as_json(request(span(1))) if form is JSON else body(span(1))
    headers = {**form, **GZIP} if packed else form
    data = gzip.compress(given) if packed else given
    async with (
        http(daemon) as (url, session),
        session.post(f"{url}/v1/traces", data=data, headers=headers) as answer,
    ):
        assert answer.status == 200
        assert answer.content_type == form["Content-Type"].partition(";")[0]
        assert await answer.read() == (b"{}" if form is JSON else b"")
    assert len(staging.kept[0]) == 1


async def test_what_was_refused_is_told_as_a_partial_success(daemon, staging):
    bad = [span(n, trace_id=b"short") for n in (2, 3)] + [span(4, start_time_unix_nano=0)]
    message = request(span(1), *bad)
    told = (
        "refused spans: 2: trace id that is not 16 bytes or is all zero; "
        "1: no start, or an end before it"
    )
    async with http(daemon) as (url, session):
        async with session.post(
            f"{url}/v1/traces", data=message.SerializeToString(), headers=PROTOBUF
        ) as answer:
            partial = ExportTraceServiceResponse.FromString(await answer.read()).partial_success
            assert (answer.status, partial.rejected_spans, partial.error_message) == (200, 3, told)
        async with session.post(f"{url}/v1/traces", data=as_json(message), headers=JSON) as answer:
            assert await answer.json() == {
                "partialSuccess": {"rejectedSpans": "3", "errorMessage": told}
            }
    assert [len(spans) for spans in staging.kept] == [1, 1]


REFUSED = [
    pytest.param(
        "POST", "/v1/traces", b"\xff", PROTOBUF, 400, 3, "no ExportTrace", id="no protobuf"
    ),
    pytest.param("POST", "/v1/traces", b"{", JSON, 400, 3, "no ExportTrace", id="no JSON"),
    pytest.param("POST", "/v1/traces", b"x", {**PROTOBUF, **GZIP}, 400, 3, "no gzip", id="no gzip"),
    pytest.param(
        "POST",
        "/v1/traces",
        gzip.compress(b"xyz" * 99)[:-9],
        {**PROTOBUF, **GZIP},
        400,
        3,
        "ends within",
        id="a gzip that breaks off",
    ),
    pytest.param("GET", "/v1/traces", None, {}, 405, 12, "use POST", id="another method"),
    pytest.param(
        "POST", "/v1/traces", b"x", {"Content-Type": "text/plain"}, 415, 3, "text/plain", id="text"
    ),
    pytest.param(
        "POST",
        "/v1/traces",
        b"x",
        {**PROTOBUF, "Content-Encoding": "zstd"},
        415,
        3,
        "zstd",
        id="another encoding",
    ),
    pytest.param(
        "POST",
        "/v1/traces",
        bytes(LIMIT + 1),
        PROTOBUF,
        413,
        3,
        "raise otlp.body_limit",
        id="large",
    ),
    pytest.param(
        "POST",
        "/v1/traces",
        gzip.compress(bytes(50 * LIMIT)),
        {**PROTOBUF, **GZIP},
        413,
        3,
        "once inflated",
        id="a bomb",
    ),
    pytest.param("POST", "/production/v1/traces", b"", PROTOBUF, 404, 5, "/staging", id="nobody's"),
    pytest.param("POST", "/v1/logs", b"", PROTOBUF, 404, 5, "/v1/logs", id="another path"),
]


@pytest.mark.parametrize(("method", "path", "data", "headers", "status", "code", "said"), REFUSED)
async def test_a_request_that_is_refused_is_answered_by_a_status(
    daemon, staging, method, path, data, headers, status, code, said
):
    async with (
        http(daemon) as (url, session),
        session.request(method, url + path, data=data, headers=headers) as answer,
    ):
        assert answer.status == status
        told = await answer.read()
    if headers is JSON:
        found = json.loads(told)
        assert (found["code"], said in found["message"]) == (code, True)
    else:
        found = Status.FromString(told)
        assert (found.code, said in found.message) == (code, True)
    assert staging.kept == []


@pytest.mark.parametrize("form", [PROTOBUF, JSON], ids=["protobuf", "json"])
async def test_a_full_queue_and_a_daemon_that_is_not_ready_are_asked_again_later(
    daemon, staging, form
):
    staging.most = 0
    data = as_json(request(span(1))) if form is JSON else body(span(1))
    async with http(daemon) as (url, session):
        async with session.post(f"{url}/v1/traces", data=data, headers=form) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (429, "1")
        daemon.receivers = None
        async with session.post(f"{url}/v1/traces", data=data, headers=form) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "5")


async def test_a_token_is_asked_for_as_everywhere(daemon, staging):
    daemon.clock = 4e9
    async with http(daemon, token="s3cret") as (url, session):
        async with session.post(f"{url}/v1/traces", data=body(span(1)), headers=PROTOBUF) as answer:
            assert answer.status == 401
            assert Status.FromString(await answer.read()).code == 16
        exporter = OTLPSpanExporter(
            endpoint=f"{url}/v1/traces", headers={"Authorization": "Bearer s3cret"}
        )
        assert await exported(exporter, finished(["a"])) is SpanExportResult.SUCCESS
    assert staging.operations == ["a"]


async def test_a_page_of_others_sends_nothing(daemon, staging):
    headers = {**JSON, "Origin": "http://evil.example"}
    async with (
        http(daemon) as (url, session),
        session.post(f"{url}/v1/traces", data=b"{}", headers=headers) as answer,
    ):
        assert answer.status == 403
    assert staging.kept == []


async def test_a_path_or_the_resource_says_whose_spans_they_are(daemon):
    daemon.clock = 1_800_000_000.0
    staging, production = Inlet(), Inlet(takes=("prod", "live"), ratio=0.1)
    receiver(daemon, staging=staging, production=production)
    message = request(span(1, name="a"), **{"deployment.environment.name": "staging"})
    for name, of in (("b", "live"), ("c", "dev")):
        more = request(span(2, name=name), **{"deployment.environment": of})
        message.resource_spans.extend(more.resource_spans)
    async with http(daemon) as (url, session):
        async with session.post(f"{url}/v1/traces", data=as_json(message), headers=JSON) as answer:
            told = (await answer.json())["partialSuccess"]
        for path in ("staging", "production"):
            data = body(span(3, name=f"to {path}"))
            async with session.post(
                f"{url}/{path}/v1/traces", data=data, headers=PROTOBUF
            ) as answer:
                assert (answer.status, await answer.read()) == (200, b"")
    assert told["rejectedSpans"] == "1"
    assert "that no environment here takes" in told["errorMessage"]
    assert staging.operations == ["a", "to staging"]
    assert production.operations == ["b", "to production"]
    assert [float(one.weight[0]) for one in (*staging.kept, *production.kept)] == [1, 1, 10, 10]


async def test_when_one_environment_is_full_the_other_gets_nothing_twice(daemon):
    daemon.clock = 1_800_000_000.0
    staging, production = Inlet(), Inlet(most=0)
    receiver(daemon, staging=staging, production=production)
    message = request(span(1), **{"deployment.environment.name": "staging"})
    more = request(span(2), **{"deployment.environment.name": "production"})
    message.resource_spans.extend(more.resource_spans)
    data = message.SerializeToString()
    async with (
        http(daemon) as (url, session),
        session.post(f"{url}/v1/traces", data=data, headers=PROTOBUF) as answer,
    ):
        assert answer.status == 429
    assert (staging.kept, production.kept) == ([], [])
