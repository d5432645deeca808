"""Exemplars that come with metrics: a few of each series are kept, for incidents to show."""

from __future__ import annotations

import math
import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from anomalyd.model import Exemplar, Labels
from anomalyd.signals.identity import Canonical

SERIES = 5000
"""That exemplars are kept of; the one that had none for the longest gives way."""
EACH = 16
KEEP_SECONDS = 1800.0

TRACE_LABELS = ("trace_id", "traceID", "traceId", "TraceID")
LONGEST = 64
"""Characters of a trace's id; OpenTelemetry's have 32."""
_OPERATIONS = ("operation", "span_name", "http_route", "route", "handler", "uri", "path")
_STATUS = (
    "http_response_status_code",
    "http_status_code",
    "status_code",
    "code",
    "status",
    "http_code",
)
_FAILED = re.compile(r"5\d\d|5xx|STATUS_CODE_ERROR|(?i:error)")
_SECONDS = (("_seconds", 1.0), ("_milliseconds", 1e-3), ("_microseconds", 1e-6))
_PARTS = re.compile(r"_(bucket|count|sum|total)$")


@dataclass(frozen=True, slots=True)
class MetricExemplar:
    """One as it came. labels: its own, not those of its series. time: unix seconds."""

    labels: Mapping[str, str]
    value: float
    time: float


@dataclass(slots=True)
class _Series:
    service: str
    operation: str
    failed: bool
    seconds: float
    kept: list[tuple[float, str, float]]


class Exemplars:
    """Of the series of one environment. At most `EACH` of each of `SERIES`, some megabytes; they
    are spread over the last half hour, the newest always among them."""

    def __init__(self, canonical: Canonical) -> None:
        self._canonical = canonical
        self._series: OrderedDict[Labels, _Series] = OrderedDict()

    def __len__(self) -> int:
        return sum(len(one.kept) for one in self._series.values())

    def take(self, labels: Labels, exemplar: MetricExemplar, now: float) -> bool:
        """labels: of the series. False where no trace is told, or not of now (unix seconds)."""
        trace = next((found for name in TRACE_LABELS if (found := exemplar.labels.get(name))), "")
        fits = now - KEEP_SECONDS <= exemplar.time <= now + KEEP_SECONDS
        if not trace or len(trace) > LONGEST or not fits:
            return False
        series = self._series.get(labels)
        if series is None:
            series = self._series[labels] = self._described(labels)
            if len(self._series) > SERIES:
                self._series.popitem(last=False)
        self._series.move_to_end(labels)
        known = (exemplar.time, trace, exemplar.value)
        if known not in series.kept:
            series.kept.append(known)
            series.kept.sort()
            _thin(series.kept, now)
        return True

    def find(
        self,
        service: str,
        start: float,
        end: float,
        *,
        operation: str = "",
        failed: bool | None = None,
        above: float | None = None,
        upto: float | None = None,
    ) -> list[Exemplar]:
        """As `Reservoir.find`, the slowest first; of a counter nothing says how long they took."""
        found: dict[str, Exemplar] = {}
        for one in self._of(service, operation, failed):
            for time, trace, value in one.kept:
                took = value * one.seconds
                slow = above is None or took > above
                quick = upto is None or not took > upto
                if start <= time <= end and slow and quick:
                    known = found.get(trace)
                    if known is None or not known.duration >= took:
                        found[trace] = Exemplar(trace, service, one.operation, time, took)
        return sorted(found.values(), key=_by_duration)

    def _of(self, service: str, operation: str, failed: bool | None) -> Iterator[_Series]:
        for one in self._series.values():
            fits = one.service == service and (not operation or one.operation == operation)
            if fits and (failed is None or one.failed is failed):
                yield one

    def _described(self, labels: Labels) -> _Series:
        """Whose a series is, and what it counts, by its labels and name."""
        base = _PARTS.sub("", labels.get("__name__"))
        seconds = next((scale for unit, scale in _SECONDS if base.endswith(unit)), math.nan)
        counter = labels.get("__name__").endswith("_total")
        operation = next((found for name in _OPERATIONS if (found := labels.get(name))), "")
        failed = any(_FAILED.fullmatch(labels.get(name)) for name in _STATUS)
        service = self._canonical.service(labels)
        return _Series(service, operation, failed, math.nan if counter else seconds, [])


def _thin(kept: list[tuple[float, str, float]], now: float) -> None:
    """Let go of what is old, then of what lies closest between its neighbours in time."""
    kept[:] = [one for one in kept if one[0] >= now - KEEP_SECONDS]
    if len(kept) > EACH:
        crowded = min(range(1, len(kept) - 1), key=lambda n: kept[n + 1][0] - kept[n - 1][0])
        del kept[crowded]


def _by_duration(one: Exemplar) -> tuple[float, str]:
    return (math.inf if math.isnan(one.duration) else -one.duration, one.trace_id)


def of_pairs(pairs: Iterable[tuple[str, str]], value: float, milliseconds: int) -> MetricExemplar:
    """As remote_write has it."""
    return MetricExemplar(dict(pairs), value, milliseconds / 1000)
