"""`make bench-rca`: how often the ranking of suspects names the service that began an incident.

DATA=folder       where the labelled incidents are; bench/README.md says how they are laid out
QUICK=1           one hash seed instead of five
Writes bench/rca.json. Exits 1 where the rankings differ between hash seeds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from anomalyd.explain.graph import Graph
from anomalyd.explain.shifts import signs
from anomalyd.explain.suspects import explain
from bench.rca import configuration, peers
from bench.rca.cases import Case, DataError
from bench.rca.load import cases
from bench.rca.score import Answered, top
from bench.rca.table import lines

DEFAULT_DATA = "../shared/data"
RESULTS = Path(__file__).resolve().parent.parent / "rca.json"
SEEDS = range(5)
ONCE = "--rank"
"""Ranks in this process and prints the answers as JSON."""


def anomalyd(case: Case) -> tuple[list[str], str]:
    found = explain(signs(case.world.series, case.spell), Graph(case.world.calls))
    return [suspect.service for suspect in found.suspects], found.abstained


def from_metrics(case: Case) -> tuple[list[str], str]:
    """Without what spans alone can tell."""
    plain = [one for one in case.world.series if not one.own]
    return anomalyd(replace(case, world=replace(case.world, series=plain)))


RANKINGS: Mapping[str, Callable[[Case], tuple[list[str], str]]] = {
    "anomalyd": anomalyd,
    "anomalyd, metrics alone": from_metrics,
    "largest z": lambda case: (peers.largest_z(case), ""),
    "deepest anomalous": lambda case: (peers.deepest_anomalous(case), ""),
}


def ranked(data: Path) -> dict[str, list[Answered]]:
    """By ranking, what it says of each case; every second case of a set is held out."""
    answers: dict[str, list[Answered]] = {name: [] for name in RANKINGS}
    seen: dict[str, int] = {}
    for case in cases(data):
        seen[case.set] = seen.get(case.set, 0) + 1
        for name, rank in RANKINGS.items():
            ranking, abstained = rank(case)
            answers[name].append(
                Answered(
                    case.set,
                    case.name,
                    case.kind,
                    case.answer,
                    tuple(ranking),
                    seen[case.set] % 2 == 0,
                    abstained,
                )
            )
    return answers


def with_seed(seed: int) -> str:
    """The answers of a fresh process with this hash seed, as JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.rca", ONCE],
        env={**os.environ, "PYTHONHASHSEED": str(seed)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(done.stderr.strip().splitlines()[-1] if done.stderr else "bench.rca failed")
    return done.stdout


def document(answers: Mapping[str, Sequence[Answered]], seeds: int, same: bool) -> dict[str, Any]:
    """Everything that the table and the accuracy page show."""
    sets = list(dict.fromkeys(one.set for one in answers["anomalyd"]))
    figures = [
        {
            "set": set_name,
            "ranking": name,
            "part": part,
            "top1": top(kept, 1).as_dict(),
            "top3": top(kept, 3).as_dict(),
            "abstained": sum(bool(one.abstained) for one in kept),
        }
        for set_name in sets
        for name, found in answers.items()
        for part in ("all", "held out")
        if (kept := [a for a in found if a.set == set_name and (part == "all" or a.held_out)])
    ]
    current = configuration.current()["hash"]
    return {
        "configuration": current,
        "committed": current == configuration.committed()["hash"],
        "hash_seeds": seeds,
        "identical": same,
        "figures": figures,
        "cases": [{**asdict(one), "place": one.place} for one in answers["anomalyd"]],
    }


def main() -> None:
    data = Path(os.environ.get("DATA") or DEFAULT_DATA)
    if ONCE in sys.argv:
        try:
            answers = ranked(data)
        except DataError as error:
            sys.exit(str(error))
        print(json.dumps({name: [asdict(one) for one in a] for name, a in answers.items()}))
        return
    quick = os.environ.get("QUICK", "") not in ("", "0")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        printed = list(pool.map(with_seed, SEEDS[: 1 if quick else None]))
    answers = {
        name: [Answered(**{**one, "ranking": tuple(one["ranking"])}) for one in found]
        for name, found in json.loads(printed[0]).items()
    }
    same = len(set(printed)) == 1
    made = document(answers, len(printed), same)
    print("\n".join(lines(made)))
    RESULTS.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
    if not same:
        sys.exit("the rankings differ between hash seeds")


if __name__ == "__main__":
    main()
