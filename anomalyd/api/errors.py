"""Every refusal as `{"error": {"code", "message"}}`, with the status that HTTP has for it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from anomalyd import telemetry
from anomalyd.api.control import NotReady
from anomalyd.config import ConfigError
from anomalyd.push import Refused
from anomalyd.runs.acceptance import BadAcceptance, NotAcceptable
from anomalyd.runs.errors import StoreError
from anomalyd.runs.life import RunConflict, SelectorRefused, UnknownRun
from anomalyd.runs.outcomes import NotRecordable


class Refusal(Exception):
    """An answer other than success: HTTP status, a code for programs, a sentence for people."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        headers: Mapping[str, str] | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}
        self.details = details or {}


def answer(data: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """`data` as JSON."""
    return web.Response(
        body=msgspec.json.encode(data),
        status=status,
        headers=headers,
        content_type="application/json",
    )


DOMAIN = (
    Refusal,
    RunConflict,
    SelectorRefused,
    UnknownRun,
    BadAcceptance,
    NotAcceptable,
    NotRecordable,
    StoreError,
    ConfigError,
    NotReady,
    Refused,
)
"""What handlers may raise besides aiohttp's own."""


Write = Callable[[web.Request, Refusal], web.Response]


def refusals_by(write: Write) -> Middleware:
    """The outermost middleware: what handlers raise becomes the answer that `write` makes of it,
    and every answer is counted."""

    @web.middleware
    async def refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            response = await handler(request)
        except web.HTTPException as error:
            response = write(request, _from_http(request, error))
        except DOMAIN as error:
            response = write(request, from_domain(error))
        resource = request.match_info.route.resource
        route = resource.canonical if resource else "unknown"
        labels = {"route": route, "method": request.method, "status": str(response.status)}
        telemetry.api_requests.add(1, labels)
        return response

    return refusals


def _refuse(_: web.Request, refusal: Refusal) -> web.Response:
    error = {"code": refusal.code, "message": refusal.message, **refusal.details}
    return answer({"error": error}, refusal.status, refusal.headers)


refusals = refusals_by(_refuse)


def _from_http(request: web.Request, error: web.HTTPException) -> Refusal:
    """aiohttp's own refusals: no such route, wrong method, body too large."""
    headers = {name: error.headers[name] for name in ("Allow",) if name in error.headers}
    match error:
        case web.HTTPNotFound():
            return Refusal(404, "unknown_route", f"there is no {request.path}; see docs/api.md")
        case web.HTTPMethodNotAllowed():
            allowed = ", ".join(sorted(error.allowed_methods))
            message = f"{request.method} is not for {request.path}; use {allowed}"
            return Refusal(405, "method_not_allowed", message, headers)
        case web.HTTPRequestEntityTooLarge():
            return Refusal(413, "body_too_large", "the body is over 1 MiB; send less")
    code = HTTPStatus(error.status).phrase.lower().replace(" ", "_")
    return Refusal(error.status, code, error.reason, headers)


def from_domain(error: Exception) -> Refusal:
    """Of one of DOMAIN."""
    match error:
        case Refusal():
            return error
        case RunConflict():
            wait = error.retry_after
            headers = {"Retry-After": str(math.ceil(wait))} if wait is not None else {}
            return Refusal(409, "run_conflict", str(error), headers, {"run": error.other.id})
        case SelectorRefused():
            return Refusal(400, "selector_refused", str(error))
        case UnknownRun():
            return Refusal(404, "unknown_run", str(error))
        case BadAcceptance():
            return Refusal(400, "bad_request", str(error))
        case NotAcceptable():
            return Refusal(409, "not_acceptable", str(error))
        case NotRecordable():
            return Refusal(409, "not_recordable", str(error))
        case NotReady():
            return Refusal(503, "not_ready", str(error), {"Retry-After": "5"})
        case Refused():
            return Refusal(error.status, error.code, error.message, error.headers)
        case ConfigError():
            return Refusal(400, "config_invalid", str(error), details={"errors": error.errors})
    return Refusal(503, "store_unavailable", str(error))
