"""What differs between two environments, worst first, and what somebody said of it. Pure."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from anomalyd.facts import Fact
from anomalyd.model import Environment
from anomalyd.parity.asking import Collected
from anomalyd.parity.difference import OPEN, Difference
from anomalyd.parity.folding import folded
from anomalyd.parity.kinds import Kind, Measure, Part, differ, kind_of
from anomalyd.parity.mix import mixes

EXPECTED, IGNORED = "expected", "ignored"


@dataclass(frozen=True, slots=True)
class Rule:
    """What somebody said of differences; kind, place: regexes of the whole.

    expected: declared to be so, else ignored. until: unix seconds, None for ever. staging,
    production: the values that were declared; None for any.
    """

    kind: str
    place: str
    reason: str
    expected: bool
    until: float | None = None
    staging: str | None = None
    production: str | None = None


@dataclass(frozen=True, slots=True)
class Parity:
    """differences: all rows, worst first. equal: facts that are the same in both. notes: what could
    not be compared because only one environment has it, one sentence each. expired: rules that
    count no longer. facts: all that was compared, of both environments."""

    differences: tuple[Difference, ...]
    equal: int
    notes: tuple[str, ...] = ()
    expired: tuple[str, ...] = ()
    facts: tuple[Fact, ...] = ()

    @property
    def drift(self) -> tuple[Difference, ...]:
        return tuple(one for one in self.differences if one.state == OPEN)

    @property
    def judged_by(self) -> tuple[Fact, ...]:
        """What a run is told of: all facts, and which of them differ undeclared."""
        return (*self.facts, *(row.fact for row in self.drift))


def compare(
    staging: Sequence[Collected], production: Sequence[Collected], rules: Sequence[Rule], now: float
) -> Parity:
    """Everything that was collected of either environment; `now`: unix seconds, for the rules."""
    equal, rows = 0, []
    alone: set[str] = set()
    for listed in (False, True):
        left, right = (
            [one for one in side if one.listed is listed] for side in (staging, production)
        )
        same, found, notes = _compare(left, right, listed)
        equal += same
        rows += found
        alone |= notes
    for one in (*staging, *production):
        rows += [_not_compared(one, part) for part in one.notes]
    valid = [rule for rule in rules if rule.until is None or rule.until > now]
    told = [_judged(row, valid) for row in rows]
    expired = [rule for rule in rules if rule not in valid]
    return Parity(
        differences=tuple(sorted(told, key=lambda row: (-row.rank, row.kind.name, row.place))),
        equal=equal,
        notes=tuple(sorted(alone)),
        facts=tuple(fact for side in (*staging, *production) for fact in side.facts),
        expired=tuple(f"{rule.kind} at {rule.place}: {rule.reason}" for rule in expired),
    )


def _compare(
    staging: Sequence[Collected], production: Sequence[Collected], listed: bool
) -> tuple[int, list[Difference], set[str]]:
    """How many facts are equal, what differs, and what only one environment offers.

    listed: facts that somebody wrote down are compared to the letter, each for itself.
    """
    left, right = merged(staging), merged(production)
    offered = [{part for one in side for part in one.offered} for side in (staging, production)]
    equal, rows, alone = 0, [], set()
    for key in left.keys() | right.keys():
        one, other = left.get(key), right.get(key)
        kind = kind_of(key[0])
        measured = replace(kind, measure=Measure.EXACT) if listed else kind
        if (one is None or other is None) and not all(kind.part in side for side in offered):
            alone.add(_alone(kind.part, offered))
        elif one is not None and other is not None and not differ(measured, one, other):
            equal += 1
        else:
            rows.append(Difference(kind, key[1], one, other, _rank(kind, one, other)))
    return equal, rows if listed else mixes(folded(rows), left, right), alone


def merged(sides: Iterable[Collected]) -> dict[tuple[str, str], Fact]:
    """Facts by kind and place; several of one place (of two replicas, two metrics) become one."""
    found: dict[tuple[str, str], list[Fact]] = defaultdict(list)
    for side in sides:
        for fact in side.facts:
            found[fact.kind, fact.place].append(fact)
    return {key: facts[0] if len(facts) == 1 else _together(facts) for key, facts in found.items()}


def _together(facts: Sequence[Fact]) -> Fact:
    values = list(dict.fromkeys(fact.value for fact in facts))
    if len(values) == 1:
        return facts[0]
    return replace(facts[0], value=", ".join(sorted(values)), number=math.nan)


def _rank(kind: Kind, one: Fact | None, other: Fact | None) -> float:
    """The kind's weight, and up to 9 for how far apart two numbers are: 3 for each doubling."""
    if one is None or other is None:
        return kind.weight + 3.0
    if not (one.number > 0 and other.number > 0):
        return float(kind.weight)
    return kind.weight + min(9.0, 3.0 * abs(math.log2(one.number / other.number)))


def _not_compared(side: Collected, part: str) -> Difference:
    why = side.notes[part]
    kind = kind_of("not-compared")
    fact = Fact(kind.name, part, side.side, "could not be read", why)
    staging = side.side is Environment.STAGING
    return Difference(
        kind, part, fact if staging else None, None if staging else fact, float(kind.weight), why
    )


def _alone(part: Part, offered: Sequence[set[Part]]) -> str:
    side = Environment.STAGING if part in offered[0] else Environment.PRODUCTION
    return f"{part}: only {side} offers it; nothing to compare it with"


def _judged(row: Difference, rules: Sequence[Rule]) -> Difference:
    for rule in rules:
        if _applies(rule, row):
            state = EXPECTED if rule.expected else IGNORED
            return replace(row, state=state, reason=rule.reason)
    return row


def _applies(rule: Rule, row: Difference) -> bool:
    declared = ((rule.staging, row.staging), (rule.production, row.production))
    return (
        re.fullmatch(rule.kind, row.kind.name) is not None
        and re.fullmatch(rule.place, row.place) is not None
        and all(
            wanted is None or (fact is not None and fact.value == wanted)
            for wanted, fact in declared
        )
    )
