"""Who calls whom."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence


class Graph:
    """Who calls whom. Services it does not know are taken to be related to all.

    declared: services that the user named, as opposed to those that were learned; None: all.
    """

    def __init__(
        self, calls: Mapping[str, Sequence[str]], declared: Iterable[str] | None = None
    ) -> None:
        self.callees = {caller: tuple(sorted(callees)) for caller, callees in sorted(calls.items())}
        callers: dict[str, list[str]] = defaultdict(list)
        for caller, callees in self.callees.items():
            for callee in callees:
                callers[callee].append(caller)
        self.callers = {callee: tuple(names) for callee, names in sorted(callers.items())}
        self._component = self._components()
        self.declared = self.services if declared is None else frozenset(declared)

    @property
    def services(self) -> frozenset[str]:
        return frozenset(self._component)

    def connected(self, a: str, b: str) -> bool:
        known = self._component
        return a not in known or b not in known or known[a] == known[b]

    def below(self, service: str) -> list[str]:
        """`service` and all that it calls, directly or through others; sorted."""
        found, todo = {service}, [service]
        while todo:
            new = set(self.callees.get(todo.pop(), ())) - found
            found |= new
            todo += new
        return sorted(found)

    def _components(self) -> dict[str, int]:
        of: dict[str, int] = {}
        for number, start in enumerate(sorted({*self.callees, *self.callers})):
            todo = [start] if start not in of else []
            while todo:
                service = todo.pop()
                if service not in of:
                    of[service] = number
                    todo += [*self.callees.get(service, ()), *self.callers.get(service, ())]
        return of


def merged(calls: Mapping[str, Sequence[str]], edges: Iterable[tuple[str, str]]) -> Graph:
    """The graph of `calls` with `edges` (caller, callee) that were seen besides."""
    both = {caller: set(callees) for caller, callees in calls.items()}
    for caller, callee in edges:
        if caller and callee and caller != callee:
            both.setdefault(caller, set()).add(callee)
    return Graph({caller: sorted(callees) for caller, callees in both.items()})
