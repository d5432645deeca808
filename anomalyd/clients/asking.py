"""One bounded GET of JSON from a system that keeps traces or lines; all that fails has a name."""

from __future__ import annotations

import time as clock
from collections.abc import Sequence
from contextlib import AsyncExitStack
from http import HTTPStatus
from typing import TypeVar

import aiohttp
import msgspec

from anomalyd import http
from anomalyd.config import Endpoint
from anomalyd.query import REFUSALS, QueryError, Trouble

T = TypeVar("T")

SAID = 300
"""Characters of a system's own words that are passed on."""

_KINDS = {
    **REFUSALS,
    404: (Trouble.NOT_FOUND, "does not offer this; check url"),
    501: (Trouble.NOT_FOUND, "does not offer this"),
}


class Asker:
    """Asks one server; `name` is the setting that says where it is, as in `enrich.tempo`.

    body_limit: bytes of one answer, as the setting `limited_by` has it; reading stops there. The
    session is the caller's to close. Raises only QueryError.
    """

    def __init__(
        self,
        name: str,
        endpoint: Endpoint,
        url: str,
        session: aiohttp.ClientSession,
        body_limit: int,
        limited_by: str = "enrich.body_limit",
    ) -> None:
        self.name, self.url = name, url
        self._timeout, self._session, self._limit = endpoint.timeout, session, body_limit
        self._limited_by = limited_by

    async def get(self, path: str, params: Sequence[tuple[str, str]]) -> bytes:
        """The body of a 200. A redirect is not followed: it would carry our credentials along."""
        try:
            async with self._session.get(
                self.url + path, params=list(params), allow_redirects=False
            ) as response:
                if response.status != HTTPStatus.OK:
                    raise await self._refusal(response)
                return await self._read(response)
        except http.NETWORK_ERRORS as error:
            raise self._network(error) from error

    def read(self, body: bytes, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.MsgspecError as error:
            raise self.trouble(Trouble.BROKEN, f"answers what cannot be read ({error})") from error

    def trouble(
        self, kind: Trouble, what: str, status: int = 0, retry_after: float | None = None
    ) -> QueryError:
        return QueryError(kind, f"{self.name} ({self.url}) {what}", status, retry_after)

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > self._limit:
                response.close()
                raise self.trouble(
                    Trouble.TOO_LARGE,
                    f"answers more than {self._limit} bytes; raise {self._limited_by}",
                )
        return bytes(body)

    async def _refusal(self, response: aiohttp.ClientResponse) -> QueryError:
        status = response.status
        if 300 <= status < 400:
            return self.trouble(
                Trouble.NOT_FOUND, "redirects elsewhere; set the url that answers itself", status
            )
        kind, what = _KINDS.get(status, (Trouble.REFUSED, "refuses the request"))
        if status >= 500 and status not in _KINDS:
            kind, what = Trouble.SERVER, "fails"
        text = (await response.content.read(16 * 1024)).decode(errors="replace")
        said = " ".join(_said(text).split())[:SAID]
        wait = http.retry_after(response.headers.get("Retry-After"), clock.time())
        sentence = f"{what} (HTTP {status})" + (f": {said}" if said else "")
        return self.trouble(kind, sentence, status, wait)

    def _network(self, error: Exception) -> QueryError:
        if isinstance(error, TimeoutError):
            limit = f"{self._timeout:g}s"
            return self.trouble(Trouble.TIMEOUT, f"did not answer within its timeout of {limit}")
        if isinstance(error, aiohttp.ClientSSLError | aiohttp.ClientConnectorCertificateError):
            return self.trouble(
                Trouble.TLS, "failed the TLS handshake; check tls and the host name"
            )
        if isinstance(error, aiohttp.ClientPayloadError):
            return self.trouble(Trouble.BROKEN, "cut its answer off")
        said = http.reason(error)
        return self.trouble(Trouble.UNREACHABLE, f"cannot be reached ({said}); check url")


async def connect(
    name: str,
    endpoint: Endpoint,
    url: str,
    stack: AsyncExitStack,
    body_limit: int,
    limited_by: str = "enrich.body_limit",
) -> Asker:
    """Nothing is asked; the session goes on the stack. Raises QueryError where a secret or
    certificate cannot be read."""
    try:
        session = http.session(endpoint)
    except OSError as error:
        why = f"{name}: a secret or certificate cannot be read: {error}; mend its auth or tls"
        raise QueryError(Trouble.TLS, why) from error
    await stack.enter_async_context(session)
    return Asker(name, endpoint, url, session, body_limit, limited_by)


class _Failure(msgspec.Struct):
    """What the systems' own refusals say: Jaeger's two generations; Tempo and Loki write text."""

    message: str = ""
    error: msgspec.Raw = msgspec.Raw(b"null")
    errors: list[dict[str, object]] | None = None


def _said(text: str) -> str:
    """The sentence of a refusal; a proxy's page has none."""
    try:
        failure = msgspec.json.decode(text, type=_Failure)
    except msgspec.MsgspecError:
        return "" if text.lstrip().startswith("<") else text
    if failure.errors:
        return str(failure.errors[0].get("msg", ""))
    inner = msgspec.json.decode(failure.error)
    if isinstance(inner, dict):
        return str(inner.get("message", ""))
    return str(inner) if isinstance(inner, str) else failure.message


def escaped(value: str) -> str:
    """`value` as it stands between the double quotes of TraceQL and LogQL."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def nanoseconds(at: float) -> str:
    return str(round(at * 1000) * 1_000_000)
