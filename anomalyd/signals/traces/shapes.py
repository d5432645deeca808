"""Keeps the shape of the traces of one environment, within bounds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from anomalyd.model import EDGE, Floats, Rows
from anomalyd.signals.identity import SERVICE
from anomalyd.signals.traces.calls import Calls, Waits
from anomalyd.signals.traces.join import Joined
from anomalyd.signals.traces.names import OPERATION, Edges, Operations, Services
from anomalyd.signals.traces.shape import Look, Shape, look
from anomalyd.spans import Nanoseconds

MOST = 20_000
"""Sums of each kind that are kept; what would come on top is left out."""

Key = TypeVar("Key", int, tuple[int, int])


class Tally:
    """Sums from when it was opened, by numbers of operations, edges and services."""

    def __init__(self) -> None:
        self.sums = Look({}, {}, {})

    def add(self, found: Look) -> None:
        _add(self.sums.entries, found.entries)
        _add(self.sums.edges, found.edges)
        _add(self.sums.services, found.services)


class Shapes:
    """Looks at the traces of one environment while there is a tally open.

    Of very many traces it looks at some: those that a tick settles first.
    """

    def __init__(self, services: Services, operations: Operations, edges: Edges) -> None:
        self._services, self._operations, self._edges = services, operations, edges
        self._tallies: list[Tally] = []

    def open(self) -> Tally:
        tally = Tally()
        self._tallies.append(tally)
        return tally

    def close(self, tally: Tally) -> None:
        self._tallies.remove(tally)

    def add(
        self, joined: Joined, made: Calls, edges: Rows, own: Nanoseconds, waited: Waits
    ) -> None:
        """As of `shape.look`."""
        if self._tallies:
            found = look(joined, made, edges, own, waited)
            for tally in self._tallies:
                tally.add(found)

    def shape(self, tally: Tally, run: tuple[str, str] | None = None) -> Shape:
        """By names. run: (label, value) of the runs whose traces are wanted; None: of all."""
        entries = {
            number: (labels.get(SERVICE), labels.get(OPERATION))
            for number, labels in enumerate(self._operations.labels)
            if run is None or labels.get(run[0]) == run[1]
        }
        ends = [tuple(map(labels.get, EDGE)) for labels in self._edges.labels]
        names = [labels.get(SERVICE) for labels in self._services.labels]
        whole = Shape()
        for key, found in tally.sums.entries.items():
            if key in entries:
                _into(whole.entries, entries[key], found)
        for (key, edge), found in tally.sums.edges.items():
            if key in entries:
                _into(whole.edges, (*entries[key], *ends[edge]), found)
        for (key, service), found in tally.sums.services.items():
            if key in entries:
                _into(whole.services, (*entries[key], names[service]), found)
        return whole


def _into(sums: dict[tuple[str, ...], Floats], key: tuple[str, ...], found: Floats) -> None:
    sums[key] = sums[key] + found if key in sums else found.copy()


def _add(sums: dict[Key, Floats], found: Mapping[Key, Floats]) -> None:
    for key, values in found.items():
        if key in sums:
            sums[key] = sums[key] + values
        elif len(sums) < MOST:
            sums[key] = values
