"""Where samples are pushed to. Decoding and refusing is the receiver's; here are only bytes."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler

from anomalyd.api.errors import Refusal
from anomalyd.api.keys import CONTROL
from anomalyd.push import Post


def into(section: str) -> Handler:
    """The handler of what is pushed by the protocol of that setting."""

    async def push(request: web.Request) -> web.StreamResponse:
        control = request.app[CONTROL]
        receiver = control.receiver(section)
        if receiver is None:
            raise Refusal(
                404, "not_received", f"nothing is received here; set environments.staging.{section}"
            )
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


async def _read(request: web.Request, limit: int, section: str) -> bytes:
    """Raises Refusal where the body is over `limit` bytes."""
    try:
        return await request.clone(client_max_size=limit).read()
    except web.HTTPRequestEntityTooLarge:
        raise Refusal(
            413, "body_too_large", f"the body is over {limit} bytes; raise {section}.body_limit"
        ) from None
