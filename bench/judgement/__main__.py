"""`make bench-judgement`: judges scored on simulated test runs whose truth is known.

QUICK=1   a tenth of the worlds: no figure to quote
SEED=n    other worlds (1)
JUDGES=x  only the judges whose name contains x
Writes bench/judgement.json; exits 1 if a peer is better than a suite of any worth lets it be.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench.judgement.judges import ENTRANTS, Entrant
from bench.judgement.score import figures
from bench.judgement.suite import QUICK_WORLDS, REGIMES, WORLDS, Record, judge_world
from bench.judgement.table import Results, misses, render

RESULTS = Path(__file__).resolve().parent.parent / "judgement.json"
PEERS_AT_MOST = 0.75
"""F1 on a suite that is worth anything."""


def judge_all(seed: int, worlds: int, entrants: Sequence[Entrant]) -> list[Record]:
    """Every record, in the order of worlds, from one process per core; progress on stderr."""
    begun, records = time.monotonic(), []
    work = partial(judge_world, seed, entrants=tuple(entrants))
    with multiprocessing.get_context("spawn").Pool() as pool:
        for done, found in enumerate(pool.imap(work, range(worlds)), start=1):
            records += found
            seconds = time.monotonic() - begun
            left = seconds / done * (worlds - done)
            print(f"\r{done} of {worlds} worlds, {left:.0f} s left  ", end="", file=sys.stderr)
    print(file=sys.stderr)
    return records


def results_of(records: Sequence[Record], entrants: Sequence[Entrant]) -> Results:
    return {
        entrant.name: {
            regime: figures(
                [one for one in records if one.judge == entrant.name and one.regime == regime]
            )
            for regime in REGIMES
        }
        for entrant in entrants
    }


def too_good(results: Results, entrants: Sequence[Entrant]) -> list[str]:
    """Peers that reach more than the suite may let them."""
    return [
        f"{one.name} reaches an F1 of {results[one.name][regime]['f1'].value:.3f} ({regime})"
        for one in entrants
        for regime in REGIMES
        if one.peer and results[one.name][regime]["f1"].value > PEERS_AT_MOST
    ]


def short_of_target(results: Results, entrants: Sequence[Entrant]) -> list[str]:
    return [
        f"{one.name}, {regime}: {name}"
        for one in entrants
        if not one.peer
        for regime, named in results[one.name].items()
        for name, figure in named.items()
        if misses(name, regime, figure)
    ]


def document(results: Results, seed: int, worlds: int) -> dict[str, object]:
    judges = {
        judge: {
            regime: {name: figure.as_dict() for name, figure in named.items()}
            for regime, named in regimes.items()
        }
        for judge, regimes in results.items()
    }
    return {"quick": worlds < WORLDS, "seed": seed, "worlds": worlds, "judges": judges}


def main() -> None:
    quick = os.environ.get("QUICK", "") not in ("", "0")
    seed = int(os.environ.get("SEED") or 1)
    wanted = os.environ.get("JUDGES") or ""
    entrants = [one for one in ENTRANTS if wanted in one.name]
    if not entrants:
        sys.exit(f"JUDGES={wanted}: no such judge; there are {', '.join(o.name for o in ENTRANTS)}")
    worlds = QUICK_WORLDS if quick else WORLDS
    results = results_of(judge_all(seed, worlds, entrants), entrants)
    print(render(results))
    text = json.dumps(document(results, seed, worlds), indent=2, ensure_ascii=False)
    RESULTS.write_text(text + "\n", encoding="utf-8")
    for line in short_of_target(results, entrants):
        print(f"short of target: {line}")
    if faults := too_good(results, entrants):
        sys.exit("the suite does not count: " + "; ".join(faults))


if __name__ == "__main__":
    main()
