"""Who may ask: a bearer token, or without one this machine alone, and no web page of others."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from anomalyd.address import is_loopback
from anomalyd.api.errors import Refusal

OPEN = frozenset({"/-/healthy", "/-/ready", "/metrics"})
"""Paths that probes and scrapers reach without the token."""

PUSHED = ("/api/v1/write",)
"""Beginnings of the paths that samples are pushed to."""
_PROTOCOLS = frozenset({"application/x-protobuf"})
"""Types of bodies besides JSON that no page can send without asking first."""

_SAFE = frozenset({hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS})


@dataclass(slots=True)
class Access:
    """`api` of the config: the token, which a reload may change, the address listened on, how
    others reach it."""

    listen: str
    token: str | None = None
    external_url: str | None = None


def guard(access: Access, *, pushed: bool = False) -> Middleware:
    """The middleware that raises `Refusal` for who may not ask.

    pushed: every path is pushed to; which types of bodies there are is the receiver's to say.
    """

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        _check_page(request, access)
        if not pushed:
            _check_type(request)
        if request.path in OPEN and request.method in _SAFE:
            return await handler(request)
        if not access.token:
            _check_machine(request, access)
        else:
            # aiohttp keeps bytes that are not UTF-8 as surrogates.
            check_token(request.headers.get(hdrs.AUTHORIZATION, ""), access.token)
        return await handler(request)

    return check


def check_token(authorization: str, token: str) -> None:
    """authorization: the header, text or with surrogates for its bytes. Raises Refusal."""
    scheme, _, given = authorization.partition(" ")
    bytes_given = given.strip().encode("utf-8", "surrogateescape")
    fits = hmac.compare_digest(bytes_given, token.encode())
    if scheme.lower() != "bearer" or not fits:
        raise Refusal(
            401,
            "unauthorized",
            "send the header Authorization: Bearer with the token of api.token",
            {"WWW-Authenticate": "Bearer"},
        )


def _check_machine(request: web.Request, access: Access) -> None:
    """Without a token: names that lead here (DNS rebinding), and changes from this machine only."""
    host = _hostname(request.host)
    if not is_loopback(host) and host != _hostname(access.listen):
        raise Refusal(
            403,
            "host_refused",
            f"the Host {request.host!r} is not this server's; use its own address or set api.token",
        )
    if request.method not in _SAFE and not is_loopback(request.remote or ""):
        raise Refusal(
            403, "token_required", "changes from other machines need a token; set api.token"
        )


def _check_page(request: web.Request, access: Access) -> None:
    """A browser sends what any page asks it to, but not JSON, and it says which page asked."""
    if request.method in _SAFE:
        return
    origin = request.headers.get(hdrs.ORIGIN)
    own = {request.host, urlsplit(access.external_url or "").netloc}
    if origin is not None and urlsplit(origin).netloc not in own - {""}:
        raise Refusal(
            403, "cross_origin", f"a page of {origin} may not make changes here; use its own pages"
        )


def _check_type(request: web.Request) -> None:
    if request.method in _SAFE:
        return
    pushed = request.path.startswith(PUSHED) and request.content_type in _PROTOCOLS
    if request.can_read_body and not pushed and request.content_type != "application/json":
        raise Refusal(
            415,
            "json_required",
            f"the body is {request.content_type}; send Content-Type: application/json",
        )


def _hostname(netloc: str) -> str:
    """`host` of `host:port`; of an address in brackets what is within."""
    try:
        return urlsplit(f"//{netloc}").hostname or ""
    except ValueError:
        return ""
