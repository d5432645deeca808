"""`make bench-judgement ABLATION=1`: what each detector and each mechanism of the judge adds.

The same 200 runs, in both regimes, are judged by the whole judge and by one that lacks a single
part. What a run could have shown is left out everywhere: it bears on passing, not on failing.
QUICK=1 takes a fifth of the runs; JUDGES=x only the variants whose name contains x.
Writes bench/ablation.json.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from anomalyd.detectors import DETECTORS
from anomalyd.detectors.absence import Absence
from anomalyd.detectors.level_filter import LevelFilter
from anomalyd.detectors.run_shift import RunShift
from anomalyd.judgement import accepted, budget, context, evidence, findings, noise
from anomalyd.judgement.course import Course
from anomalyd.replay import judge as replaying
from bench.judgement import ours
from bench.judgement.production import production
from bench.judgement.records import Floats
from bench.judgement.score import delay
from bench.judgement.staging import RUNS, run
from bench.judgement.suite import REGIMES, Record
from bench.judgement.world import draw

RESULTS = Path(__file__).resolve().parent.parent / "ablation.json"
SEED, WORLDS, EACH = 1, 20, 5
"""Worlds of seed 1, and good and bad runs of each."""
RESAMPLES = 2000
WHOLE = "all"

Change = tuple[object, str, Any]
"""An attribute of a module or class, and what it is while a variant judges."""


@dataclass(frozen=True, slots=True)
class Variant:
    """The judge with some of its attributes changed. learns: they bear on what accepted runs teach
    too, not only on what is made of it."""

    name: str
    changes: tuple[Change, ...] = ()
    learns: bool = False


@dataclass(frozen=True, slots=True)
class Effect:
    """What leaving something out changes, with the 95% interval of worlds drawn anew. f1; false:
    good runs failed, of all; delay: seconds, median over faults within the run that both find."""

    f1: tuple[float, float, float]
    false: tuple[float, float, float]
    delay: tuple[float, float, float]


def shared(without: str) -> tuple[Change, ...]:
    """A detector's share handed to the others of its rows, or to nobody if there are none."""
    names = [factory().name for factory, _ in DETECTORS]
    shares = dict(zip(names, (share for _, share in DETECTORS), strict=True))
    alone = without == "count_deviation"
    rest = {
        name: share for name, share in shares.items() if name not in (without, "count_deviation")
    }
    more = 1.0 if alone else 1.0 + shares[without] / sum(rest.values())
    given = tuple(
        0.0 if name == without else share * (more if name in rest else 1.0)
        for name, share in shares.items()
    )
    return ((evidence, "SHARES", given),)


def of_context(**changed: float) -> tuple[Change, ...]:
    """Quantities of every window's context held at one value."""
    plain = context.Reference.context

    def held(self: context.Reference, *given: Any, **named: Any) -> Any:
        found = plain(self, *given, **named)
        n = len(found.value)
        return replace(found, **{name: np.full(n, value) for name, value in changed.items()})

    return ((context.Reference, "context", held),)


def _bonferroni(courses: Iterable[Course], log_evidence: Floats) -> Floats:
    thresholds = np.full(len(log_evidence), np.inf)
    for course in courses:
        thresholds[course.deciding] = course.log_threshold
    return thresholds


def _flat(runs: Any, x: Floats, sizes: Floats) -> accepted.Line:
    """No slope is learned, what is assumed of it stays."""
    nothing = np.zeros(len(x))
    shift = np.full(len(x), accepted.SHIFT)
    return accepted.Line(nothing, nothing, accepted.SLOPE * sizes, shift, nothing)


def _median_of_all(residuals: Floats) -> tuple[Floats, Floats]:
    median = np.median(residuals, axis=0)
    return median, median


VARIANTS: tuple[Variant, ...] = (
    Variant(WHOLE),
    *(
        Variant(f"without {factory().name}", shared(factory().name))
        for factory, share in DETECTORS
        if share
    ),
    Variant(
        "without absence",
        (
            (evidence, "DETECTORS", tuple(one for one in DETECTORS if one[0] is not Absence)),
            (evidence, "SHARES", tuple(s for f, s in DETECTORS if f is not Absence)),
        ),
    ),
    Variant("without own scale", ((LevelFilter, "_rescale", lambda self, *given: None),)),
    Variant("without wander", (*of_context(wander=0.0), (noise, "WANDERS", (0.0,))), True),
    Variant("without smear", ((replaying, "smear_of", lambda *given: 1),), True),
    Variant("without capacity", ((replaying, "capacity_ratio", lambda *given: 1.0),), True),
    Variant("without cap on blips", of_context(brief=budget.MOST_PER_WINDOW)),
    Variant("each series alone", ((budget, "together", _bonferroni),)),
    Variant("without slope of transfer", ((accepted, "_line", _flat),), True),
    Variant("without halves of run_shift", ((RunShift, "_halves", staticmethod(_median_of_all)),)),
    Variant("without shift of load", of_context(shift=0.0, slope_with_shift=0.0)),
    Variant("without overload", of_context(overload=0.0)),
    Variant("without bursts of counts", of_context(burst=1e-6)),
)


@contextmanager
def changed(changes: Sequence[Change]) -> Iterator[None]:
    """While inside, the attributes are as the variant has them."""
    with ExitStack() as stack:
        for owner, name, value in changes:
            stack.enter_context(patch.object(owner, name, value))
        yield


