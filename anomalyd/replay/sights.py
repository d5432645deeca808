"""What trials with faults say of a service, and of a kind of fault: blind spots, sizes, recall."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from anomalyd.model import Outcome
from anomalyd.replay.faults import SIZES, FaultKind
from anomalyd.replay.intervals import wilson
from anomalyd.replay.mutate import Trial


@dataclass(frozen=True, slots=True)
class Sight:
    """Of one kind of fault in one service; without trials the runs have no series for it.

    always, once: the smallest size that was found in every trial, and in at least one; None where
    none was. delay: seconds, the median over the trials that found any, each at its smallest size.
    outcomes: of the runs with the largest size in which it was not found.
    """

    kind: FaultKind
    service: str
    trials: int
    always: float | None = None
    once: float | None = None
    delay: float = math.nan
    outcomes: tuple[Outcome, ...] = ()

    @property
    def blind(self) -> bool:
        """Whether the largest size goes unfound somewhere."""
        return self.always is None


@dataclass(frozen=True, slots=True)
class Recall:
    """Found trials of all with a kind of fault at a size, and Wilson's 95% interval of the share,
    as if trials were independent of one another."""

    kind: FaultKind
    size: float
    found: int
    trials: int

    @property
    def interval(self) -> tuple[float, float]:
        return wilson(self.found, self.trials)


def sights(trials: Sequence[Trial], without: Iterable[tuple[FaultKind, str]] = ()) -> list[Sight]:
    """One for each kind and service, the blind spots first: what was never found, what has no
    series (`without`), what was found in some trials only; then the largest size first."""
    by: dict[tuple[FaultKind, str], list[Trial]] = {}
    for trial in trials:
        by.setdefault((trial.kind, trial.service), []).append(trial)
    found = [_sight(kind, service, some) for (kind, service), some in by.items()]
    found += [Sight(kind, service, 0) for kind, service in without if (kind, service) not in by]
    return sorted(found, key=_place)


def recalls(trials: Sequence[Trial]) -> list[Recall]:
    """One for each kind that was tried and each of its sizes."""
    tried = {kind: [t for t in trials if t.kind is kind] for kind in FaultKind}
    return [
        Recall(kind, size, sum(_finds(t, size) for t in some), len(some))
        for kind, some in tried.items()
        if some
        for size in SIZES[kind]
    ]


def _finds(trial: Trial, size: float) -> bool:
    return trial.size is not None and trial.size <= size


def _sight(kind: FaultKind, service: str, trials: Sequence[Trial]) -> Sight:
    sizes = [trial.size for trial in trials if trial.size is not None]
    return Sight(
        kind,
        service,
        len(trials),
        always=max(sizes) if len(sizes) == len(trials) else None,
        once=min(sizes, default=None),
        delay=median(t.delay for t in trials if t.size is not None) if sizes else math.nan,
        outcomes=tuple(trial.outcome for trial in trials if trial.outcome is not None),
    )


def _place(sight: Sight) -> tuple[int, float]:
    if sight.always is not None:
        return 3, -SIZES[sight.kind].index(sight.always) / len(SIZES[sight.kind])
    if not sight.trials:
        return 1, 0.0
    return (0, 0.0) if sight.once is None else (2, 0.0)
