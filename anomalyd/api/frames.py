"""Server-sent events as they come in."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp


async def frames(response: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, bytes]]:
    """Kind and data of every server-sent event; comments are passed over."""
    kind, data = "message", b""
    async for raw in response.content:
        line = raw.rstrip(b"\r\n")
        name, _, value = line.partition(b":")
        if not line and data:
            yield kind, data
            kind, data = "message", b""
        elif name == b"event":
            kind = value.strip().decode()
        elif name == b"data":
            data += value.strip()
