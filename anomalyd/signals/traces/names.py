"""Services, operations and edges as numbers: names are looked up once per batch, not per span."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anomalyd.model import EDGE, Labels, Rows
from anomalyd.signals.identity import SERVICE, Canonical
from anomalyd.signals.traces.folding import fold

OTHER = "other"
"""What is over a cap goes by this name."""

OPERATION = "operation"

_REMEMBERED = 2**16
"""Names as found that are remembered; past that they are read anew."""

_DENSE = 2**14


@dataclass(frozen=True, slots=True)
class Caps:
    """services: of one environment. operations: of one service. callees: of one caller."""

    services: int = 2000
    operations: int = 200
    callees: int = 100


class Services:
    """Who sends spans. A service is its canonical name, and the run label where runs have one.

    `labels[i]` are those of service i, `node[i]` its name's number in `nodes`: what is called may
    be a service or only a name. `refused` counts resources without a name or over the cap.
    """

    def __init__(self, canonical: Canonical, cap: int) -> None:
        self._canonical, self._cap = canonical, cap
        self._found: dict[Labels, int] = {}
        self._numbers: dict[Labels, int] = {}
        self._nodes: dict[str, int] = {}
        self._peers: dict[str, int] = {"": -1}
        self.labels: list[Labels] = []
        self.node: list[int] = []
        self.nodes: list[str] = []
        self.refused = 0

    def __len__(self) -> int:
        return len(self.labels)

    def of(self, resources: Sequence[Labels]) -> Rows:
        """intp[len(resources)]: their services, -1 for one without a name or over the cap."""
        return np.array([self._service(resource) for resource in resources], dtype=np.intp)

    def peers(self, names: Sequence[str]) -> Rows:
        """intp[len(names)]: nodes by the names that callers have for them, -1 for ''."""
        return np.array([self._peer(name) for name in names], dtype=np.intp)

    def _service(self, resource: Labels) -> int:
        known = self._found.get(resource)
        if known is not None:
            return known
        if len(self._found) >= _REMEMBERED:
            self._found.clear()
        number = self._number(self._canonical.series(resource, (SERVICE,)))
        if number < 0:
            self.refused += 1
        else:
            self._found[resource] = number
        return number

    def _number(self, labels: Labels) -> int:
        name = labels.get(SERVICE)
        if labels in self._numbers or not name or len(self.labels) >= self._cap:
            return self._numbers.get(labels, -1)
        number = self._numbers[labels] = len(self.labels)
        self.labels.append(labels)
        self.node.append(self._node(name))
        return number

    def _peer(self, name: str) -> int:
        known = self._peers.get(name)
        if known is not None:
            return known
        if len(self._peers) >= _REMEMBERED:
            self._peers = {"": -1}
        canonical, _ = self._canonical.edge(fold(name), "")
        found = self._peers[name] = self._node(canonical)
        return found

    def _node(self, name: str) -> int:
        if name not in self._nodes and len(self.nodes) >= 2 * self._cap:
            name = OTHER
        number = self._nodes.setdefault(name, len(self.nodes))
        if number == len(self.nodes):
            self.nodes.append(name)
        return number


class Operations:
    """What services do: one series per service and folded operation; `labels`, `sender` of each.

    A service's operations over the cap are one series, `other`.
    """

    def __init__(self, services: Services, cap: int) -> None:
        self._services, self._cap = services, cap
        self._found: dict[tuple[int, str], int] = {}
        self._series: dict[tuple[int, str], int] = {}
        self._per_service: dict[int, int] = {}
        self.labels: list[Labels] = []
        self.sender: list[int] = []
        self.folded = 0

    def __len__(self) -> int:
        return len(self.labels)

    def name_of(self, series: int) -> str:
        """The service's name."""
        return self._services.nodes[self._services.node[self.sender[series]]]

    def of(self, services: Rows, operations: Rows, names: Sequence[str]) -> Rows:
        """intp[n]: the series of each (service, index into names)."""
        codes = services * len(names) + operations
        distinct, back = _distinct(codes, len(self._services) * len(names))
        service, name = np.divmod(distinct, len(names))
        pairs = zip(service.tolist(), name.tolist(), strict=True)
        found = [self._look(service, names[name]) for service, name in pairs]
        return np.array(found, dtype=np.intp)[back]

    def _look(self, service: int, name: str) -> int:
        known = self._found.get((service, name))
        if known is not None:
            return known
        if len(self._found) >= _REMEMBERED:
            self._found.clear()
        series = self._found[service, name] = self._add(service, fold(name) or OTHER)
        return series

    def _add(self, service: int, name: str) -> int:
        used = self._per_service.get(service, 0)
        if (service, name) not in self._series and used >= self._cap:
            self.folded += 1
            name = OTHER
        number = self._series.setdefault((service, name), len(self.labels))
        if number == len(self.labels):
            self._per_service[service] = used + 1
            of_service = dict(self._services.labels[service])
            self.labels.append(Labels.of({**of_service, OPERATION: name}))
            self.sender.append(service)
        return number


class Edges:
    """Who calls what: one series per calling service (`sender`) and called node; its labels are
    `client` and `server`.

    A caller's callees over the cap are one series, `other`.
    """

    def __init__(self, services: Services, cap: int) -> None:
        self._services, self._cap = services, cap
        self._series: dict[tuple[int, str], int] = {}
        self._found: dict[tuple[int, int], int] = {}
        self._per_caller: dict[int, int] = {}
        self.labels: list[Labels] = []
        self.sender: list[int] = []

    def __len__(self) -> int:
        return len(self.labels)

    def name_of(self, series: int) -> str:
        """The caller's name."""
        return self._services.nodes[self._services.node[self.sender[series]]]

    def of(self, callers: Rows, nodes: Rows) -> Rows:
        """intp[n]: the series of each (service, node)."""
        size = len(self._services.nodes)
        distinct, back = _distinct(callers * size + nodes, len(self._services) * size)
        found = [self._look(*divmod(code, size)) for code in distinct.tolist()]
        return np.array(found, dtype=np.intp)[back]

    def _look(self, caller: int, node: int) -> int:
        known = self._found.get((caller, node))
        if known is None:
            if len(self._found) >= _REMEMBERED:
                self._found.clear()
            known = self._found[caller, node] = self._add(caller, self._services.nodes[node])
        return known

    def _add(self, caller: int, callee: str) -> int:
        used = self._per_caller.get(caller, 0)
        if (caller, callee) not in self._series and used >= self._cap:
            callee = OTHER
        number = self._series.setdefault((caller, callee), len(self.labels))
        if number == len(self.labels):
            self._per_caller[caller] = used + 1
            labels = dict(self._services.labels[caller])
            client, server = EDGE
            ends = {client: labels.pop(SERVICE), server: callee}
            self.labels.append(Labels.of({**labels, **ends}))
            self.sender.append(caller)
        return number


def _distinct(codes: Rows, size: int) -> tuple[Rows, Rows]:
    """(codes once each, intp[n] index into them); codes lie in 0..size."""
    if size > 8 * len(codes) + _DENSE:
        distinct, back = np.unique(codes, return_inverse=True)
        return distinct, back
    there = np.zeros(size, dtype=bool)
    there[codes] = True
    distinct = np.flatnonzero(there)
    place = np.empty(size, dtype=np.intp)
    place[distinct] = np.arange(len(distinct))
    return distinct, place[codes]
