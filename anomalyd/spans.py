"""Finished spans as columns: what a receiver of traces hands to `signals`. Data only.

Times are unix nanoseconds, as OTLP has them: float seconds would lose what orders a trace.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomalyd.model import Floats, Labels, Rows

Ids = NDArray[np.uint64]
Nanoseconds = NDArray[np.int64]
Flags = NDArray[np.bool_]


class SpanKind(IntEnum):
    """OTLP's numbers (opentelemetry/proto/trace/v1/trace.proto)."""

    UNSPECIFIED = 0
    INTERNAL = 1
    SERVER = 2
    CLIENT = 3
    PRODUCER = 4
    CONSUMER = 5


@dataclass(frozen=True, slots=True)
class Spans:
    """Finished spans of one environment, a column per field, in any order.

    trace: uint64[n, 2], the big-endian halves of the trace id. span, parent: uint64[n]; parent 0
    is a root. start: int64[n], unix ns; duration: int64[n], ns, >= 0. kind: uint8[n] of
    `SpanKind`. failed: bool[n], status ERROR. weight: float64[n], how many spans this one stands
    for (1 without sampling). resource: intp[n] into `resources`, the resource attributes with dots
    as underscores (`service_name`, `k8s_pod_name`). operation: intp[n] into `operations`:
    http.route or rpc method, else the span's name. peer: intp[n] into `peers`: what is called and
    may not be instrumented (peer.service, db.system, messaging.system); `peers[0]` is "", unknown.
    """

    trace: Ids
    span: Ids
    parent: Ids
    start: Nanoseconds
    duration: Nanoseconds
    kind: NDArray[np.uint8]
    failed: Flags
    weight: Floats
    resource: Rows
    operation: Rows
    peer: Rows
    resources: tuple[Labels, ...]
    operations: tuple[str, ...]
    peers: tuple[str, ...] = ("",)

    def __len__(self) -> int:
        return len(self.span)

    def only(self, kept: Flags) -> Spans:
        """Those of bool[n]; all tables stay."""
        if kept.all():
            return self
        columns = {name: getattr(self, name)[kept] for name in (*_PLAIN, *_INDEXED)}
        return replace(self, **columns)


def together(parts: Sequence[Spans]) -> Spans:
    """Several batches as one; raises ValueError for none."""
    if len(parts) == 1:
        return parts[0]
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(one, name) for one in parts]) for name in _PLAIN
    }
    for index, names in _INDEXED.items():
        sizes = [len(getattr(one, names)) for one in parts]
        starts = np.cumsum([0, *sizes[:-1]])
        shifted = [getattr(one, index) + at for one, at in zip(parts, starts, strict=True)]
        columns[index] = np.concatenate(shifted)
        columns[names] = tuple(chain(*(getattr(one, names) for one in parts)))
    return Spans(**columns)


_PLAIN = ("trace", "span", "parent", "start", "duration", "kind", "failed", "weight")
_INDEXED = {"resource": "resources", "operation": "operations", "peer": "peers"}
