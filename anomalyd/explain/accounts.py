"""Whose delay and whose failures: what each service adds of its own to what its callers feel.

Seconds waited and failures add up over calls: what a caller shows beyond what its callees show is
its own. Spans tell it directly; from metrics it is a difference.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

from anomalyd.explain.graph import Graph
from anomalyd.explain.signs import Sign
from anomalyd.model import Kind

UNSEEN = 0.1
"""Weight of a deviation that adds next to nothing to what callers wait for or fail of."""

EXPLAINED = 0.5
"""Of a delay: quantiles do not add up, but own times far below it are not why."""

LIGHTEST = 1e-3
"""Weight of an own sign, however little it adds."""

ADDITIVE = (Kind.LATENCY, Kind.ERRORS)


class Accounts:
    """Excess per second by kind and service, from the signs of which it is known."""

    def __init__(self, signs: Sequence[Sign], graph: Graph) -> None:
        self._graph = graph
        self._crowded = _crowded(signs, graph)
        self.own = {kind: self._own([s for s in signs if s.kind is kind]) for kind in ADDITIVE}
        self._most = {
            kind: max((_known(s) for s in signs if s.kind is kind and not s.own), default=0.0)
            for kind in ADDITIVE
        }
        self._sizes = _sizes([sign for sign in signs if math.isnan(sign.excess)])
        self._longer = _longer(signs)
        self._most_own = {kind: max(own.values(), default=0.0) for kind, own in self.own.items()}

    def weight(self, sign: Sign) -> float:
        """How much of the harm a sign is, of the most of its kind; 1 where that is not known."""
        most, own = self._most.get(sign.kind, 0.0), self._most_own.get(sign.kind, 0.0)
        if sign.kind not in ADDITIVE or math.isnan(sign.excess):
            return 1.0
        if sign.own:
            return max(_known(sign) / own, LIGHTEST) if own else 1.0
        if most:
            return max(_known(sign) / most, UNSEEN)
        felt = sum(self.own[sign.kind].get(s, 0.0) for s in self._graph.below(sign.service))
        return max(min(felt / own, 1.0), UNSEEN) if own else UNSEEN

    def holders(self, sign: Sign) -> Mapping[str, float]:
        """Whose an own sign is, in parts that sum to 1. A failure that ends a call is the callee's.
        A wait on the way is of the end most of whose other calls wait too."""
        if not sign.peer:
            return {sign.service: 1.0}
        if sign.kind is not Kind.LATENCY:
            return {sign.peer: 1.0}
        ends = {end: self._crowded.get(end, 0.0) for end in (sign.service, sign.peer)}
        total = sum(ends.values())
        return {end: part / total for end, part in ends.items()} if total else {sign.peer: 1.0}

    def bearers(self, felt: Sign) -> Mapping[str, float]:
        """Of whom what is felt is, in parts that sum to 1: of the service, and what it calls.

        A service that the graph does not know may call any. Empty where neither excess nor own time
        is known of them, or where their own time explains less than half of it.
        """
        own = self.own.get(felt.kind, {})
        known = felt.service in self._graph.services
        within = self._graph.below(felt.service) if known else sorted({*own, *self._sizes})
        found = {name: own[name] for name in within if own.get(name, 0.0) > 0.0}
        found = found if self._explained(felt, within) else {}
        if not found and felt.kind is Kind.LATENCY:
            sizes = {name: self._sizes[name] for name in within if name in self._sizes}
            enough = sum(sizes.values()) >= EXPLAINED * felt.size
            found = sizes if enough else {}
        total = sum(found.values())
        return {name: part / total for name, part in found.items()}

    def _explained(self, felt: Sign, within: Sequence[str]) -> bool:
        """Whether own times and waits account for a delay whose excess is not known."""
        if felt.kind is not Kind.LATENCY or not math.isnan(felt.excess) or not felt.size > 0.0:
            return True
        return sum(self._longer.get(name, 0.0) for name in within) >= EXPLAINED * felt.size

    def _own(self, signs: Sequence[Sign]) -> Mapping[str, float]:
        own: dict[str, float] = defaultdict(float)
        measured = set()
        for sign in signs:
            if sign.own:
                for service, part in self.holders(sign).items():
                    own[service] += part * _known(sign)
                measured |= {sign.service}
        shown = _shown(signs)
        for service, excess in shown.items():
            if service not in measured:
                own[service] += max(
                    0.0, excess - sum(shown[c] for c in self._below(service, shown))
                )
        return own

    def _below(self, service: str, shown: Mapping[str, float]) -> list[str]:
        """The nearest services below that show an excess."""
        found: list[str] = []
        seen, todo = {service}, list(self._graph.callees.get(service, ()))
        while todo:
            callee = todo.pop(0)
            if callee in seen:
                continue
            seen.add(callee)
            if callee in shown:
                found.append(callee)
            else:
                todo += self._graph.callees.get(callee, ())
        return found


def _sizes(signs: Sequence[Sign]) -> dict[str, float]:
    """By service, how much longer its own time takes."""
    sizes: dict[str, float] = {}
    for sign in signs:
        if sign.own and sign.kind is Kind.LATENCY and not sign.peer:
            longer = sign.size if math.isfinite(sign.size) else 0.0
            if longer > 0.0 and sign.effect > 0.0:
                sizes[sign.service] = max(sizes.get(sign.service, 0.0), longer)
    return sizes


def _longer(signs: Sequence[Sign]) -> dict[str, float]:
    """By service, how much longer its own time and the waits of its calls take."""
    longer = defaultdict(float, _sizes(signs))
    for sign in signs:
        if sign.own and sign.kind is Kind.LATENCY and sign.peer and math.isfinite(sign.size):
            longer[sign.service] += max(sign.size, 0.0)
    return longer


def _known(sign: Sign) -> float:
    return 0.0 if math.isnan(sign.excess) else max(sign.excess, 0.0)


def _shown(signs: Sequence[Sign]) -> dict[str, float]:
    """By service, the excess of its signal that shows most of it."""
    sums: dict[tuple[str, str], float] = defaultdict(float)
    for sign in signs:
        if not sign.own and not sign.peer and _known(sign):
            sums[sign.service, sign.signal] += _known(sign)
    shown: dict[str, float] = defaultdict(float)
    for (service, _), excess in sorted(sums.items()):
        shown[service] = max(shown[service], excess)
    return shown


def _crowded(signs: Sequence[Sign], graph: Graph) -> dict[str, float]:
    """Of each service, the share of the edges it has at which calls wait."""
    waiting = {(s.service, s.peer) for s in signs if s.peer and s.kind is Kind.LATENCY and s.own}
    touched: dict[str, int] = defaultdict(int)
    for caller, callee in waiting:
        touched[caller] += 1
        touched[callee] += 1
    return {
        service: count
        / max(len(graph.callees.get(service, ())) + len(graph.callers.get(service, ())), 1)
        for service, count in touched.items()
    }
