"""The HTTP query API of Prometheus, which Thanos, Mimir and VictoriaMetrics answer as well.

Whatever a server or the way to it may do becomes a `QueryError` with one sentence. The URL may
carry a path prefix (`https://mimir/prometheus`).
"""

from __future__ import annotations

import math
import time as clock
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlencode

import aiohttp
import msgspec
from yarl import URL

from anomalyd.config import EnvironmentConfig
from anomalyd.http import NETWORK_ERRORS, reason, retry_after
from anomalyd.query import (
    REFUSALS,
    Matrix,
    QueryError,
    Trouble,
    Vector,
    decode_matrix,
    decode_vector,
)

Form = Sequence[tuple[str, str]]
Answer = TypeVar("Answer", Vector, Matrix)
Data = TypeVar("Data")

_KINDS = {
    **REFUSALS,
    404: (Trouble.NOT_FOUND, "does not offer this path; check the path of the url"),
    405: (Trouble.NOT_FOUND, "does not allow this method here; check the url"),
}
_SERIES = b'"metric":{'
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class BuildInfo(msgspec.Struct):
    version: str = ""
    application: str = ""
    revision: str = ""


class Target(msgspec.Struct):
    """An active scrape target; `scrape_interval` as in `15s`, empty where not offered (< 2.31)."""

    labels: dict[str, str] = {}
    health: str = ""
    scrape_interval: str = msgspec.field(default="", name="scrapeInterval")


class _Targets(msgspec.Struct):
    active: list[Target] = msgspec.field(default_factory=list, name="activeTargets")


class _Failure(msgspec.Struct):
    error: str = ""
    error_type: str = msgspec.field(default="", name="errorType")


class _Enveloped(msgspec.Struct):
    data: msgspec.Raw


