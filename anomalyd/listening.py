"""Everything that the daemon listens on: its API, and OTLP where an environment is sent spans."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace

from anomalyd.api import otlp, server
from anomalyd.api.access import Access
from anomalyd.api.app import create_app
from anomalyd.api.control import Control
from anomalyd.api.hub import Hub
from anomalyd.config import Config

log = logging.getLogger(__name__)

Address = tuple[str, int]


@dataclass(slots=True)
class Listening:
    """api, otlp (by `http` and `grpc`): where, with the port that 0 became. accesses: whose token
    a reload may change."""

    api: Address
    accesses: list[Access]
    otlp: dict[str, Address] = field(default_factory=dict)


@asynccontextmanager
async def listen(config: Config, control: Control, hub: Hub) -> AsyncIterator[Listening]:
    """Listen within the block. Raises ApiError."""
    api = config.api
    try:
        access = Access(api.listen, api.secret(), api.external_url)
    except OSError as error:
        raise server.ApiError(f"api.token_file cannot be read: {error}") from error
    async with AsyncExitStack() as stack:
        app = create_app(control, hub, access)
        address = await stack.enter_async_context(server.serve(app, api.listen))
        log.info("listening on http://%s:%d", *address)
        found = Listening(address, [access])
        if config.environments.otlp:
            await _otlp(config, control, found, stack)
        yield found


async def _otlp(config: Config, control: Control, found: Listening, stack: AsyncExitStack) -> None:
    settings, access = config.otlp, found.accesses[0]
    if settings.http:
        own = replace(access, listen=settings.http)
        found.otlp["http"] = await stack.enter_async_context(otlp.listening(control, own))
        found.accesses.append(own)
        log.info("listening for OTLP on http://%s:%d", *found.otlp["http"])
    if settings.grpc:
        from anomalyd.api import otlp_grpc

        own = replace(access, listen=settings.grpc)
        at = await stack.enter_async_context(otlp_grpc.listening(control, own, settings.body_limit))
        found.otlp["grpc"] = at
        found.accesses.append(own)
        log.info("listening for OTLP by gRPC on %s:%d", *at)
