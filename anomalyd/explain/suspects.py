"""Which service began it: simple rules on own anomalies, onset order and graph position."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from anomalyd.explain.accounts import Accounts
from anomalyd.explain.graph import Graph as Graph
from anomalyd.explain.graph import merged
from anomalyd.explain.signs import Sign, of_anomaly
from anomalyd.explain.trail import UPWARD, Mode, Trail
from anomalyd.explain.wording import Evidence, because
from anomalyd.model import Anomaly, Kind, Suspect

ONSET_DECAY = 0.5
"""Per rank of onset: of two services that explain as much, the earlier is twice as likely."""

LATEST = 2
"""Ranks beyond that count no less: much may happen at once."""

FAILING_FIRST = (Kind.ERRORS, Kind.LATENCY)
"""Whoever fails calls on less; whoever waits does so only if nothing fails."""

THIN = 4.0
"""Nats of one sign at least, in a recording; what fired in a run is beyond doubt."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Suspects, the likeliest first; `abstained` says why there are none."""

    suspects: tuple[Suspect, ...]
    abstained: str = ""


def suspects(
    anomalies: Sequence[Anomaly], graph: Graph, traced: Sequence[Sign] = ()
) -> tuple[Suspect, ...]:
    """Services by how likely the incident began there; scores sum to 1, ties break by name.

    traced: what traces show of the same time. It is no anomaly: it is heard where delay or failures
    fired, or something is called less, which either may be why, and says whose they are.
    """
    fired = [of_anomaly(anomaly) for anomaly in anomalies]
    return _ranked([*fired, *_relevant(traced, fired, graph)], graph)


def _relevant(traced: Sequence[Sign], fired: Sequence[Sign], graph: Graph) -> list[Sign]:
    kinds = {sign.kind for sign in fired}
    if any(sign.kind is Kind.TRAFFIC and sign.effect < 0 for sign in fired):
        kinds |= UPWARD
    services = {sign.service for sign in fired}
    return [
        sign
        for sign in traced
        if sign.kind in kinds
        and sign.strength >= THIN
        and any(graph.connected(sign.service, service) for service in services)
    ]


def explain(signs: Sequence[Sign], graph: Graph) -> Explanation:
    """As `suspects`, of what a recording shows; none where the evidence is thin."""
    known = [sign for sign in signs if sign.service]
    strongest = max((sign.strength for sign in known), default=0.0)
    if not known:
        return Explanation((), "nothing of any service is off")
    if strongest < THIN:
        return Explanation((), "what is off is hardly further off than normal times are")
    return Explanation(_ranked(known, graph))


def _ranked(signs: Sequence[Sign], graph: Graph) -> tuple[Suspect, ...]:
    """Each service that is off starts with the strength of its signs and hands it on.

    Latency and errors go to the services it calls that are in trouble themselves; whatever comes
    of being called more to the callers that are not called more themselves (they fan out); being
    called less to the callers in trouble. It comes to rest, in equal parts, at the services it
    reaches that hand it on no further (in a circle of services that only blame one another, at all
    of them). A service that stopped reporting keeps its own. Where it is known what each service
    adds (`Accounts`), latency and errors come to rest by that, and weigh by the harm they do.
    Signals of one kind of a service count once. The score is discounted by order of onset.
    """
    known = sorted((s for s in signs if s.service), key=lambda s: s.key)
    if not known:
        return ()
    case = _Case(known, merged(graph.callees, ((s.service, s.peer) for s in known)))
    ranks = case.onset_ranks()
    weighted = {s: b * ONSET_DECAY ** ranks[s] for s, b in case.blame().items()}
    total = sum(weighted.values())
    order = sorted(weighted, key=lambda s: (-weighted[s], s))
    return tuple(Suspect(s, weighted[s] / total, because(case.evidence(s))) for s in order)


class _Case:
    """The signs of one incident, and where the blame of each comes to rest."""

    def __init__(self, signs: Sequence[Sign], graph: Graph) -> None:
        by_service: dict[str, list[Sign]] = defaultdict(list)
        for sign in signs:
            by_service[sign.service].append(sign)
        self._trail = Trail(by_service, graph)
        self._accounts = Accounts(signs, graph)
        self._signs = signs
        self._rests = [(sign, self._resting(sign)) for sign in signs]
        self._own: dict[str, list[Sign]] = defaultdict(list)
        for sign, rests in self._rests:
            if not sign.own:
                self._own[sign.service].append(sign)
            # What is off between two services is told of both ends that answer for it.
            for target in rests if sign.own else ():
                self._own[target].append(sign)

    def blame(self) -> dict[str, float]:
        shares: dict[tuple[str, str, str, Kind], float] = defaultdict(float)
        for sign, rests in self._rests:
            for target, part in rests.items():
                at = target, sign.service, sign.peer, sign.kind
                share = sign.strength * self._accounts.weight(sign) * part
                shares[at] = max(shares[at], share)
        blame: dict[str, float] = defaultdict(float)
        for (target, *_), share in sorted(shares.items()):
            blame[target] += share
        return blame

    def onset_ranks(self) -> dict[str, int]:
        """How many distinct onsets are surely before each service's own; a service that shows
        nothing of its own is taken for the latest."""
        latest = max(sign.since for sign in self._signs)
        targets = {target for _, rests in self._rests for target in rests}
        first = {s: min((x.since for x in self._own[s]), default=latest) for s in targets}
        early = {s: min((x.since - x.step for x in self._own[s]), default=latest) for s in targets}
        onsets = sorted(set(first.values()))
        return {s: min(bisect_left(onsets, early[s]), LATEST) for s in targets}

    def evidence(self, service: str) -> Evidence:
        explained = {
            sign: rests[service]
            for sign, rests in self._rests
            if service in rests and sign.service != service and not sign.own
        }
        mostly = {sign for sign, part in explained.items() if part > 0.5}
        busier = service in self._trail.busier
        return Evidence(service, self._own[service], list(explained), mostly, busier)

    def _resting(self, sign: Sign) -> Mapping[str, float]:
        """Where a sign's blame comes to rest, in parts that sum to 1."""
        if sign.own:
            return self._accounts.holders(sign)
        mode = self._trail.mode(sign)
        if mode is Mode.LESS and (known := self._missed(sign)):
            return known
        bearers = self._accounts.bearers(sign) if mode is Mode.FELT else {}
        return bearers or _evenly(self._trail.rests(sign.service, mode))

    def _missed(self, sign: Sign) -> Mapping[str, float]:
        """Of whom it is that a service is called less, where its callers' trouble is accounted
        for; empty otherwise."""
        ends, troubled = self._trail.feeders(sign.service)
        felt = [
            next((found for kind in FAILING_FIRST if (found := self._borne(caller, kind))), {})
            for caller in troubled
        ]
        if not any(felt):
            return {}
        rests: dict[str, float] = defaultdict(float)
        parts = [{name: 1.0} for name in ends] + [
            dict(found) or {caller: 1.0} for caller, found in zip(troubled, felt, strict=True)
        ]
        for part in parts:
            for name, share in part.items():
                rests[name] += share / len(parts)
        return rests

    def _borne(self, caller: str, kind: Kind) -> Mapping[str, float]:
        felt = Sign(caller, kind, "", 0.0, 0.0, 0.0, size=0.0)
        return self._accounts.bearers(felt)


def _evenly(services: Iterable[str]) -> dict[str, float]:
    names = list(services)
    return {name: 1 / len(names) for name in names}