class PromApi:
    """A client of one server; `name` is said in errors (`production`). Raises only QueryError.

    query_series, body_bytes: limits of one answer; reading stops where one is passed. The session
    (`anomalyd.http.session(endpoint)`) is the caller's to close.
    """

    def __init__(
        self,
        endpoint: EnvironmentConfig,
        session: aiohttp.ClientSession,
        *,
        name: str = "prometheus",
        query_series: int = 50_000,
        body_bytes: int = 256 * 2**20,
    ) -> None:
        self.endpoint = endpoint
        self.name = name
        self._session = session
        self._url = (endpoint.url or "").rstrip("/")
        self._where = f"{name} ({URL(self._url).with_user(None).with_query(None)})"
        self._query_series = query_series
        self._body_bytes = body_bytes
        self._method = "POST"

    async def instant(self, query: str, time: float | None = None) -> Vector:
        """The query's value at `time` (unix seconds; None: the server's now)."""
        form = [("query", query), ("timeout", self._timeout)]
        if time is not None:
            form.append(("time", _decimal(time)))
        body = await self._post("/api/v1/query", form)
        return self._decoded(lambda: decode_vector(body))

    async def count(self, query: str, time: float) -> int:
        """How many series a query yields."""
        try:
            found = await self.instant(f"count({query})", time)
        except QueryError as error:
            if error.kind is not Trouble.BAD_QUERY:
                raise
            return 1  # a scalar cannot be counted; a wrong query fails where it is read
        return int(found.values[0]) if len(found.values) else 0

    async def answers(self) -> bool:
        """Whether it answers at all."""
        try:
            await self.instant("vector(1)")
        except QueryError:
            return False
        return True

    async def range(self, query: str, start: float, end: float, step: float) -> Matrix:
        """The query's values at start, start + step, … end, all inclusive."""
        times = [("start", _decimal(start)), ("end", _decimal(end)), ("step", _decimal(step))]
        form = [("query", query), ("timeout", self._timeout), *times]
        body = await self._post("/api/v1/query_range", form)
        return self._decoded(lambda: decode_matrix(body, start, end, step))

    async def labels(self, match: Sequence[str] = (), *, since: float | None = None) -> list[str]:
        """Names of the labels on series that a selector of `match` selects."""
        form = [*(("match[]", one) for one in match), *_since(since)]
        return self._data(await self._post("/api/v1/labels", form), list[str])

    async def metric_names(
        self, match: Sequence[str] = (), *, since: float | None = None
    ) -> list[str]:
        form = [*(("match[]", one) for one in match), *_since(since)]
        return self._data(await self._get("/api/v1/label/__name__/values", form), list[str])

    async def buildinfo(self) -> BuildInfo:
        return self._data(await self._get("/api/v1/status/buildinfo"), BuildInfo)

    async def read(self, path: str, form: Form = ()) -> Any:
        """`data` of what a GET of `path` answers, as plain values."""
        return self._data(await self._get(path, form), object)

    async def targets(self) -> list[Target]:
        """Active targets. Raises QueryError of kind not-found where the server does not scrape."""
        return self._data(
            await self._get("/api/v1/targets", [("state", "active")]), _Targets
        ).active

    @property
    def _timeout(self) -> str:
        return f"{max(1, math.floor(self.endpoint.timeout * 1000))}ms"

    async def _post(self, path: str, form: Form) -> bytes:
        if self._method == "POST":
            try:
                return await self._request("POST", path, form)
            except QueryError as error:
                if error.status != HTTPStatus.METHOD_NOT_ALLOWED:
                    raise
                self._method = "GET"
        return await self._request("GET", path, form)

    async def _get(self, path: str, form: Form = ()) -> bytes:
        return await self._request("GET", path, form)

    async def _request(self, method: str, path: str, form: Form) -> bytes:
        try:
            return await self._send(method, path, form)
        except aiohttp.ServerDisconnectedError:
            # A kept-alive connection that the server closed just now; a query may be sent twice.
            pass
        except NETWORK_ERRORS as error:
            raise self._network(error) from error
        try:
            return await self._send(method, path, form)
        except NETWORK_ERRORS as error:
            raise self._network(error) from error

    async def _send(self, method: str, path: str, form: Form) -> bytes:
        # aiohttp's own writing of a form takes a quarter of a whole small request.
        sent: dict[str, Any] = {"data": urlencode(form).encode(), "headers": _FORM}
        if method != "POST":
            sent = {"params": list(form)}
        url = self._url + path
        async with self._session.request(method, url, allow_redirects=False, **sent) as response:
            if response.status != HTTPStatus.OK:
                raise await self._refusal(response, path)
            return await self._read(response)

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        """The body, unless it passes a limit; leaving early closes the connection."""
        chunks: list[bytes] = []
        size = series = 0
        tail = b""
        async for chunk in response.content.iter_any():
            chunks.append(chunk)
            size += len(chunk)
            joined = tail + chunk
            series += joined.count(_SERIES)
            tail = joined[1 - len(_SERIES) :]
            if series > self._query_series:
                response.close()
                raise self._too_many()
            if size > self._body_bytes:
                response.close()
                raise QueryError(
                    Trouble.TOO_LARGE,
                    f"{self._where}: the answer passes {self._body_bytes} bytes; narrow the query"
                    " or raise limits.body_bytes",
                )
        return b"".join(chunks)

    def _too_many(self) -> QueryError:
        return QueryError(
            Trouble.TOO_MANY_SERIES,
            f"{self._where}: the query yields more than {self._query_series} series; "
            "group by fewer labels or raise limits.query_series",
        )

    def _decoded(self, decode: Callable[[], Answer]) -> Answer:
        try:
            answer = decode()
        except QueryError as error:
            raise QueryError(error.kind, f"{self._where}: {error}") from error
        if len(answer.keys) > self._query_series:
            raise self._too_many()
        return answer

    async def _refusal(self, response: aiohttp.ClientResponse, path: str) -> QueryError:
        status = response.status
        if 300 <= status < 400:
            location = response.headers.get("Location", "elsewhere")
            return QueryError(
                Trouble.NOT_FOUND,
                f"{self._where} redirects to {location[:200]}; set the url that answers itself",
                status,
            )
        failure = _failure(await response.content.read(64 * 1024))
        kind, what = _KINDS.get(status, (Trouble.REFUSED, "refuses the request"))
        if status >= 500:
            kind, what = Trouble.SERVER, "fails"
        if failure.error_type == "timeout" or status == HTTPStatus.GATEWAY_TIMEOUT:
            kind, what = Trouble.TIMEOUT, "ran out of time"
        said = f": {' '.join(failure.error.split())[:300]}" if failure.error else ""
        at = f" ({path})" if status in (404, 405) else ""
        return QueryError(
            kind,
            f"{self._where} {what}{at} (HTTP {status}){said}",
            status,
            retry_after(response.headers.get("Retry-After"), clock.time()),
        )

    def _network(self, error: Exception) -> QueryError:
        if isinstance(error, TimeoutError):
            limit = f"{self.endpoint.timeout:g}s"
            return QueryError(
                Trouble.TIMEOUT, f"{self._where} did not answer within its timeout of {limit}"
            )
        if isinstance(error, aiohttp.ClientSSLError | aiohttp.ClientConnectorCertificateError):
            return QueryError(
                Trouble.TLS,
                f"{self._where}: the TLS handshake failed ({reason(error)}); "
                "check tls.ca_file, tls.cert_file and the url's host name",
            )
        if isinstance(error, aiohttp.ClientPayloadError):
            return QueryError(Trouble.BROKEN, f"{self._where}: the answer was cut off")
        return QueryError(
            Trouble.UNREACHABLE, f"{self._where} cannot be reached ({reason(error)}); check url"
        )

    def _data(self, body: bytes, kind: type[Data]) -> Data:
        try:
            return msgspec.json.decode(msgspec.json.decode(body, type=_Enveloped).data, type=kind)
        except msgspec.MsgspecError as error:
            raise QueryError(
                Trouble.BROKEN, f"{self._where}: the answer cannot be read ({error})"
            ) from error


def _failure(body: bytes) -> _Failure:
    """The error of the API's own form; a proxy's page has none."""
    try:
        return msgspec.json.decode(body, type=_Failure)
    except msgspec.MsgspecError:
        return _Failure()


def _decimal(number: float) -> str:
    """Unix seconds to the millisecond, without an exponent."""
    return f"{number:.3f}".rstrip("0").rstrip(".")


def _since(since: float | None) -> list[tuple[str, str]]:
    return [] if since is None else [("start", _decimal(since))]
