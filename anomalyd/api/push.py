"""Where samples are pushed to. Decoding and refusing is the receiver's; here are only bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web
from aiohttp.typedefs import Handler

from anomalyd.api.errors import Refusal
from anomalyd.api.keys import CONTROL
from anomalyd.push import Post

AT_ONCE_BYTES = 2**28
"""Of bodies that are being read at a time; one more is told to come again."""
_ON_THE_WAY = web.AppKey("on_the_way", list[int])


def setup(app: web.Application) -> None:
    app[_ON_THE_WAY] = [0]


def into(section: str) -> Handler:
    """The handler of what is pushed by the protocol of that setting."""

    async def push(request: web.Request) -> web.StreamResponse:
        control = request.app[CONTROL]
        receiver = control.receiver(section)
        if receiver is None:
            raise Refusal(
                404, "not_received", f"nothing is received here; set environments.staging.{section}"
            )
        with _room_for(request, receiver.body_limit):
            body = await _read(request, receiver.body_limit, section)
        headers = {name.lower(): value for name, value in request.headers.items()}
        environment = request.match_info.get("environment", "")
        reply = receiver.receive(Post(environment, headers, body, control.now()))
        return web.Response(
            status=reply.status,
            headers=reply.headers,
            body=reply.body,
            content_type=reply.content_type,
        )

    return push


@contextmanager
def _room_for(request: web.Request, limit: int) -> Iterator[None]:
    """503, which every sender tries again: Prometheus drops what is answered 429 if not told
    otherwise. Raises Refusal."""
    on_the_way = request.app[_ON_THE_WAY]
    size = min(request.content_length or limit, limit)
    if on_the_way[0] and on_the_way[0] + size > AT_ONCE_BYTES:
        raise Refusal(503, "busy", "too much is pushed at once; come again", {"Retry-After": "1"})
    on_the_way[0] += size
    try:
        yield
    finally:
        on_the_way[0] -= size


async def _read(request: web.Request, limit: int, section: str) -> bytes:
    """Raises Refusal where the body is over `limit` bytes."""
    parts, size = [], 0
    while part := await request.content.readany():
        parts.append(part)
        size += len(part)
        if size > limit:
            raise Refusal(
                413, "body_too_large", f"the body is over {limit} bytes; raise {section}.body_limit"
            )
    return b"".join(parts)
