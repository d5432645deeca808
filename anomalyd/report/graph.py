"""The service graph as a picture's coordinates: callers left, callees right; no matplotlib."""

from __future__ import annotations

from dataclasses import dataclass

from anomalyd.report import views
from anomalyd.report.document import Document

_MOST = 30
_WIDTH, _HEIGHT = 164, 46
_GAP_X, _GAP_Y = 64, 18


@dataclass(frozen=True, slots=True)
class Node:
    """A box at x, y (pixels). state: origin, worse, unseen or ok; note: the same in words."""

    service: str
    state: str
    note: str
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Graph:
    """The picture; `lines`: SVG path data from a caller's box to a callee's, and if both hurt.

    focus: where the likeliest origin lies, 0 left to 1 right; width and height in pixels.
    """

    nodes: tuple[Node, ...]
    lines: tuple[tuple[str, bool], ...]
    width: int
    height: int
    focus: float
    box: tuple[int, int] = (_WIDTH, _HEIGHT)


def graph(document: Document) -> Graph | None:
    """The services around what is worse; None without edges or without anything worse."""
    worse = {f["service"] for f in views.deciding(document)}
    edges = [(a, b) for a, callees in document["edges"].items() for b in callees if a != b]
    if not worse or not edges:
        return None
    shown = _shown(worse | {s["service"] for s in views.suspects(document)}, edges)
    edges = [(a, b) for a, b in edges if a in shown and b in shown]
    if not edges:
        return None
    return _picture(document, _columns(shown, edges), edges)


def _shown(core: set[str], edges: list[tuple[str, str]]) -> set[str]:
    """All services if they fit a page; else those that matter, then their neighbours by name."""
    every = {service for edge in edges for service in edge} | core
    if len(every) <= _MOST:
        return every
    near = {service for edge in edges if core & set(edge) for service in edge} - core
    return set([*sorted(core), *sorted(near)][:_MOST])


def _columns(services: set[str], edges: list[tuple[str, str]]) -> list[list[str]]:
    """Layers by the longest path from a root; an edge that closes a cycle is left out of it."""
    forward = _acyclic(services, edges)
    depth = dict.fromkeys(services, 0)
    for _ in services:
        for caller, callee in forward:
            depth[callee] = max(depth[callee], depth[caller] + 1)
    columns: list[list[str]] = [[] for _ in range(max(depth.values()) + 1)]
    place: dict[str, float] = {}
    for level, column in enumerate(columns):
        members = sorted(s for s in services if depth[s] == level)
        callers = {s: [place[a] for a, b in forward if b == s and a in place] for s in members}
        column += sorted(members, key=lambda s: (_mean(callers[s]), s))
        place |= {service: row for row, service in enumerate(column)}
    return columns


def _acyclic(services: set[str], edges: list[tuple[str, str]]) -> list[tuple[str, str]]:
    callees = {s: sorted(b for a, b in edges if a == s) for s in services}
    called = {b for _, b in edges}
    kept: list[tuple[str, str]] = []
    done: set[str] = set()
    for root in sorted(services, key=lambda s: (s in called, s)):
        path: list[str] = [root]
        todo = [iter(callees[root])] if root not in done else []
        while todo:
            callee = next(todo[-1], None)
            if callee is None:
                todo.pop()
                done.add(path.pop())
            elif callee not in path:
                kept.append((path[-1], callee))
                if callee not in done:
                    path.append(callee)
                    todo.append(iter(callees[callee]))
    return kept


def _picture(document: Document, columns: list[list[str]], edges: list[tuple[str, str]]) -> Graph:
    tallest = max(map(len, columns))
    height = tallest * (_HEIGHT + _GAP_Y) - _GAP_Y
    nodes: dict[str, Node] = {}
    for level, column in enumerate(columns):
        top = (height - (len(column) * (_HEIGHT + _GAP_Y) - _GAP_Y)) // 2
        for row, service in enumerate(column):
            state, note = _state(document, service)
            x, y = level * (_WIDTH + _GAP_X), top + row * (_HEIGHT + _GAP_Y)
            nodes[service] = Node(service, state, note, x, y)
    hurt = {"origin", "worse"}
    lines = tuple(
        (_line(nodes[a], nodes[b]), nodes[a].state in hurt and nodes[b].state in hurt)
        for a, b in edges
    )
    width = len(columns) * (_WIDTH + _GAP_X) - _GAP_X
    first = [s["service"] for s in views.suspects(document)] + [
        f["service"] for f in views.deciding(document)
    ]
    focus = next(((nodes[s].x + _WIDTH / 2) / width for s in first if s in nodes), 0.0)
    return Graph(tuple(nodes.values()), lines, width, height, focus)


def _state(document: Document, service: str) -> tuple[str, str]:
    fired = sum(f["service"] == service for f in views.deciding(document))
    states = {f["state"] for f in document["findings"] if f["service"] == service}
    note = f"{views.plural(fired, 'signal')} worse" if fired else "in band"
    if any(suspect["service"] == service for suspect in views.suspects(document)):
        return "origin", f"began here, {fired} worse" if fired else "began here"
    if fired:
        return "worse", note
    if not states & {"ok", "weak"}:
        return "unseen", "not seen"
    return "ok", note


def _line(caller: Node, callee: Node) -> str:
    x1, y1 = caller.x + _WIDTH, caller.y + _HEIGHT // 2
    x2, y2 = callee.x, callee.y + _HEIGHT // 2
    bend = max(30, (x2 - x1) // 2)
    return f"M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2 - 7} {y2}"


def _mean(numbers: list[float]) -> float:
    return sum(numbers) / len(numbers) if numbers else 0.0
