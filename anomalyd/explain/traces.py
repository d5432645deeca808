"""What spans say that no metric does: own time, time on the way, and where requests end.

All of it is a service's own: what it calls is taken off already.

own time: of a service's spans, less what their children cover, per request that comes in.
wait: of a call's client half, less its server half: the network, and the queue before the callee.
ends: how often an operation's last step is this one. A request that is cut short ends with the
call that failed it, or with none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomalyd.explain.shifts import Series
from anomalyd.model import Floats, Kind, Rows, Worse
from anomalyd.spans import Nanoseconds, SpanKind, Spans

OWN_TIME = "own_time"
WAIT = "wait"
ENDS = "ends"
FAILED = "own_errors"

COVERED = 0.25
"""Of the usual number of requests: with fewer, the spans do not cover these seconds."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Tree:
    """Spans put together. service: intp[n] into names. parent: intp[n], -1 where there is none.
    own: int64[n], ns of the span that no child covers. callee: intp[n] into names, of client
    halves: what they call; -1 for other spans. last: intp[n], the child that starts last, or -1.
    entry: bool[n], requests that come in."""

    names: tuple[str, ...]
    service: Rows
    parent: Rows
    own: Nanoseconds
    callee: Rows
    last: Rows
    entry: Mask


def tree(spans: Spans, services: Sequence[str]) -> Tree:
    """services: the name of each of `spans.resources`."""
    names = tuple(sorted({*services, *spans.peers}))
    index = {name: i for i, name in enumerate(names)}
    service = np.array([index[name] for name in services], dtype=np.intp)[spans.resource]
    parent = _parents(spans)
    callee = _callees(spans, service, parent, index)
    foreign = (parent >= 0) & (service[parent] != service)
    return Tree(
        names, service, parent, _own(spans, parent), callee, _last(spans, parent),
        foreign | ((parent < 0) & (callee < 0)),
    )  # fmt: skip


def _parents(spans: Spans) -> Rows:
    """intp[n]: the row of each span's parent, -1 where it is not there."""
    mixed = spans.trace[:, 0] * np.uint64(0x9E3779B97F4A7C15) ^ spans.trace[:, 1]
    keys, wanted = mixed ^ spans.span, mixed ^ spans.parent
    order = np.argsort(keys, kind="stable")
    at = np.minimum(np.searchsorted(keys[order], wanted), max(len(keys) - 1, 0))
    found = (spans.parent != 0) & (keys[order][at] == wanted)
    return np.where(found, order[at], -1)


def _own(spans: Spans, parent: Rows) -> Nanoseconds:
    """Duration less the union of the children, each cut to its parent."""
    children = np.flatnonzero(parent >= 0)
    of = parent[children]
    start = np.maximum(spans.start[children], spans.start[of])
    end = np.minimum(
        spans.start[children] + spans.duration[children], spans.start[of] + spans.duration[of]
    )
    order = np.lexsort((start, of))
    of, start, end = of[order], start[order] - spans.start[of[order]], end[order]
    end = np.maximum(end - spans.start[of], start)
    first = np.append(True, of[1:] != of[:-1]) if len(of) else np.zeros(0, dtype=bool)
    reached = _running_max(end, first)
    before = np.where(first, 0, np.append(0, reached[:-1])) if len(of) else reached
    covered = np.maximum(end - np.maximum(start, before), 0)
    own = spans.duration.copy()
    np.subtract.at(own, of, covered)
    return np.maximum(own, 0)


def _running_max(values: Nanoseconds, first: Mask) -> Nanoseconds:
    """The running maximum of each group, which begins where `first` is."""
    if not len(values):
        return values
    step = int(values.max()) - int(values.min()) + 1
    group = np.cumsum(first)
    if group[-1] * float(step) > 2.0**62:
        parts = np.split(values, np.flatnonzero(first)[1:])
        return np.concatenate([np.maximum.accumulate(part) for part in parts])
    return np.maximum.accumulate(values + group * step) - group * step


