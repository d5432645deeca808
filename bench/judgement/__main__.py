"""`make bench-judgement`: judges scored on simulated test runs whose truth is known.

QUICK=1         a tenth of the worlds: no figure to quote
SEED=n          other worlds (1)
WORLDS=n        so many worlds (100)
JUDGES=x        only the judges whose name contains x
ABLATION=1      what each detector and mechanism adds instead (bench/judgement/ablation.py)
RECORDS=file    also every decision beside its truth, a line of JSON each
Writes bench/judgement.json; exits 1 if a peer is better than a suite of any worth lets it be.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from bench.judgement import ablation
from bench.judgement.judges import ENTRANTS, Entrant
from bench.judgement.score import figures
from bench.judgement.suite import QUICK_WORLDS, REGIMES, WORLDS, Record, judge_world
from bench.judgement.table import TARGETS, Results, misses, render

RESULTS = Path(__file__).resolve().parent.parent / "judgement.json"
PEERS_AT_MOST = 0.75
"""F1 on a suite that is worth anything."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the environment asks for."""

    seed: int
    worlds: int
    entrants: Sequence[Entrant]
    records: Path | None


def asked() -> Asked:
    quick = os.environ.get("QUICK", "") not in ("", "0")
    wanted = os.environ.get("JUDGES") or ""
    entrants = [one for one in ENTRANTS if wanted in one.name]
    if not entrants:
        names = ", ".join(one.name for one in ENTRANTS)
        sys.exit(f"JUDGES={wanted}: no judge has that in its name; there are {names}")
    path = os.environ.get("RECORDS")
    return Asked(
        seed=_number("SEED", 1),
        worlds=_number("WORLDS", QUICK_WORLDS if quick else WORLDS),
        entrants=entrants,
        records=Path(path) if path else None,
    )


def _number(name: str, otherwise: int) -> int:
    text = os.environ.get(name) or str(otherwise)
    if not text.isdecimal() or not int(text):
        sys.exit(f"{name}={text}: give a whole number from 1 on")
    return int(text)


def judge_all(given: Asked) -> list[Record]:
    """Every record, in the order of worlds, from one process per core; progress on stderr."""
    begun, records = time.monotonic(), []
    work = partial(judge_world, given.seed, entrants=tuple(given.entrants))
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with multiprocessing.get_context("spawn").Pool() as pool:
        for done, found in enumerate(pool.imap(work, range(given.worlds)), start=1):
            records += found
            left = (time.monotonic() - begun) / done * (given.worlds - done)
            line = f"\r{done} of {given.worlds} worlds, {left:.0f} s left   "
            print(line, end="", file=sys.stderr, flush=True)
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
    """What is worse than asked; of a judge that must break the budget, where it keeps it."""
    return [
        f"{one.name}, {regime}: {name}"
        for one in entrants
        if not one.peer
        for regime, named in results[one.name].items()
        for name, figure in named.items()
        if name in TARGETS and misses(name, regime, figure) != one.breaks
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


def write_records(path: Path, records: Sequence[Record]) -> None:
    lines = (json.dumps(asdict(one), ensure_ascii=False) for one in records)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    if os.environ.get("ABLATION", "") not in ("", "0"):
        ablation.main()
        return
    given = asked()
    records = judge_all(given)
    if given.records is not None:
        write_records(given.records, records)
    results = results_of(records, given.entrants)
    print(render(results))
    text = json.dumps(document(results, given.seed, given.worlds), indent=2, ensure_ascii=False)
    RESULTS.write_text(text + "\n", encoding="utf-8")
    for line in short_of_target(results, given.entrants):
        print(f"short of target: {line}")
    if faults := too_good(results, given.entrants):
        sys.exit("the suite does not count: " + "; ".join(faults))


if __name__ == "__main__":
    main()
