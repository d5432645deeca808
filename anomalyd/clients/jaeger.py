"""Jaeger's query service, by either generation of its HTTP API.

`/api/v3` (2.x) answers OTLP and is asked under both spellings of its parameters, which changed from
snake case to camel case; `/api/traces` is there up to 2.20. Which one a server has is found once,
by what it answers to `/api/v3/services`: an older one answers its user interface's page.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from anomalyd.clients.asking import Asker
from anomalyd.query import QueryError, Trouble
from anomalyd.units import rfc3339

Params = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Search:
    """Traces with a span of `service` that began within [start, end], unix seconds, and has all
    `tags`. limit: traces, at most. operation: '' for any. slower, faster: bounds of its duration,
    seconds."""

    service: str
    start: float
    end: float
    limit: int
    operation: str = ""
    slower: float | None = None
    faster: float | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


class Link(msgspec.Struct, frozen=True):
    """`parent` calls `child`, so many times in the time that was asked for."""

    parent: str = ""
    child: str = ""
    calls: int = msgspec.field(default=0, name="callCount")


class _Links(msgspec.Struct):
    """Of `/api/dependencies`, and of `/api/v3/dependencies`."""

    data: list[Link] | None = None
    dependencies: list[Link] | None = None


class _Services(msgspec.Struct):
    data: list[str] | None = None
    services: list[str] | None = None


class JaegerClient:
    """Raises only QueryError."""

    def __init__(self, asker: Asker) -> None:
        self.asker = asker
        self._is_v3: bool | None = None

    async def is_v3(self) -> bool:
        """Asked once, as long as there is an answer."""
        if self._is_v3 is None:
            is_v3 = await self._answers("/api/v3/services", "services")
            if not is_v3 and not await self._answers("/api/services", "data"):
                raise self.asker.trouble(
                    Trouble.NOT_FOUND, "offers neither /api/v3 nor /api/services; check url"
                )
            self._is_v3 = is_v3
        return self._is_v3

    async def answers(self) -> bool:
        """Whether it answers at all."""
        try:
            await self.services()
        except QueryError:
            return False
        return True

    async def generation(self) -> str:
        return "/api/v3" if await self.is_v3() else "/api"

    async def services(self) -> list[str]:
        path = f"{await self.generation()}/services"
        found = self.asker.read(await self.asker.get(path, ()), _Services)
        return sorted(found.services or found.data or ())

    async def find(self, search: Search) -> bytes:
        """Whole traces: of `/api/v3` an OTLP request, which may be wrapped in `result`; else
        Jaeger's own JSON."""
        if not await self.is_v3():
            return await self.asker.get("/api/traces", of_v1(search))
        try:
            return await self.asker.get("/api/v3/traces", of_v3(search))
        except QueryError as error:
            # A search that finds nothing is a 404 there.
            if error.kind is Trouble.NOT_FOUND and "No traces found" in error.message:
                return b"{}"
            raise

    async def dependencies(self, end: float, over: float) -> list[Link]:
        """Who called whom within (end - over, end]. Nobody where the server does not tell: Jaeger
        counts them in a job of its own, unless it keeps traces in memory."""
        params = [("endTs", str(round(end * 1e3))), ("lookback", str(round(over * 1e3)))]
        times = (("start", rfc3339(end - over)), ("end", rfc3339(end)))
        v3 = [(f"{name}{to}", at) for name, at in times for to in ("Time", "_time")]
        for path, asked in (("/api/dependencies", params), ("/api/v3/dependencies", v3)):
            try:
                body = await self.asker.get(path, asked)
                found = msgspec.json.decode(body, type=_Links)
            except (QueryError, msgspec.MsgspecError) as error:
                if isinstance(error, QueryError) and error.kind is not Trouble.NOT_FOUND:
                    raise
                continue
            return found.data or found.dependencies or []
        return []

    async def _answers(self, path: str, key: str) -> bool:
        """Whether it answers JSON with `key` in it. Raises QueryError where it is away."""
        try:
            body = await self.asker.get(path, ())
        except QueryError as error:
            if error.kind is not Trouble.NOT_FOUND:
                raise
            return False
        try:
            answer = json.loads(body)
        except ValueError:
            return False
        return isinstance(answer, dict) and key in answer


def of_v1(search: Search) -> Params:
    """Parameters of `/api/traces`; times in microseconds."""
    params = [
        ("service", search.service),
        ("start", str(round(search.start * 1e6))),
        ("end", str(round(search.end * 1e6))),
        ("limit", str(search.limit)),
        ("lookback", "custom"),
    ]
    optional = [
        ("operation", search.operation),
        ("tags", _tags(search.tags)),
        ("minDuration", _duration(search.slower)),
        ("maxDuration", _duration(search.faster)),
    ]
    return [*params, *((name, value) for name, value in optional if value)]


def of_v3(search: Search) -> Params:
    """Parameters of `/api/v3/traces`, each under its present and its former name; older servers do
    not know attributes."""
    named: Sequence[tuple[str, str, str]] = [
        ("serviceName", "service_name", search.service),
        ("startTimeMin", "start_time_min", rfc3339(search.start)),
        ("startTimeMax", "start_time_max", rfc3339(search.end)),
        ("searchDepth", "search_depth", str(search.limit)),
        ("operationName", "operation_name", search.operation),
        ("durationMin", "duration_min", _duration(search.slower)),
        ("durationMax", "duration_max", _duration(search.faster)),
    ]
    params = [
        (f"query.{name}", value) for now, before, value in named if value for name in (now, before)
    ]
    params.append(("query.num_traces", str(search.limit)))
    tags = _tags(search.tags)
    return params + ([("query.attributes", tags)] if tags else [])


def _tags(tags: Mapping[str, str]) -> str:
    return json.dumps(dict(tags), separators=(",", ":")) if tags else ""


def _duration(seconds: float | None) -> str:
    return "" if seconds is None else f"{max(1, round(seconds * 1e6))}us"
