"""A running anomalyd as `watch --server` and `runs` reach it."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict
from typing import Any, Self, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec
from pydantic import SecretStr
from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    stop_after_delay,
    wait_random_exponential,
)

from anomalyd import codec
from anomalyd.api.control import RunStatus
from anomalyd.api.frames import frames
from anomalyd.api.hub import Event
from anomalyd.config import Auth, Endpoint
from anomalyd.http import NETWORK_ERRORS, session
from anomalyd.model import Incident, Run, Verdict
from anomalyd.runs.acceptance import Asked, Undone

T = TypeVar("T")

HEARTBEATS_MISSED_SECONDS = 45.0
"""Silence on an event stream after which the server is taken for gone: three heartbeats."""

_LINE_LIMIT = 16 * 2**20
_AWAY = frozenset({502, 503, 504})


class ServerAway(Exception):
    """The server cannot be reached, as a sentence."""


class ServerRefused(Exception):
    """The server said no: its sentence, its code and HTTP status.

    retry_after: seconds it asked to wait, if it did.
    """

    def __init__(
        self, message: str, code: str, status: int, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.retry_after = retry_after


class NotSent(ServerAway):
    """Nothing was done for the request, so that it can be sent again."""


class ServerClient:
    """One server; use it as an async context manager.

    Every method raises ServerAway when the server stays out of reach for `patience_seconds`, and
    ServerRefused for what it answers other than success. Starting a run and writing a note are
    sent again only where nothing can have come of them; all else is asked again on any failure.
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        patience_seconds: float = 30.0,
        shortest_pause_seconds: float = 0.2,
        longest_pause_seconds: float = 5.0,
    ) -> None:
        if not re.match(r"https?://[^\s/@]+(/[^@]*)?$", url):
            raise ServerAway("--server is not the URL of a server; write http://host:port")
        self.url = url.rstrip("/")
        self._endpoint = Endpoint(auth=Auth(bearer=SecretStr(token) if token else None))
        self._patience = patience_seconds
        self._shortest_pause, self._longest_pause = shortest_pause_seconds, longest_pause_seconds
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = session(self._endpoint)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session:
            await self._session.close()

    async def start_run(
        self, name: str, selector: str = "", labels: Mapping[str, str] | None = None
    ) -> Run:
        asked = {"name": name, "selector": selector, "labels": dict(labels or {})}
        return self._read(Run, await self._ask("POST", "/runs", body=asked, repeatable=False))

    async def stop_run(self, run_id: str) -> Run:
        return self._read(Run, await self._ask("POST", f"/runs/{_part(run_id)}/stop"))

    async def note(self, run_id: str, text: str) -> Run:
        path = f"/runs/{_part(run_id)}/notes"
        return self._read(Run, await self._ask("POST", path, body={"text": text}, repeatable=False))

    async def accept(self, run_id: str, asked: Asked) -> dict[str, Any]:
        """The fields of the run, `outcome`, `accepted` and what is accepted of it."""
        path, again = f"/runs/{_part(run_id)}/accept", not asked.note
        return self._json(await self._ask("POST", path, body=asdict(asked), repeatable=again))

    async def undo_accept(self, run_id: str, what: Undone) -> dict[str, Any]:
        query = {"signal": what.signal, "golden": str(what.golden).lower()}
        return self._json(await self._ask("DELETE", f"/runs/{_part(run_id)}/accept", query=query))

    async def told(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """What a path under /api/v1 answers, as plain values; asked again on failure."""
        return self._json(await self._ask(method, path, body=body))

    async def runs(self, limit: int = 100) -> list[dict[str, Any]]:
        """Newest first: each the fields of a Run, `outcome` or None, `accepted`, `golden`."""
        body = await self._ask("GET", "/runs", query={"limit": str(limit)})
        rows = self._json(body).get("runs")
        if not isinstance(rows, list):
            raise self._strange("runs is not an array")
        return rows

    async def status(self, run_id: str) -> RunStatus:
        return self._read(RunStatus, await self._ask("GET", f"/runs/{_part(run_id)}"))

    async def incidents(self, run_id: str) -> list[Incident]:
        body = await self._ask("GET", "/incidents", query={"run": run_id})
        rows = self._json(body).get("incidents", [])
        return [self._plain(Incident, row) for row in rows]

    async def wait_verdict(self, run_id: str) -> Verdict:
        """The verdict, however long the run lasts; bound it with `asyncio.timeout`."""
        path = f"/runs/{_part(run_id)}/verdict"
        while True:
            status, body = await self._answer("GET", path, query={"wait": "30s"}, wait=30.0)
            if status == 200:
                return self._read(Verdict, body)

    async def report(self, run_id: str, ending: str) -> bytes:
        """A report as `json`, `xml`, `md` or `html`."""
        return await self._ask("GET", f"/runs/{_part(run_id)}/report.{ending}")

    async def recording(self, run_id: str, seconds: float) -> bytes:
        """A finished run's recording as one archive; packing and sending it may take `seconds`."""
        _, body = await self._answer("GET", f"/runs/{_part(run_id)}/recording", wait=seconds)
        return body

    async def events(self, run_id: str) -> AsyncIterator[Event]:
        """What happens in a run, `finished` last.

        After a lost connection it goes on with the run as it then stands: an event may come
        twice, and what opened and closed meanwhile is not told.
        """
        while True:
            async with self._stream(f"/runs/{_part(run_id)}/events") as response:
                with contextlib.suppress(*NETWORK_ERRORS):
                    async for kind, data in frames(response):
                        yield Event(kind, run_id, self._json(data))
                        if kind == "finished":
                            return
            await asyncio.sleep(self._shortest_pause)

    @contextlib.asynccontextmanager
    async def _stream(self, path: str) -> AsyncIterator[aiohttp.ClientResponse]:
        """An event stream that was opened, with retries."""
        async for attempt in self._attempts(ServerAway):
            with attempt:
                try:
                    response = await self._opened().get(
                        f"{self.url}/api/v1{path}",
                        read_bufsize=_LINE_LIMIT,
                        timeout=aiohttp.ClientTimeout(
                            total=None, sock_connect=10, sock_read=HEARTBEATS_MISSED_SECONDS
                        ),
                    )
                    if response.status != 200:
                        raise self._refused(response, await response.read())
                except NETWORK_ERRORS as error:
                    raise self._away(error) from error
        try:
            yield response
        finally:
            response.close()

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
        repeatable: bool = True,
    ) -> bytes:
        _, answer = await self._answer(method, path, body=body, query=query, repeatable=repeatable)
        return answer

    async def _answer(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
        wait: float = 0.0,
        repeatable: bool = True,
    ) -> tuple[int, bytes]:
        """Status (2xx) and body, with retries; `wait`: seconds the server may take by agreement."""
        content = msgspec.json.encode(body) if body is not None else None
        headers = {"Content-Type": "application/json"} if content is not None else None
        async for attempt in self._attempts(ServerAway if repeatable else NotSent):
            with attempt:
                try:
                    async with self._opened().request(
                        method,
                        f"{self.url}/api/v1{path}",
                        data=content,
                        params=query,
                        headers=headers,
                        timeout=aiohttp.ClientTimeout(total=self._endpoint.timeout + wait),
                    ) as response:
                        answer = await response.read()
                        if not response.ok:
                            raise self._refused(response, answer)
                        return response.status, answer
                except NETWORK_ERRORS as error:
                    raise self._away(error) from error
        raise AssertionError("tenacity returns or raises")

    def _attempts(self, retried: type[ServerAway]) -> AsyncRetrying:
        return AsyncRetrying(
            retry=retry_if_exception_type(retried),
            stop=stop_after_delay(self._patience),
            wait=wait_random_exponential(multiplier=self._shortest_pause, max=self._longest_pause),
            sleep=asyncio.sleep,
            reraise=True,
        )

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("ServerClient is used outside of its `async with`")
        return self._session

    def _away(self, error: Exception) -> ServerAway:
        kind = NotSent if isinstance(error, aiohttp.ClientConnectorError) else ServerAway
        reason = "it took too long" if isinstance(error, TimeoutError) else str(error)
        return kind(
            f"anomalyd at {self.url} cannot be reached ({reason or type(error).__name__}); "
            "is it running, and is the address right?"
        )

    def _refused(
        self, response: aiohttp.ClientResponse, answer: bytes
    ) -> ServerAway | ServerRefused:
        try:
            error = msgspec.json.decode(answer)["error"]
            code, message = str(error["code"]), str(error["message"])
        except (msgspec.DecodeError, UnicodeDecodeError, TypeError, KeyError):
            code, message = "unknown", response.reason or "no reason given"
        sentence = f"anomalyd at {self.url} answered {response.status}: {message}"
        if code == "not_ready":
            return NotSent(sentence)
        if response.status in _AWAY:
            return ServerAway(sentence)
        wait = response.headers.get("Retry-After", "")
        retry_after = float(wait) if wait.isdigit() else None
        return ServerRefused(sentence, code, response.status, retry_after)

    def _read(self, kind: type[T], body: bytes) -> T:
        return self._plain(kind, self._json(body))

    def _plain(self, kind: type[T], data: object) -> T:
        try:
            return codec.from_dict(kind, data)
        except codec.CodecError as error:
            raise self._strange(str(error)) from error

    def _json(self, body: bytes) -> dict[str, Any]:
        try:
            return msgspec.json.decode(body, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._strange(str(error)) from error

    def _strange(self, what: str) -> ServerRefused:
        return ServerRefused(
            f"{self.url} does not answer as anomalyd does ({what}); is the address right?",
            "not_anomalyd",
            200,
        )


def _part(text: str) -> str:
    return quote(text, safe="")
