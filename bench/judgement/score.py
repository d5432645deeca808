"""Figures of a judge with their 95% intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import beta

from bench.judgement.records import Floats
from bench.judgement.suite import Record

RESAMPLES = 1000
SIZE_CLASSES = (("10-20%", 0.20), ("20-40%", 0.40), (">40%", np.inf))
"""With their upper ends."""
Statistic = Callable[[Sequence[Record]], float]


@dataclass(frozen=True, slots=True)
class Figure:
    """value, NaN if nothing counts for it; low, high: 95%; n: what it is over; hits: of a share."""

    value: float
    low: float
    high: float
    n: int
    hits: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """With None for what is not known, as JSON has no NaN."""
        return {
            key: None if isinstance(value, float) and not np.isfinite(value) else value
            for key, value in asdict(self).items()
            if value is not None
        }


UNKNOWN = Figure(float("nan"), float("nan"), float("nan"), 0)


def share(flags: Sequence[bool]) -> Figure:
    """A proportion with the interval of Clopper and Pearson (Biometrika 26, 1934)."""
    n, k = len(flags), sum(flags)
    low = float(beta.ppf(0.025, k, n - k + 1)) if k else 0.0
    high = float(beta.ppf(0.975, k + 1, n - k)) if k < n else 1.0
    return Figure(k / n if n else float("nan"), low, high, n, k)


def failed(record: Record) -> bool:
    return record.decision.outcome == "fail"


def f1(records: Sequence[Record], balanced: bool = False) -> Figure:
    """F1 of `fail` on good and bad runs; the interval is over worlds drawn anew.

    balanced: good runs weigh as much together as bad ones do.
    """
    worlds = sorted({one.world for one in records})
    if not worlds:
        return UNKNOWN
    counts = np.array([_counts([one for one in records if one.world == w]) for w in worlds])
    drawn = np.random.default_rng(1).integers(0, len(worlds), (RESAMPLES, len(worlds)))
    spread = [_f1(counts[rows].sum(axis=0), balanced) for rows in drawn]
    low, high = np.nanpercentile(spread, [2.5, 97.5])
    return Figure(_f1(counts.sum(axis=0), balanced), float(low), float(high), len(records))


def _counts(records: Sequence[Record]) -> tuple[int, int, int, int]:
    """(bad and failed, bad, good and failed, good)."""
    bad = [failed(one) for one in records if one.part == "bad"]
    good = [failed(one) for one in records if one.part == "good"]
    return sum(bad), len(bad), sum(good), len(good)


def _f1(counts: Floats, balanced: bool) -> float:
    true, bad, false, good = (float(one) for one in counts)
    if balanced and good:
        false *= bad / good
    return 2 * true / (true + false + bad) if bad else float("nan")


def quantile(values: Sequence[float], at: float) -> Figure:
    """A quantile with the interval of order statistics resampled."""
    if not values:
        return UNKNOWN
    known = np.array(values)
    drawn = np.random.default_rng(1).choice(known, (RESAMPLES, len(known)))
    low, high = np.percentile(np.quantile(drawn, at, axis=1), [2.5, 97.5])
    return Figure(float(np.quantile(known, at)), float(low), float(high), len(known))


def figures(records: Sequence[Record]) -> dict[str, Figure]:
    """Everything that is printed of one judge in one regime, by name."""
    part = {name: [one for one in records if one.part == name] for name in _PARTS}
    good, bad = part["good"], part["bad"]
    outside = [one for one in bad if not one.truth.inside_spread]
    inside = [one for one in bad if one.truth.inside_spread]
    found = {
        "f1": f1(good + bad),
        "f1 balanced": f1(good + bad, balanced=True),
        "f1 without shifts inside the spread": f1(good + outside),
        "good failed": share([failed(one) for one in good]),
        "good failed, within production's loads": share(
            [failed(one) for one in good if not one.truth.beyond]
        ),
        "good failed, beyond production's loads": share(
            [failed(one) for one in good if one.truth.beyond]
        ),
        "good inconclusive": _outcome(good, "inconclusive"),
        "good invalid": _outcome(good, "invalid"),
        "recall": share([failed(one) for one in bad]),
        "inside the spread inconclusive": _outcome(inside, "inconclusive"),
        "inside the spread passed": _outcome(inside, "pass"),
    }
    found |= _recalls(bad) | _delays(bad) | _roots(bad) | _broken(part["broken"], good + bad)
    found["boundary failed"] = share([failed(one) for one in part["boundary"]])
    found["cpu seconds"] = quantile([one.seconds for one in records], 0.5)
    return {name: figure for name, figure in found.items() if figure.n}


_PARTS = ("good", "bad", "broken", "boundary")


def _outcome(records: Sequence[Record], outcome: str) -> Figure:
    return share([one.decision.outcome == outcome for one in records])


def size_class(size: float) -> str:
    return next(name for name, upper in SIZE_CLASSES if size < upper)


def _recalls(bad: Sequence[Record]) -> dict[str, Figure]:
    found = {
        f"recall {name}": share([failed(one) for one in bad if size_class(one.truth.size) == name])
        for name, _ in SIZE_CLASSES
    }
    for whole, words in ((False, "mid-run"), (True, "whole-run")):
        found[f"recall {words}"] = share([failed(o) for o in bad if o.truth.whole_run == whole])
    for kind in sorted({one.truth.kind for one in bad}):
        found[f"recall {kind}"] = share([failed(one) for one in bad if one.truth.kind == kind])
    return found


def delay(record: Record) -> float:
    """Seconds from the onset to the firing; negative if it fired before anything was wrong."""
    fired, onset = record.decision.fired_at, record.truth.onset
    return float("nan") if fired is None or onset is None else fired - onset


def _delays(bad: Sequence[Record]) -> dict[str, Figure]:
    caught = [one for one in bad if failed(one)]
    midway = [delay(one) for one in caught if not one.truth.whole_run]
    after = [one for one in midway if one >= 0]
    whole = [delay(one) for one in caught if one.truth.whole_run]
    return {
        "delay median": quantile(after, 0.5),
        "delay p90": quantile(after, 0.9),
        "fired before the onset": share([one < 0 for one in midway]),
        "whole-run delay median": quantile([one for one in whole if one >= 0], 0.5),
    }


def _roots(bad: Sequence[Record]) -> dict[str, Figure]:
    caught = [one for one in bad if failed(one)]
    return {
        f"root top-{n}": share([one.truth.root in one.decision.suspects[:n] for one in caught])
        for n in (1, 3)
    }


def _broken(broken: Sequence[Record], healthy: Sequence[Record]) -> dict[str, Figure]:
    found = {
        "broken invalid": _outcome(broken, "invalid"),
        "healthy invalid": _outcome(healthy, "invalid"),
    }
    for kind in sorted({one.truth.kind for one in broken}):
        same = [one for one in broken if one.truth.kind == kind]
        found[f"broken invalid {kind}"] = _outcome(same, "invalid")
    return found
