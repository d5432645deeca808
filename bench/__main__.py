"""Runs the benches and writes bench/results.json; QUICK=1 for a smoke run."""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

from anomalyd import __version__
from bench.measure import Figure, machine

BENCHES = (
    "bank",
    "tick",
    "replay",
    "exposition",
    "instant",
    "evaluate",
    "whole",
    "push",
    "live",
    "spans",
    "points",
    "history",
    "promql",
    "rolling",
    "startup",
    "memory",
)
"""Modules of this package, each with `run(quick) -> Iterator[Figure]`; imported when they run."""

RESULTS = Path(__file__).with_name("results.json")


def run(names: Sequence[str], *, quick: bool, results: Path) -> list[Figure]:
    """Run benches by name, print a line per figure, write all of them to `results`."""
    here = machine()
    print(", ".join(f"{key} {value}" for key, value in here.items()), flush=True)
    if quick:
        print("QUICK: small inputs and few repeats, to see that it runs; no figure to quote")
    figures: list[Figure] = []
    for name in names:
        for figure in importlib.import_module(f"bench.{name}").run(quick):
            print(figure.line(), flush=True)
            figures.append(figure)
        gc.collect()
        gc.freeze()  # what this bench leaves must not be walked through during the next
    document = {
        "anomalyd": __version__,
        "quick": quick,
        "machine": here,
        "figures": [figure.as_dict() for figure in figures],
    }
    results.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(BENCHES))
    parser.add_argument("--results", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    unknown = set(chosen.names) - set(BENCHES)
    if unknown:
        parser.error(f"no bench {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}")
    quick = os.environ.get("QUICK", "") not in ("", "0")
    run(chosen.names or BENCHES, quick=quick, results=chosen.results)


if __name__ == "__main__":
    main()