def _powerless(contexts: Any, log_threshold: Floats, *_: Any) -> Floats:
    return np.full(len(log_threshold), np.inf)


def _unknown(contexts: Any, log_threshold: Floats, *_: Any) -> Floats:
    return np.full(len(log_threshold), np.nan)


def judge_world(names: Sequence[str], each: int, index: int) -> list[Record]:
    """The runs of a world by each of the variants, in both regimes."""
    world, judge = draw(SEED, index), ours.Ours()
    fitted = judge.fit(production(world))
    given = [run(world, "accepted", k).recording for k in range(RUNS["accepted"])]
    runs = [(part, k, run(world, part, k)) for part in ("good", "bad") for k in range(each)]
    fit, records = _once(ours.fit_production), []
    out = (
        (ours, "fit_production", fit),
        (findings.power, "detectable", _powerless),
        (findings.power, "passing_share", _unknown),
    )
    usual = {regime: ours.Fitted(fitted.production) for regime in REGIMES}
    for variant in [one for one in VARIANTS if one.name in names]:
        for regime in REGIMES:
            known = ours.Fitted(fitted.production) if variant.learns else usual[regime]
            before = given if regime == "calibrated" else ()
            with changed((*variant.changes, *out)):
                for part, k, one in runs:
                    said = judge.judge(known, one.recording, before, world.named_edges)
                    records.append(
                        Record(variant.name, regime, part, index, k, one.truth, said, 0.0)
                    )
    return records


def _once(fit: Callable[..., Any]) -> Callable[..., Any]:
    """A world's production is fitted once: no variant changes the fit."""
    kept: list[Any] = []

    def first(*given: Any) -> Any:
        if not kept:
            kept.append(fit(*given))
        return kept[0]

    return first


def effect(whole: Sequence[Record], part: Sequence[Record]) -> Effect:
    """What `part` does differently from `whole`, over the same runs in the same order."""
    worlds = np.array([one.world for one in whole])
    bad = np.array([one.part == "bad" for one in whole])
    sides = [np.array([one.decision.outcome == "fail" for one in r]) for r in (whole, part)]
    delays = [np.array([_midway(one) for one in r]) for r in (whole, part)]
    rows = [np.flatnonzero(worlds == world) for world in np.unique(worlds)]
    drawn = np.random.default_rng(1).integers(0, len(rows), (RESAMPLES, len(rows)))

    def differences(at: Any) -> tuple[float, float, float]:
        was, now = (_f1(side[at], bad[at]) for side in sides)
        false = float(sides[1][at][~bad[at]].mean() - sides[0][at][~bad[at]].mean())
        both = np.isfinite(delays[0][at] + delays[1][at])
        later = [np.median(one[at][both]) if both.any() else np.nan for one in delays]
        return now - was, false, float(later[1] - later[0])

    spread = np.array([differences(np.concatenate([rows[i] for i in one])) for one in drawn])
    low, high = np.nanpercentile(spread, [2.5, 97.5], axis=0)
    middle = differences(np.arange(len(whole)))
    return Effect(*((m, float(lo), float(h)) for m, lo, h in zip(middle, low, high, strict=True)))


def _midway(record: Record) -> float:
    """Delay of a fault within a run that was found after it began, NaN otherwise."""
    late = delay(record)
    found = record.decision.outcome == "fail" and not record.truth.whole_run
    return late if found and late >= 0 else float("nan")


def _f1(failed: Any, bad: Any) -> float:
    true = float((failed & bad).sum())
    return 2 * true / max(true + float((failed & ~bad).sum()) + float(bad.sum()), 1.0)


def line(name: str, regime: str, found: Effect) -> str:
    f1, false, later = found.f1, found.false, found.delay
    return (
        f"| {name} | {regime} | {f1[0]:+.3f} ({f1[1]:+.3f} to {f1[2]:+.3f}) "
        f"| {100 * false[0]:+.1f} ({100 * false[1]:+.1f} to {100 * false[2]:+.1f}) "
        f"| {later[0]:+.0f} ({later[1]:+.0f} to {later[2]:+.0f}) |"
    )


def chosen(wanted: str) -> list[str]:
    """The whole judge and the variants whose name contains `wanted`; exits if there are none."""
    names = [one.name for one in VARIANTS if wanted in one.name and one.name != WHOLE]
    if not names:
        known = ", ".join(one.name for one in VARIANTS[1:])
        sys.exit(f"JUDGES={wanted}: no variant has that in its name; there are {known}")
    return [WHOLE, *names]


def main() -> None:
    quick = os.environ.get("QUICK", "") not in ("", "0")
    names = chosen(os.environ.get("JUDGES") or "")
    work = partial(judge_world, names, EACH)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    records: list[Record] = []
    with multiprocessing.get_context("spawn").Pool() as pool:
        for done, found in enumerate(pool.imap(work, range(WORLDS // 5 if quick else WORLDS)), 1):
            records += found
            print(f"\r{done} worlds   ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    print("| judge | regime | F1 | good runs failed, pp | delay, s |\n|---|---|---|---|---|")
    document: dict[str, Any] = {"quick": quick}
    for name in names[1:]:
        for regime in REGIMES:
            sides = [
                [one for one in records if one.judge == judge and one.regime == regime]
                for judge in (WHOLE, name)
            ]
            found = effect(*sides)
            document[f"{name}, {regime}"] = asdict(found)
            print(line(name, regime, found))
    RESULTS.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
