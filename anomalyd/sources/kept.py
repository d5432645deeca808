"""What is kept of an environment's traces as they are sent, with spans or with metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from anomalyd.model import Exemplar
from anomalyd.signals.exemplars import Exemplars
from anomalyd.signals.traces.reservoir import Reservoir
from anomalyd.sources.combined import Combined


class KeptTraces:
    """`Reservoir.find` over all that is kept; a trace that spans tell of too is told by these."""

    def __init__(self, parts: Sequence[Reservoir | Exemplars]) -> None:
        self._parts = parts

    def find(self, service: str, start: float, end: float, **wanted: Any) -> list[Exemplar]:
        found: dict[str, Exemplar] = {}
        for part in self._parts:
            for one in part.find(service, start, end, **wanted):
                found.setdefault(one.trace_id, one)
        return list(found.values())


def kept_of(source: Combined) -> KeptTraces | None:
    """None where no part keeps any."""
    kept = [getattr(part, "kept", None) for part in source.parts.values()]
    spans = [one for one in kept if isinstance(one, Reservoir)]
    metrics = [one for one in kept if isinstance(one, Exemplars)]
    return KeptTraces([*spans, *metrics]) if spans or metrics else None
