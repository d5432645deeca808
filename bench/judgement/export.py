"""Writes simulated worlds as wide CSVs, for the command line to be tried on.

python -m bench.judgement.export DIR --worlds 3 --runs 10
DIR/world_K has prod.csv, accepted_K.csv, run_K.csv, edges.csv (caller,callee) and truth.json.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from bench.judgement.production import production
from bench.judgement.records import Recording
from bench.judgement.staging import RUNS, run
from bench.judgement.world import draw

TURNS = ("good", "bad", "good", "bad", "broken")
"""Parts of the suite that the runs are taken from."""


def export(folder: Path, worlds: int, runs: int, seed: int) -> None:
    for index in range(worlds):
        world = draw(seed, index)
        place = folder / f"world_{index}"
        place.mkdir(parents=True, exist_ok=True)
        write(place / "prod.csv", production(world))
        for k in range(RUNS["accepted"]):
            write(place / f"accepted_{k}.csv", run(world, "accepted", k).recording)
        made = [run(world, TURNS[k % len(TURNS)], k) for k in range(runs)]
        for k, one in enumerate(made):
            write(place / f"run_{k}.csv", one.recording)
        truth = {f"run_{k}.csv": asdict(one.truth) for k, one in enumerate(made)}
        (place / "truth.json").write_text(json.dumps(truth, indent=2) + "\n", encoding="utf-8")
        _table(place / "edges.csv", ("caller", "callee"), world.named_edges)


def write(path: Path, recording: Recording) -> None:
    """Wide CSV: `time` in unix seconds, then a column per series; absent is an empty cell."""
    rows = (
        [f"{time:.3f}", *("" if value != value else f"{value:.9g}" for value in values)]
        for time, values in zip(recording.times, recording.values.tolist(), strict=True)
    )
    _table(path, ("time", *recording.headers), rows)


def _table(path: Path, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(head)
        lines.writerows(rows)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.judgement.export")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--worlds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    export(given.folder, given.worlds, given.runs, given.seed)


if __name__ == "__main__":
    main()
