"""OTLP metrics to samples: the series a scrape of the same metrics would have given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
import numpy as np

from anomalyd import telemetry
from anomalyd.config import EnvironmentConfig
from anomalyd.model import Environment, Floats, Labels, Rows, Samples
from anomalyd.protobuf import DecodeError
from anomalyd.push import Post, Receiver, Refused, Reply
from anomalyd.signals.exemplars import MetricExemplar
from anomalyd.sources import pushed
from anomalyd.sources.base import Make, Side, Source, Wanted
from anomalyd.sources.otlp import json_metrics
from anomalyd.sources.otlp.attributes import labels, pair, resource_labels
from anomalyd.sources.otlp.exchange import JSON, answer, environment_of, form_of, of_path, plain
from anomalyd.sources.otlp.exponential import Exponential, histograms
from anomalyd.sources.otlp.json_attributes import json_pair
from anomalyd.sources.otlp.json_spans import resource_labels as json_resource_labels
from anomalyd.sources.otlp.messages import Metrics
from anomalyd.sources.otlp.points import Point, points
from anomalyd.sources.pushed import PushedSource

AHEAD_SECONDS = 600.0
SECTION = "otlp_metrics"
_MOST_UNNEEDED = 100_000
_FAULTS = {
    "invalid": "no value, no time, or buckets without bounds",
    "ahead": "a time more than 10 min ahead of this machine's clock",
    "environment": "deployment.environment.name that no environment here takes",
    "out_of_order": "a delta that is not newer than the one before it",
}


@dataclass(slots=True)
class _Stream:
    """The series of one sender's metric. rows: intp[k], -1 where no signal needs one; totals:
    float64[k] of what was added up, of deltas, or `native`; time: the last one, ns."""

    inlet: int
    rows: Rows
    totals: Floats | None = None
    native: Exponential | None = None
    time: int = 0


class OtlpMetrics:
    """A `Receiver` of metrics; a path or the resource says whose they are, as of spans."""

    def __init__(self, inlets: Mapping[Environment, PushedSource], body_limit: int) -> None:
        self.body_limit = body_limit
        self._names = list(inlets)
        self._inlets = [inlets[name] for name in self._names]
        self._streams: dict[tuple[object, ...], _Stream | None] = {}
        self._over: set[tuple[object, ...]] = set()
        """Keys of streams that there was no room for: they are asked for anew once there may be."""
        for number, inlet in enumerate(self._inlets):
            inlet.on_forget(partial(self._forget, number))

    def receive(self, post: Post) -> Reply:
        """What is refused of a body is told in the answer to it. Raises Refused."""
        form = form_of(post)
        of_path(post.environment, self._names)
        body = plain(post, self.body_limit)
        taking = _Taking(self._inlets, post)
        counted = taking.counted
        for resource, raw, found in _read(form, body):
            number = self._number(resource, post.environment)
            for point in found:
                if number is None:
                    counted["environment"] += 1
                elif point is None or not point.time:
                    counted["invalid"] += 1
                elif point.time > (post.received_at + AHEAD_SECONDS) * 1e9:
                    counted["ahead"] += 1
                else:
                    taking.add(point, self._stream(number, resource, raw, point, form))
        taking.end()
        refused = Counter({reason: counted[reason] for reason in _FAULTS if counted[reason]})
        return answer(form, refused, _FAULTS, "data points", "rejectedDataPoints")

    def _number(self, resource: Labels, path: str) -> int | None:
        """Of the inlet that takes what a resource sends."""
        for number, (name, inlet) in enumerate(zip(self._names, self._inlets, strict=True)):
            section = inlet.side.config.otlp_metrics
            takes = frozenset(section.environment) if section is not None else frozenset()
            if not takes and len(self._names) > 1:
                takes = frozenset({name.value})
            if path == name or (not path and (not takes or environment_of(resource) in takes)):
                return number
        return None

    def _stream(
        self, number: int, resource: Labels, raw: bytes, point: Point, form: str
    ) -> _Stream | None:
        """None where no signal needs it."""
        key = (number, raw, point.key)
        try:
            return self._streams[key]
        except KeyError:
            pass
        read = json_pair if form == JSON else pair
        own = {**dict(resource), **dict(labels(map(read, point.attributes)))}
        found = [
            self._inlets[number].row(Labels.of({**own, "le": bound, "__name__": name}))
            for name, bound in point.names
        ]
        if None in found:
            self._over.add(key)
        rows, made = [-1 if row is None else row for row in found], None
        if max(rows) >= 0:
            made = _Stream(number, np.array(rows, dtype=np.intp))
        elif sum(one is None for one in self._streams.values()) > _MOST_UNNEEDED:
            self._streams = {known: one for known, one in self._streams.items() if one is not None}
            self._over &= self._streams.keys()
        self._streams[key] = made
        return made

    def _forget(self, number: int, rows: Rows) -> None:
        gone = frozenset(rows.tolist())
        self._streams = {
            key: one
            for key, one in self._streams.items()
            if key not in self._over
            and (one is None or one.inlet != number or gone.isdisjoint(one.rows.tolist()))
        }
        self._over.clear()


class _Taking:
    """The samples of one body, by inlet."""

    def __init__(self, inlets: Sequence[PushedSource], post: Post) -> None:
        self.counted: Counter[str] = Counter()
        self._inlets, self._post = inlets, post
        self._newest = 0.0
        self._found: list[list[tuple[Rows, int, Floats]]] = [[] for _ in inlets]
        self._native: list[list[tuple[int, int, Exponential]]] = [[] for _ in inlets]
        self._traced: list[list[tuple[int, MetricExemplar]]] = [[] for _ in inlets]

    def add(self, point: Point, stream: _Stream | None) -> None:
        self._newest = max(self._newest, point.time / 1e9)
        if stream is None:
            self.counted["ignored"] += len(point.values) + (point.native is not None)
            return
        if point.delta and point.time <= stream.time:
            self.counted["out_of_order"] += 1
            return
        if point.native is not None:
            self._add_native(point, point.native, stream)
        else:
            self._add_values(point, stream)
        if point.exemplars:
            self._traced[stream.inlet] += (
                (int(stream.rows.max()), MetricExemplar({"trace_id": trace}, value, time / 1e9))
                for trace, value, time in point.exemplars
            )
        stream.time = point.time

    def _add_native(self, point: Point, native: Exponential, stream: _Stream) -> None:
        row, found = int(stream.rows[0]), self._native[stream.inlet]
        if point.delta:
            if stream.native is None and 0 < point.start < point.time:
                found.append((row, point.start, native.nothing()))
            native = stream.native = stream.native.plus(native) if stream.native else native
        found.append((row, point.time, native))

    def _add_values(self, point: Point, stream: _Stream) -> None:
        values, kept = point.values, stream.rows >= 0
        found = self._found[stream.inlet]
        if point.delta:
            if stream.totals is None:
                stream.totals = np.zeros(len(values))
                if 0 < point.start < point.time:
                    found.append((stream.rows[kept], point.start, stream.totals[kept]))
            stream.totals = stream.totals + values
            values = stream.totals
        found.append((stream.rows[kept], point.time, values[kept]))

    def end(self) -> None:
        for inlet, found, native in zip(self._inlets, self._found, self._native, strict=True):
            rows = np.concatenate([np.zeros(0, np.intp), *(one[0] for one in found)])
            times = np.concatenate(
                [np.zeros(0), *(np.full(len(one[0]), one[1] / 1e9) for one in found)]
            )
            values = np.concatenate([np.zeros(0), *(one[2] for one in found)])
            samples = Samples(rows, times, values)
            taken = inlet.take(samples, self._post.received_at, self._newest)
            whole = inlet.take_histograms(histograms(native), self._post.received_at)
            repeated = taken.repeated + whole.repeated
            self.counted["repeated"] += repeated
            refused = taken.out_of_order + whole.out_of_order
            self.counted["taken"] += len(rows) + len(native) - repeated - refused
        traced = list(zip(self._inlets, self._traced, strict=True))
        if any(self._traced):
            came, now = sum(map(len, self._traced)), self._post.received_at
            kept = sum(inlet.beside.take_exemplars(own, now) for inlet, own in traced)
            for result, number in (("kept", kept), ("ignored", came - kept)):
                telemetry.pushed_exemplars.add(number, {"protocol": "otlp", "result": result})
        for result, number in self.counted.items():
            if number:
                telemetry.pushed_samples.add(number, {"protocol": "otlp", "result": result})
        telemetry.pushed_bytes.add(len(self._post.body), {"protocol": "otlp"})


_Found = list[tuple[Labels, bytes, list[Point | None]]]


def _read(form: str, body: bytes) -> _Found:
    """(labels, bytes, points) of every resource. Raises Refused."""
    try:
        if form == JSON:
            return _resources(json_metrics.parse(body), json_resource_labels, str, _in_json)
        message = Metrics.FromString(body)
        return _resources(message, resource_labels, partial(bytes.decode, errors="replace"), _has)
    except (DecodeError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        told = f"the body is no ExportMetricsServiceRequest: {error}"
        raise Refused(400, "bad_body", told) from None


def _resources(
    message: Any,
    read: Callable[[bytes], Labels],
    text: Callable[[Any], str],
    has: Callable[[Any, str], bool],
) -> _Found:
    found: _Found = []
    for one in message.resource_metrics:
        raw = bytes(one.resource)
        metrics = [metric for scope in one.scope_metrics for metric in scope.metrics]
        of_all = [p for m in metrics for p in points(m, text(m.name), text(m.unit), has)]
        found.append((read(raw), raw, of_all))
    return found


def _has(message: Any, field: str) -> bool:
    return bool(message.HasField(field))


def _in_json(message: Any, field: str) -> bool:
    return getattr(message, field) is not None


async def look(
    name: Environment, environment: EnvironmentConfig, wanted: Wanted, stack: AsyncExitStack
) -> Side:
    """What was pushed so far; see `Kind`."""
    return await pushed.look(SECTION, "/v1/metrics", name, environment, wanted, stack)


def build(make: Make) -> Source:
    return pushed.build(make)


def receiver(sources: Mapping[Environment, Source]) -> Receiver:
    inlets = {name: one for name, one in sources.items() if isinstance(one, PushedSource)}
    settings = (one.side.config.otlp_metrics for one in inlets.values())
    return OtlpMetrics(inlets, max(one.body_limit for one in settings if one is not None))
