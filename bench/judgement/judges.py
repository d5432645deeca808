"""Who is scored: the interface of a judge, and the judges in the order they are printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bench.judgement.kayenta import Kayenta
from bench.judgement.ours import Ours
from bench.judgement.records import Decision, Recording
from bench.judgement.thresholds import Fixed, Sigma

ALL_PARTS = ("good", "bad", "broken", "boundary")


class Judge(Protocol):
    """Stateless between runs: what it knows of a world is in what `fit` returned."""

    def fit(self, production: Recording) -> Any:
        """What it needs to know of production; called once per world."""
        ...

    def judge(
        self,
        fitted: Any,
        staging: Recording,
        accepted: Sequence[Recording],
        edges: Sequence[tuple[str, str]],
    ) -> Decision:
        """accepted: good runs of the same world, the latest last; none on a first run. edges:
        (caller, callee). Must not look ahead of what it fires on."""
        ...


@dataclass(frozen=True, slots=True)
class Entrant:
    """parts: what of the suite it is scored on. peer: has no targets; the suite counts only while
    it is poor. breaks: what it lacks must show, by failing more of the boundary than is allowed."""

    name: str
    judge: Judge
    parts: tuple[str, ...] = ALL_PARTS
    peer: bool = False
    breaks: bool = False


ENTRANTS: tuple[Entrant, ...] = (
    Entrant("anomalyd", Ours()),
    Entrant("anomalyd, windows as independent", Ours(independent=True), ("boundary",), breaks=True),
    Entrant("kayenta", Kayenta(), peer=True),
    Entrant("kayenta, all critical", Kayenta(all_critical=True), peer=True),
    Entrant("mean ± 3σ by hour", Sigma(), peer=True),
    Entrant("fixed ±20%", Fixed(), peer=True),
)
