"""`python -m bench.drift`: how often drift is rightly and wrongly taken for the cause.

Each pair: six hours of production, four accepted runs of a staging that was its mirror, and one run
of a staging in which something changed; judged with the facts, and without. Counts only pairs that
fail without them: PAIRS=n of each kind (the drift alone: five times as many), SEED=n.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from dataclasses import dataclass

import numpy as np

from anomalyd.model import Outcome
from anomalyd.replay import judge
from anomalyd.replay.infer import columns
from anomalyd.replay.intervals import clopper_pearson
from anomalyd.replay.production import fit_production
from anomalyd.replay.windows import width_of
from bench.drift.pairs import EDGES, KINDS, LOAD, STEP, Pair, draw, recorded

HISTORY = 1440
RUN = 64
ACCEPTED = 4
OFFSET = 0.03


@dataclass(frozen=True)
class Result:
    """failed, failed_blind: with the facts and without them. told: series that are explained."""

    pair: Pair
    failed: bool
    failed_blind: bool
    told: tuple[str, ...]


def run(pair: Pair, seed: int) -> Result:
    rng = np.random.default_rng([99, seed])
    hours = np.arange(HISTORY) / HISTORY * 6 * np.pi
    history = recorded(rng, pair.production, LOAD * np.exp(0.35 * np.sin(hours)), 0.0)
    accepted = [recorded(rng, pair.production, _loads(rng), OFFSET) for _ in range(ACCEPTED)]
    run = recorded(rng, pair.staging, _loads(rng), OFFSET)
    known = columns(history.headers, EDGES, {"cpu_cores": {"unit": "cores"}})
    width = width_of(STEP)
    baseline = fit_production(history, known, width)
    reference = judge.learn(known, baseline, width, accepted, EDGES)
    blind = judge.judge(reference, run, EDGES).verdict
    if blind.outcome is not Outcome.FAIL:
        return Result(pair, False, False, ())
    seen = judge.judge(reference, run, EDGES, facts=pair.facts).verdict
    told = tuple(f"{f.series}: {f.note}" for f in seen.findings if f.state == "explained")
    return Result(pair, seen.outcome is Outcome.FAIL, True, told)


def _loads(rng: np.random.Generator) -> np.ndarray:
    return LOAD * np.exp(0.03 * rng.standard_normal(RUN))


def main() -> int:
    each, first = int(os.environ.get("PAIRS") or "20"), int(os.environ.get("SEED") or "0")
    results = []
    for kind, seed in _order(each, first):
        one = run(draw(kind, seed), seed)
        results.append(one)
        said = "fails" if one.failed else "explained" if one.failed_blind else "does not fail"
        print(f"{len(results)} {kind} {seed}: {said}", file=sys.stderr, flush=True)
    print(table(results))
    if "-v" in sys.argv:
        for one in results:
            if one.failed_blind and one.failed == one.pair.true:
                print(one.pair.kind, one.pair.service, one.told)
    return 0


def _order(each: int, first: int) -> list[tuple[str, int]]:
    """Kinds by turns, so that what was done when it was interrupted says something of each."""
    return [
        (kind, first + turn * many + i)
        for turn in range(each)
        for kind in KINDS
        for many in [len(KINDS) - 1 if kind == KINDS[0] else 1]
        for i in range(many)
    ]


def table(results: list[Result]) -> str:
    lines = [
        "| pair | pairs | fail without facts | fail with facts | explained |",
        "|---|---|---|---|---|",
    ]
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    for one in results:
        of = counts[one.pair.kind]
        of["pairs"] += 1
        of["blind"] += one.failed_blind
        of["failed"] += one.failed and one.failed_blind
        of["explained"] += one.failed_blind and not one.failed
    for kind, of in counts.items():
        lines.append(
            f"| {kind} | {of['pairs']} | {of['blind']} | {of['failed']} | {of['explained']} |"
        )
    right, of_right = counts[KINDS[0]]["explained"], counts[KINDS[0]]["blind"]
    wrong = sum(counts[kind]["explained"] for kind in KINDS[1:])
    of_wrong = sum(counts[kind]["blind"] for kind in KINDS[1:])
    lines += [
        "",
        f"rightly explained {_share(right, of_right)}, wrongly excused {_share(wrong, of_wrong)}",
    ]
    return "\n".join(lines)


def _share(k: int, n: int) -> str:
    """With its exact 95% interval."""
    low, high = clopper_pearson(k, n) if n else (0.0, 1.0)
    return f"{k} of {n} ({k / max(n, 1):.1%}; {low:.1%} to {high:.1%})"


if __name__ == "__main__":
    raise SystemExit(main())
