"""Where OpenTelemetry SDKs and Collectors send to by gRPC. Imported only where that is configured.

Messages stay bytes here, so that the receiver reads them as it does those that come by HTTP.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import unquote

import grpc

from anomalyd import telemetry
from anomalyd.address import is_loopback
from anomalyd.api import rpc
from anomalyd.api.access import Access, check_token
from anomalyd.api.control import Control
from anomalyd.api.errors import DOMAIN, Refusal, from_domain
from anomalyd.api.otlp import SECTIONS
from anomalyd.api.server import ApiError, checked
from anomalyd.push import Post

SERVICES = {
    "traces": "opentelemetry.proto.collector.trace.v1.TraceService",
    "metrics": "opentelemetry.proto.collector.metrics.v1.MetricsService",
}
"""By signal; each has one method, Export."""

_PROTOBUF = {"content-type": "application/x-protobuf"}
_SHUTDOWN_SECONDS = 5.0

Handler = Callable[[bytes, grpc.aio.ServicerContext], Awaitable[bytes]]


@asynccontextmanager
async def listening(
    control: Control, access: Access, body_limit: int
) -> AsyncIterator[tuple[str, int]]:
    """Listen on `access.listen` within the block; yields the address. Raises ApiError."""
    host, _ = checked(access.listen, access.token, "otlp.grpc")
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", body_limit),
            ("grpc.so_reuseport", 0),
        ]
    )
    server.add_generic_rpc_handlers(
        [
            grpc.method_handlers_generic_handler(
                service,
                {"Export": grpc.unary_unary_rpc_method_handler(_export(signal, control, access))},
            )
            for signal, service in SERVICES.items()
        ]
    )
    try:
        port = server.add_insecure_port(access.listen)
    except RuntimeError:
        raise ApiError(
            f"otlp.grpc: {access.listen} cannot be listened on; stop what listens there, or choose "
            "another address of this machine"
        ) from None
    await server.start()
    try:
        yield host, port
    finally:
        await server.stop(_SHUTDOWN_SECONDS)


def _export(signal: str, control: Control, access: Access) -> Handler:
    async def export(body: bytes, context: grpc.aio.ServicerContext) -> bytes:
        try:
            _check(context, access)
            answer = _receive(signal, control, body)
        except DOMAIN as error:
            refusal = from_domain(error)
            _count(signal, rpc.code_of(refusal).name)
            context.set_trailing_metadata((("grpc-status-details-bin", rpc.status(refusal)),))
            await context.abort(_GRPC[rpc.code_of(refusal)], refusal.message)
        _count(signal, "OK")
        return answer

    return export


_GRPC = {code.value[0]: code for code in grpc.StatusCode}


def _count(signal: str, status: str) -> None:
    labels = {"route": f"{SERVICES[signal]}/Export", "method": "gRPC", "status": status}
    telemetry.api_requests.add(1, labels)


def _receive(signal: str, control: Control, body: bytes) -> bytes:
    section = SECTIONS[signal]
    receiver = control.receiver(section)
    if receiver is None:
        raise Refusal(
            404, "not_received", f"nothing is received here; set environments.staging.{section}"
        )
    return receiver.receive(Post("", _PROTOBUF, body, control.now())).body


def _check(context: grpc.aio.ServicerContext, access: Access) -> None:
    """As `access.guard`: a token, or without one this machine alone. Raises Refusal."""
    if access.token:
        given = dict(context.invocation_metadata() or ()).get("authorization", "")
        check_token(str(given), access.token)
    elif not _is_near(context.peer()):
        raise Refusal(
            403, "token_required", "changes from other machines need a token; set api.token"
        )


def _is_near(peer: str) -> bool:
    """Of `ipv4:127.0.0.1:5000`, `ipv6:%5B::1%5D:5000` or `unix:path`."""
    kind, _, rest = peer.partition(":")
    if kind == "unix":
        return True
    return is_loopback(unquote(rest).rpartition(":")[0].strip("[]"))