def _callees(spans: Spans, service: Rows, parent: Rows, index: dict[str, int]) -> Rows:
    """What client halves call: whose span is their only child, else their peer, else what the same
    operation calls elsewhere. A span with one child, of another service, is a client half unless
    its kind says otherwise."""
    n = len(spans)
    callee = np.full(n, -1, dtype=np.intp)
    has = parent >= 0
    children = np.bincount(parent[has], minlength=n)
    foreign = np.flatnonzero(has & (service[parent] != service))
    only = foreign[children[parent[foreign]] == 1]
    callee[parent[only]] = service[only]
    callee[~np.isin(spans.kind, (SpanKind.UNSPECIFIED, SpanKind.CLIENT, SpanKind.PRODUCER))] = -1
    client = np.isin(spans.kind, (SpanKind.CLIENT, SpanKind.PRODUCER))
    peers = np.array([index[peer] if peer else -1 for peer in spans.peers], dtype=np.intp)
    unknown = (callee < 0) & client
    callee[unknown] = peers[spans.peer[unknown]]
    operation = service * len(spans.operations) + spans.operation
    calling = np.flatnonzero(callee >= 0)
    usual = np.full(len(index) * max(len(spans.operations), 1), -1, dtype=np.intp)
    usual[operation[calling[::-1]]] = callee[calling[::-1]]
    childless = (callee < 0) & (children == 0)
    callee[childless] = usual[operation[childless]]
    return callee


def _last(spans: Spans, parent: Rows) -> Rows:
    children = np.flatnonzero(parent >= 0)
    order = children[np.lexsort((spans.start[children], parent[children]))]
    last = np.full(len(spans), -1, dtype=np.intp)
    last[parent[order]] = order
    return last


def series(spans: Spans, services: Sequence[str], step: float) -> list[Series]:
    """Signal series of every `step` seconds that the spans cover.

    services: the name of each of `spans.resources`. Values are of spans by their end. Where far
    fewer requests came in than usual the recording began or ended, or a long request did.
    """
    if not len(spans):
        return []
    grown = tree(spans, services)
    ends = (spans.start + spans.duration) / 1e9
    bins = np.floor(ends / step).astype(np.int64)
    shown, column = np.unique(bins, return_inverse=True)
    roots = np.bincount(column[grown.parent < 0], minlength=len(shown))
    used = np.flatnonzero(roots >= COVERED * np.median(roots))
    times = np.asarray((shown[used] + 1.0) * step, dtype=np.float64)
    grid = _Grid(times, step, column, len(shown), used)
    return [
        *_own_times(spans, grown, grid),
        *_waits(spans, grown, grid),
        *_ends(spans, grown, grid),
        *_failures(spans, grown, grid),
    ]


@dataclass(frozen=True, slots=True)
class _Grid:
    times: Floats
    step: float
    column: Rows
    columns: int
    used: Rows

    def sums(self, rows: Mask | Rows, weights: Floats) -> Floats:
        """float64[used]: sums of `weights` over `rows`."""
        flat = np.bincount(self.column[rows], weights[rows], minlength=self.columns)
        return np.asarray(flat[self.used], dtype=np.float64)


def _own_times(spans: Spans, grown: Tree, grid: _Grid) -> list[Series]:
    work = grown.own / 1e9 * spans.weight
    found = []
    for i, name in enumerate(grown.names):
        mine = grown.service == i
        if not name or not mine.any():
            continue
        came = grid.sums(mine & grown.entry, spans.weight)
        value = np.divide(
            grid.sums(mine & (grown.callee < 0), work),
            came,
            out=np.full(len(came), np.nan),
            where=came > 0,
        )
        found.append(
            Series(
                OWN_TIME,
                name,
                Kind.LATENCY,
                Worse.UP,
                grid.times,
                value,
                came / grid.step,
                own=True,
            )
        )
    return found


