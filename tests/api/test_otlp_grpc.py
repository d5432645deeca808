"""OTLP by gRPC: real exporters, and the codes that its specification has."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from opentelemetry.sdk.trace.export import SpanExportResult

from anomalyd.api import otlp_grpc
from anomalyd.api.access import Access
from anomalyd.api.server import ApiError
from tests.api import otlp
from tests.api.otlp import LIMIT, Inlet, receiver
from tests.api.test_otlp import exported, finished
from tests.sources.otlp_bodies import body, request, span

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@pytest.fixture
def staging(daemon):
    daemon.clock = 1_800_000_000.0
    made = Inlet()
    receiver(daemon, staging=made)
    return made


@asynccontextmanager
async def channel(address, **options):
    async with grpc.aio.insecure_channel(address, **options) as made:
        yield made


async def refused(address, data, **options) -> tuple[grpc.StatusCode, str, Status]:
    """The code, the message and the details of an export that fails."""
    async with channel(address, **options) as made:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await made.unary_unary(EXPORT)(data, timeout=20)
    trailers = dict(error.value.trailing_metadata() or ())
    details = Status.FromString(trailers.get("grpc-status-details-bin", b""))
    return error.value.code(), error.value.details(), details


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
async def test_the_sdk_exports_spans(daemon, staging, compression):
    daemon.clock = 4e9
    async with otlp.grpc(daemon) as address:
        exporter = OTLPSpanExporter(endpoint=address, insecure=True, compression=compression)
        assert await exported(exporter, finished(["a", "b"])) is SpanExportResult.SUCCESS
    assert staging.operations == ["a", "b"]


async def test_the_sdk_comes_again_when_the_queue_was_full(daemon, staging):
    daemon.clock = 4e9
    staging.most = 0
    asked = asyncio.Event()
    room = staging.room
    staging.room = lambda spans: asked.set() or room(spans)
    async with otlp.grpc(daemon) as address:
        exporter = OTLPSpanExporter(endpoint=address, insecure=True, timeout=20)
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(exported(exporter, finished(["a"])), name="sdk")
            await asked.wait()
            assert staging.operations == []
            staging.most = 10
    assert sending.result() is SpanExportResult.SUCCESS
    assert staging.operations == ["a"]


async def test_a_full_queue_says_when_to_come_again(daemon, staging):
    staging.most = 0
    async with otlp.grpc(daemon) as address:
        code, message, details = await refused(address, body(span(1)))
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert message == "too many spans wait to be evaluated"
    assert (details.code, details.message) == (code.value[0], message)
    info = RetryInfo()
    assert details.details[0].Unpack(info)
    assert info.retry_delay.seconds == 1


async def test_a_partial_success_is_told(daemon, staging):
    async with otlp.grpc(daemon) as address, channel(address) as made:
        message = request(span(1), span(2, span_id=b""))
        found: ExportTraceServiceResponse = await TraceServiceStub(made).Export(message)
    assert found.partial_success.rejected_spans == 1
    assert "span id that is not 8 bytes" in found.partial_success.error_message
    assert len(staging.kept[0]) == 1


async def test_what_is_no_request_is_an_invalid_argument(daemon, staging):
    async with otlp.grpc(daemon) as address:
        code, message, _ = await refused(address, b"\xff")
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "no ExportTraceServiceRequest in protobuf" in message


async def test_a_daemon_that_is_not_ready_is_unavailable(daemon, staging):
    daemon.receivers = None
    async with otlp.grpc(daemon) as address:
        code, _, details = await refused(address, body(span(1)))
    assert code is grpc.StatusCode.UNAVAILABLE
    assert len(details.details) == 1


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
async def test_a_message_over_the_limit_is_refused_however_small_it_travels(
    daemon, staging, compression
):
    async with otlp.grpc(daemon) as address:
        code, _, _ = await refused(address, bytes(20 * LIMIT), compression=compression)
    assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert staging.kept == []


async def test_a_token_is_asked_for_as_everywhere(daemon, staging):
    daemon.clock = 4e9
    async with otlp.grpc(daemon, token="s3cret") as address:
        code, _, _ = await refused(address, body(span(1)))
        assert code is grpc.StatusCode.UNAUTHENTICATED
        exporter = OTLPSpanExporter(
            endpoint=address, insecure=True, headers={"authorization": "Bearer s3cret"}
        )
        assert await exported(exporter, finished(["a"])) is SpanExportResult.SUCCESS
    assert staging.operations == ["a"]


async def test_an_address_that_others_reach_needs_a_token(daemon):
    with pytest.raises(ApiError, match=r"otlp\.grpc: 0\.0\.0\.0:0 reaches other machines"):
        async with otlp_grpc.listening(daemon, Access("0.0.0.0:0", None), LIMIT):
            pass


async def test_an_address_that_is_taken_is_told(daemon):
    async with otlp.grpc(daemon) as address:
        with pytest.raises(ApiError, match="cannot be listened on"):
            async with otlp_grpc.listening(daemon, Access(address, None), LIMIT):
                pass


@pytest.mark.parametrize(
    ("peer", "near"),
    [
        ("ipv4:127.0.0.1:41000", True),
        ("ipv6:%5B::1%5D:41000", True),
        ("unix:/run/a.sock", True),
        ("ipv4:10.0.0.7:41000", False),
        ("ipv6:%5Bfe80::1%5D:41000", False),
        ("", False),
    ],
)
def test_who_is_on_this_machine(peer, near):
    assert otlp_grpc._is_near(peer) is near
