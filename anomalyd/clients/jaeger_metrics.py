"""Jaeger's metrics of its own (SPM, `/api/metrics/…`): calls, errors and latencies of services."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from anomalyd.clients.jaeger import JaegerClient
from anomalyd.query import QueryError, Trouble


@dataclass(frozen=True, slots=True)
class MetricsSearch:
    """At start, start + step, … end, all inclusive, over the `step` before each; seconds.

    what: `calls` (per second), `errors` (share of them) or `latencies` (milliseconds).
    """

    what: str
    services: Sequence[str]
    by_operation: bool
    start: float
    end: float
    step: float
    quantile: float = 0.95


class _Label(msgspec.Struct):
    name: str = ""
    value: str = ""


class _Value(msgspec.Struct):
    value: float | str = msgspec.field(default=0.0, name="doubleValue")


class _Point(msgspec.Struct):
    at: str = msgspec.field(default="", name="timestamp")
    gauge: _Value = msgspec.field(default_factory=_Value, name="gaugeValue")


class _Series(msgspec.Struct):
    labels: list[_Label] | None = None
    points: list[_Point] | None = msgspec.field(default=None, name="metricPoints")


class _Family(msgspec.Struct):
    metrics: list[_Series] | None = None


Series = tuple[dict[str, str], dict[float, float]]
"""(labels: `service_name`, `operation`; values by unix seconds)."""


async def is_on(client: JaegerClient) -> bool:
    """Whether there are any. Raises QueryError where it is away."""
    try:
        await client.asker.get("/api/metrics/minstep", ())
    except QueryError as error:
        if error.kind is Trouble.NOT_FOUND or error.status == 405:
            return False
        raise
    return True


async def metrics(client: JaegerClient, search: MetricsSearch) -> list[Series]:
    """Of requests that are served. Raises QueryError."""
    params = [("service", service) for service in search.services]
    params += [
        ("groupByOperation", "true" if search.by_operation else "false"),
        ("endTs", _milliseconds(search.end)),
        ("lookback", _milliseconds(search.end - search.start)),
        ("step", _milliseconds(search.step)),
        ("ratePer", _milliseconds(search.step)),
    ]
    if search.what == "latencies":
        params.append(("quantile", f"{search.quantile:g}"))
    body = await client.asker.get(f"/api/metrics/{search.what}", params)
    family = client.asker.read(body, _Family)
    try:
        return [_series(one) for one in family.metrics or ()]
    except ValueError as error:
        raise client.asker.trouble(
            Trouble.BROKEN, f"answers points that cannot be read ({error})"
        ) from error


def _series(one: _Series) -> Series:
    labels = {label.name: label.value for label in one.labels or ()}
    points = {
        datetime.fromisoformat(point.at).timestamp(): float(point.gauge.value)
        for point in one.points or ()
    }
    return labels, points


def _milliseconds(seconds: float) -> str:
    return str(round(seconds * 1000))