def _waits(spans: Spans, grown: Tree, grid: _Grid) -> list[Series]:
    calling = np.flatnonzero((grown.callee >= 0) & (grown.callee != grown.service))
    edges = grown.service[calling] * len(grown.names) + grown.callee[calling]
    work = grown.own / 1e9 * spans.weight
    found = []
    for edge in np.unique(edges):
        rows = calling[edges == edge]
        calls = grid.sums(rows, spans.weight)
        value = np.divide(
            grid.sums(rows, work), calls, out=np.full(len(calls), np.nan), where=calls > 0
        )
        caller, callee = divmod(int(edge), len(grown.names))
        found.append(
            Series(
                WAIT, grown.names[caller], Kind.LATENCY, Worse.UP, grid.times, value,
                calls / grid.step, grown.names[callee], own=True,
            )
        )  # fmt: skip
    return found


def _ends(spans: Spans, grown: Tree, grid: _Grid) -> list[Series]:
    """By caller, operation and last step; that of another service is its callee's."""
    working = grown.callee < 0
    operations = grown.service * len(spans.operations) + spans.operation
    with_steps = np.unique(operations[working & (grown.last >= 0)])
    found = []
    for operation in with_steps:
        rows = np.flatnonzero(working & (operations == operation))
        name = grown.names[int(operation) // len(spans.operations)]
        what = spans.operations[int(operation) % len(spans.operations)]
        done = grid.sums(rows, spans.weight)
        last = grown.last[rows]
        steps = np.where(last >= 0, spans.operation[last], -1)
        callees = np.where(last >= 0, grown.callee[last], -1)
        foreign = (last >= 0) & (grown.service[last] != grown.service[rows])
        callees = np.where(foreign, grown.service[last], callees)
        for step, callee in sorted(set(zip(steps.tolist(), callees.tolist(), strict=True))):
            these = rows[(steps == step) & (callees == callee)]
            value = np.divide(
                grid.sums(these, spans.weight), done, out=np.full(len(done), np.nan), where=done > 0
            )
            peer = grown.names[callee] if callee >= 0 and grown.names[callee] != name else ""
            after = spans.operations[step] if step >= 0 else "nothing"
            found.append(
                Series(
                    f"{what} {ENDS} after {after}", name, Kind.ERRORS, Worse.UP, grid.times, value,
                    done / grid.step, peer, own=True,
                )
            )  # fmt: skip
    return found


def _failures(spans: Spans, grown: Tree, grid: _Grid) -> list[Series]:
    """Requests that failed although nothing that they called did."""
    below = np.zeros(len(spans), dtype=bool)
    below[grown.parent[(grown.parent >= 0) & spans.failed]] = True
    own = (spans.failed & ~below).astype(np.float64) * spans.weight
    found = []
    for i, name in enumerate(grown.names):
        mine = grown.service == i
        if not name or not (mine & (own > 0)).any():
            continue
        came = grid.sums(mine & grown.entry, spans.weight)
        value = np.divide(
            grid.sums(mine, own), came, out=np.full(len(came), np.nan), where=came > 0
        )
        found.append(
            Series(
                FAILED, name, Kind.ERRORS, Worse.UP, grid.times, np.minimum(value, 1.0),
                came / grid.step, own=True,
            )
        )  # fmt: skip
    return found


def edges(spans: Spans, services: Sequence[str]) -> list[tuple[str, str]]:
    """Who calls whom in the spans: (caller, callee), sorted."""
    if not len(spans):
        return []
    grown = tree(spans, services)
    calling = np.flatnonzero((grown.callee >= 0) & (grown.callee != grown.service))
    pairs = set(zip(grown.service[calling].tolist(), grown.callee[calling].tolist(), strict=True))
    foreign = np.flatnonzero((grown.parent >= 0) & (grown.service[grown.parent] != grown.service))
    callers = grown.service[grown.parent[foreign]]
    pairs |= set(zip(callers.tolist(), grown.service[foreign].tolist(), strict=True))
    return sorted((grown.names[a], grown.names[b]) for a, b in pairs)
