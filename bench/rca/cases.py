"""A labelled incident in the product's words, whatever layout it came in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from anomalyd.explain.shifts import Series, Spell


@dataclass(frozen=True)
class World:
    """What one system reported: signal series, and who calls whom."""

    series: Sequence[Series]
    calls: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Case:
    """One incident. answer: the service that began it. kind: of fault, for the breakdown."""

    set: str
    name: str
    kind: str
    answer: str
    spell: Spell
    world: World


class DataError(Exception):
    """Data that is not laid out as bench/rca/README.md says; one sentence."""
