"""The mix of a service's operations, compared as one: how far two mixes are apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from anomalyd.facts import Fact
from anomalyd.parity.difference import Difference
from anomalyd.parity.kinds import kind_of

MOST_NAMED = 4


def mixes(
    rows: Sequence[Difference],
    left: dict[tuple[str, str], Fact],
    right: dict[tuple[str, str], Fact],
) -> list[Difference]:
    """Shares of a service's operations as one row: the distance of the two mixes.

    The distance is the total variation: half the sum of all differences, the share of calls that
    would have to go elsewhere.
    """
    kept = [row for row in rows if row.kind.name != "traffic-share"]
    return kept + [
        row
        for service in sorted(_services(left) & _services(right))
        for row in _mix(service, left, right)
    ]


def _services(facts: dict[tuple[str, str], Fact]) -> set[str]:
    return {fact.service for (kind, _), fact in facts.items() if kind == "traffic-share"}


def _mix(
    service: str, left: dict[tuple[str, str], Fact], right: dict[tuple[str, str], Fact]
) -> list[Difference]:
    shares = [
        {
            key[1]: fact
            for key, fact in side.items()
            if key[0] == "traffic-share" and fact.service == service
        }
        for side in (left, right)
    ]
    staging, production = shares
    apart = {
        place: (staging[place].number if place in staging else 0.0)
        - (production[place].number if place in production else 0.0)
        for place in staging.keys() | production.keys()
    }
    distance = sum(map(abs, apart.values())) / 2
    kind = kind_of("traffic-share")
    if distance <= kind.slack:
        return []
    most = sorted(apart, key=lambda place: (-abs(apart[place]), place))[:MOST_NAMED]
    told = [_mix_fact(service, side, most) for side in shares]
    detail = f"{distance:.0%} of the calls would have to go elsewhere"
    rank = kind.weight + 9.0 * distance
    return [Difference(kind, f"{service} operations", told[0], told[1], rank, detail)]


def _mix_fact(service: str, side: dict[str, Fact], places: Sequence[str]) -> Fact:
    any_one = next(iter(side.values()))
    value = ", ".join(
        f"{place.removeprefix(service).strip()} {side[place].value if place in side else '0%'}"
        for place in places
    )
    return replace(any_one, place=f"{service} operations", value=value, number=math.nan)
