"""Tempo's TraceQL metrics, over its HTTP API (`/api/metrics/query_range`, Tempo 2.5 and later).

Whatever a server or the way to it may do becomes a `QueryError` with one sentence, which says what
to set where TraceQL metrics are not on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

from anomalyd.clients.asking import Asker
from anomalyd.query import QueryError, Trouble

_RIGHT_CLOSED = (2, 9)
"""From this version on a point is of the step before it, (t - step, t]; before, of the one after
it (grafana/tempo#5366)."""

_TOO_LONG = re.compile(r"exceeds the maximum allowed duration|range specified by start and end")
_OFF = re.compile(r"localblocks processor not found|empty ring|no generators|generator.*disabled")
_MEND = (
    "TraceQL metrics are off for recent spans; add local-blocks to metrics_generator.processors of "
    "its overrides"
)
_NONE = frozenset({"nil", "<nil>"})
"""What an attribute that a span has not is called."""


class _Value(msgspec.Struct, rename="camel"):
    string_value: str | None = None
    int_value: str | int | None = None
    double_value: float | str | None = None
    bool_value: bool | None = None

    def text(self) -> str:
        if self.bool_value is not None:
            return "true" if self.bool_value else "false"
        for value in (self.string_value, self.int_value, self.double_value):
            if value is not None:
                return "" if value in _NONE else str(value)
        return ""


class _Label(msgspec.Struct):
    key: str = ""
    value: _Value = msgspec.field(default_factory=_Value)


class _Sample(msgspec.Struct):
    """A value of zero is left out."""

    at: str | int = msgspec.field(default="0", name="timestampMs")
    value: float | str = 0.0


class _Series(msgspec.Struct):
    labels: list[_Label] | None = None
    samples: list[_Sample] | None = None


class _Answer(msgspec.Struct):
    series: list[_Series] | None = None
    status: str | int = ""
    message: str = ""


class _Build(msgspec.Struct):
    version: str = ""


@dataclass(frozen=True, slots=True)
class Points:
    """One series. labels: as grouped by; '' where a span has not the attribute. values: by the end
    of the step that each is of, unix milliseconds."""

    labels: dict[str, str]
    values: dict[int, float]


class TempoClient:
    """Raises only QueryError."""

    def __init__(self, asker: Asker) -> None:
        self.asker = asker
        self._version: str | None = None

    async def version(self) -> str:
        """'' where it is not told. Asked once, as long as there is an answer."""
        if self._version is None:
            try:
                body = await self.asker.get("/api/status/buildinfo", ())
                self._version = self.asker.read(body, _Build).version
            except QueryError as error:
                if error.kind not in (Trouble.NOT_FOUND, Trouble.FORBIDDEN, Trouble.BROKEN):
                    raise
                self._version = ""
        return self._version

    async def metrics(self, query: str, start: int, end: int, step: int) -> list[Points]:
        """The query over each step of (start, end]; all in seconds, start and end multiples of
        the step. What is only a part of the answer is none."""
        shift = 0 if _is_right_closed(await self.version()) else step * 1000
        params = [("q", query), ("start", str(start)), ("end", str(end)), ("step", f"{step}s")]
        try:
            body = await self.asker.get("/api/metrics/query_range", params)
        except QueryError as error:
            raise self._explained(error) from error
        answer = self.asker.read(body, _Answer)
        if answer.status in ("PARTIAL", 1):
            raise self.asker.trouble(
                Trouble.TOO_MANY_SERIES,
                f"answers in part only ({answer.message[:200]}); raise its "
                "query_frontend.metrics.max_response_series, or narrow the filter",
            )
        try:
            return [_points(one, shift) for one in answer.series or ()]
        except ValueError as error:
            raise self.asker.trouble(
                Trouble.BROKEN, f"answers points that cannot be read ({error})"
            ) from error

    async def answers(self) -> bool:
        """Whether it answers at all."""
        try:
            await self.asker.get("/api/echo", ())
        except QueryError:
            return False
        return True

    async def has_traces(self, conditions: str, start: int, end: int) -> bool:
        """Whether any span meets the conditions; by search, which needs no metrics."""
        params = [("q", f"{{ {conditions} }}"), ("start", str(start)), ("end", str(end))]
        body = await self.asker.get("/api/search", [*params, ("limit", "1")])
        return bool(self.asker.read(body, _Found).traces)

    def _explained(self, error: QueryError) -> QueryError:
        if _TOO_LONG.search(error.message):
            return QueryError(Trouble.UNPROCESSABLE, error.message, error.status)
        if _OFF.search(error.message):
            return QueryError(Trouble.NOT_FOUND, f"{error.message}: {_MEND}", error.status)
        if error.kind is Trouble.NOT_FOUND and error.status == 404:
            return self.asker.trouble(
                Trouble.NOT_FOUND,
                "has no /api/metrics/query_range (HTTP 404); check url, and that it is Tempo 2.5 "
                "or later",
                error.status,
            )
        return error


class _Found(msgspec.Struct):
    traces: list[msgspec.Raw] | None = None


def _points(series: _Series, shift: int) -> Points:
    labels = {label.key: label.value.text() for label in series.labels or ()}
    return Points(labels, {int(p.at) + shift: float(p.value) for p in series.samples or ()})


def _is_right_closed(version: str) -> bool:
    """One that does not tell is taken to be new."""
    found = re.match(r"v?(\d+)\.(\d+)", version)
    return found is None or (int(found[1]), int(found[2])) >= _RIGHT_CLOSED
