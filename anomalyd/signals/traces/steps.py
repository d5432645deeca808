"""Of whole traces: own time and own failures of services, waits of calls, where requests end.

`anomalyd.explain.traces` makes the same series of the spans of a recording.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from anomalyd.model import EDGE, Rows, Told, Traced, TracedKey
from anomalyd.signals.identity import SERVICE
from anomalyd.signals.traces.calls import Calls
from anomalyd.signals.traces.join import Joined
from anomalyd.signals.traces.names import OPERATION, Edges, Operations, Services
from anomalyd.signals.traces.slots import Slots
from anomalyd.spans import Flags, Nanoseconds

NOBODY = -1
"""The peer of requests that end with no call."""

MOST_ENDS = 20_000
"""Pairs of an operation and its last call that are known; what would come on top is left out."""

MOST = 2_000
"""Numbers of a window; of more, those with the most requests or calls are told."""

_COUNT, _SECONDS, _FAILED = 0, 1, 2
_OF_REQUEST, _OF_CALL = 3, 2
"""How many sums there are of an operation's requests, and of an edge's calls."""

Row = tuple[TracedKey, float, float]


class Steps:
    """Sums per slot, from traces that are over. Of very many traces it looks at some, as shapes
    do: rates are of these.

    run_label: whose value on the resource of a span says which run it is of, if any does.
    """

    def __init__(
        self, services: Services, operations: Operations, edges: Edges, run_label: str | None
    ) -> None:
        self._services, self._operations, self._edges = services, operations, edges
        self._run_label = run_label or ""
        self._served, self._waited, self._ended = Slots(), Slots(), Slots()
        self._ends: dict[tuple[int, int], int] = {}

    def add(
        self,
        joined: Joined,
        made: Calls,
        edges: Rows,
        own: Nanoseconds,
        slots: Callable[[Nanoseconds], Nanoseconds],
    ) -> None:
        """edges: intp[m], the edge of each of the calls `made`; own: int64[n], own time, -1 for
        none; slots: of ends, int64[k]."""
        spans = joined.spans
        which = np.flatnonzero((own >= 0) & (spans.series >= 0) & ~spans.parked)
        at = slots((spans.start + spans.duration)[which])
        self._add_requests(joined, own, which, at)
        self._add_ends(joined, made, which, at)
        waited = np.flatnonzero(made.wait >= 0)
        ended = (spans.start + spans.duration)[made.index[waited]]
        keys, weight = edges[waited] * _OF_CALL, made.weight[waited]
        for sum_of, weights in ((_COUNT, weight), (_SECONDS, weight * made.wait[waited] / 1e9)):
            self._waited.add(slots(ended), keys + sum_of, weights)

    def forget(self, before: int) -> None:
        """Slots under `before` will not be asked for again."""
        for slots in (self._served, self._waited, self._ended):
            slots.forget(before)

    def traced(self, first: int, last: int, until: float, window: float) -> Traced:
        """Of the slots `first` to `last`, which are `window` seconds and end at `until`."""
        rows = [
            *self._of_services(first, last),
            *self._of_edges(first, last),
            *self._of_ends(first, last),
        ]
        if len(rows) > MOST:
            rows = sorted(rows, key=lambda row: -row[2])[:MOST]
        return Traced(
            until,
            tuple(key for key, _, _ in rows),
            np.array([value for _, value, _ in rows]),
            np.array([count / window for _, _, count in rows]),
        )

    def _add_requests(self, joined: Joined, own: Nanoseconds, which: Rows, at: Nanoseconds) -> None:
        spans = joined.spans
        keys, weight = spans.series[which].astype(np.intp) * _OF_REQUEST, spans.weight[which]
        self._served.add(at, keys + _COUNT, weight)
        self._served.add(at, keys + _SECONDS, weight * own[which] / 1e9)
        alone = (spans.failed & ~_felt(joined))[which]
        self._served.add(at[alone], keys[alone] + _FAILED, weight[alone])

    def _add_ends(self, joined: Joined, made: Calls, which: Rows, at: Nanoseconds) -> None:
        spans = joined.spans
        known = np.flatnonzero(made.request >= 0)
        began = spans.start[made.index[known]]
        known = known[np.argsort(began, kind="stable")]
        last = np.full(len(spans), NOBODY, dtype=np.intp)
        last[made.request[known]] = made.callee[known]
        width = len(self._services.nodes) + 1
        codes = spans.series[which].astype(np.intp) * width + last[which] + 1
        distinct, back = np.unique(codes, return_inverse=True)
        pairs = zip((distinct // width).tolist(), (distinct % width - 1).tolist(), strict=True)
        numbers = np.array([self._number(*pair) for pair in pairs], dtype=np.intp)[back]
        kept = numbers >= 0
        self._ended.add(at[kept], numbers[kept], spans.weight[which][kept])

    def _number(self, series: int, node: int) -> int:
        if (series, node) not in self._ends and len(self._ends) >= MOST_ENDS:
            return -1
        return self._ends.setdefault((series, node), len(self._ends))

    def _of_services(self, first: int, last: int) -> list[Row]:
        """Of all operations together, by service."""
        n = len(self._operations)
        sums = self._served.total(first, last, n * _OF_REQUEST).reshape(n, _OF_REQUEST)
        sender = np.array(self._operations.sender, dtype=np.intp)
        by_service = np.zeros((len(self._services), _OF_REQUEST))
        np.add.at(by_service, sender, sums)
        rows: list[Row] = []
        for i in np.flatnonzero(by_service[:, _COUNT]).tolist():
            count, seconds, failed = by_service[i].tolist()
            name, run = self._whose(i)
            rows.append((TracedKey(Told.OWN_TIME, name, run=run), seconds / count, count))
            failures = TracedKey(Told.OWN_FAILURES, name, run=run)
            rows.append((failures, min(failed / count, 1.0), count))
        return rows

    def _of_edges(self, first: int, last: int) -> list[Row]:
        n = len(self._edges)
        sums = self._waited.total(first, last, n * _OF_CALL).reshape(n, _OF_CALL)
        rows: list[Row] = []
        client, server = EDGE
        for i in np.flatnonzero(sums[:, _COUNT]).tolist():
            count, seconds = sums[i].tolist()
            _, run = self._whose(self._edges.sender[i])
            labels = self._edges.labels[i]
            key = TracedKey(Told.WAIT, labels.get(client), labels.get(server), run=run)
            rows.append((key, seconds / count, count))
        return rows

    def _of_ends(self, first: int, last: int) -> list[Row]:
        """Of operations that make calls; 0 for ends that they have at other times."""
        counts = self._ended.total(first, last, len(self._ends))
        requests: dict[int, float] = {}
        calling = set()
        for (series, node), number in self._ends.items():
            requests[series] = requests.get(series, 0.0) + float(counts[number])
            if node != NOBODY:
                calling.add(series)
        rows: list[Row] = []
        for (series, node), number in self._ends.items():
            count = requests[series]
            if series not in calling or not count:
                continue
            name, run = self._whose(self._operations.sender[series])
            operation = self._operations.labels[series].get(OPERATION)
            peer = self._services.nodes[node] if node != NOBODY else ""
            key = TracedKey(Told.ENDS, name, peer, operation, run)
            rows.append((key, float(counts[number]) / count, count))
        return rows

    def _whose(self, service: int) -> tuple[str, str]:
        """The name of a service and the run that it is of."""
        labels = self._services.labels[service]
        return labels.get(SERVICE), labels.get(self._run_label)


def _felt(joined: Joined) -> Flags:
    """bool[n]: requests that called another which failed."""
    up, request = joined.up, joined.request
    below = np.flatnonzero(joined.entry & joined.spans.failed & (up >= 0))
    callers = request[up[below]]
    felt = np.zeros(len(up), dtype=bool)
    felt[callers[callers >= 0]] = True
    return felt
