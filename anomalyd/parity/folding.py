"""Differences that follow from another are told with it, not beside it.

A service that is not there has no replicas either, and the metric that would have told them is
missing too.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from anomalyd.model import Environment
from anomalyd.parity.difference import Difference
from anomalyd.parity.kinds import Part

LEADERS = ("service", "metric", "manifest", "file")
OF_ONE_METRIC = (Part.INFO, Part.GAUGES, Part.BUCKETS, Part.DATA, Part.CADVISOR)
"""What is told by a metric says less than that the metric is not there."""

Lost = tuple[str, Environment]
"""A place, and the only environment that has it."""

_NAME = re.compile(r"[a-zA-Z_:][\w:]*")
_SUFFIXES = ("", "_bucket", "_count", "_sum", "_total", "_created")


def folded(rows: Sequence[Difference]) -> list[Difference]:
    """Rows without those that follow from another."""
    leaders = {
        (row.place, row.only_in): row.kind.name
        for row in rows
        if row.only_in and row.kind.name in LEADERS
    }
    followers: Counter[tuple[str, str]] = Counter()
    kept, telling = [], []
    for row in rows:
        leader = _leader(row, leaders)
        if leader is None:
            kept.append(row)
        else:
            followers[leader] += 1
        if leader is None or leader[0] == "service":
            telling.append(row)
    told = _without_echoes(kept, telling)
    return [_with_detail(row, followers[row.kind.name, row.place]) for row in told]


def _leader(row: Difference, leaders: Mapping[Lost, str]) -> tuple[str, str] | None:
    """Kind and place of the row that `row` follows from."""
    side = row.only_in
    if side is None or row.kind.name in LEADERS:
        return None
    places = _places(row)
    place = next((one for one in places if (one, side) in leaders), None)
    return (leaders[place, side], place) if place is not None else None


def _places(row: Difference) -> list[str]:
    """Where what `row` follows from would be."""
    if row.kind.part is Part.FILES:
        return [row.place.split(" ")[0], row.place.partition(" #")[0]]
    places = row.place.split(" → ") if row.kind.name == "edge" else [row.service]
    fact = row.staging or row.production
    if fact is not None and row.kind.part in OF_ONE_METRIC:
        names = _NAME.findall(fact.found)
        places += [name.removesuffix(suffix) for name in names for suffix in _SUFFIXES]
    return places


def _without_echoes(kept: Sequence[Difference], rows: Sequence[Difference]) -> list[Difference]:
    """A metric or label that is missing says no more than a fact among `rows` that it would have
    told."""
    said: dict[Environment, set[str]] = defaultdict(set)
    for row in rows:
        fact, side = row.staging or row.production, row.only_in
        if side is not None and fact is not None and row.kind.name not in ("metric", "label"):
            said[side] |= {*_NAME.findall(fact.found), *_NAME.findall(row.place)}
            said[side].add(" ".join(row.place.split(" ")[-2:]))
    lost = {(row.place, row.only_in) for row in rows if row.kind.name == "metric"}
    return [row for row in kept if not _is_echo(row, said, lost)]


def _is_echo(
    row: Difference, said: Mapping[Environment, set[str]], lost: set[tuple[str, Environment | None]]
) -> bool:
    side = row.only_in
    if side is None:
        return False
    words = said.get(side, set())
    if row.kind.name == "metric":
        return any(f"{row.place}{suffix}" in words for suffix in _SUFFIXES)
    if row.kind.name == "label":
        return (row.place.split(" ")[0], side) in lost or row.place in words
    return False


def _with_detail(row: Difference, followers: int) -> Difference:
    if not followers:
        return row
    words = "fact that belongs" if followers == 1 else "facts that belong"
    return replace(row, detail=f"and {followers} {words} to it")
