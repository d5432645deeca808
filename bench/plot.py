"""What it costs by the number of series: `python -m bench.plot [results.json]`, docs/rate.svg."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

PLOT = Path(__file__).resolve().parent.parent / "docs" / "rate.svg"
PANELS = (
    ("cpu", "CPU, % of a core"),
    ("memory", "resident set, MB"),
    ("lag.p50", "lag of a tick, median, ms"),
)
"""Which of a size's figures, and what its axis says."""
SIZES = {"k": 1_000, "M": 1_000_000}
OURS, PEER, LINEAR = "#0b6e4f", "#b5651d", "#999999"


def points(document: Mapping[str, Any], what: str) -> list[tuple[int, float, float]]:
    """(series, ours, the peer's) of `live.<size>.<what>`, by size."""
    found = []
    for figure in document["figures"]:
        named = re.fullmatch(rf"live\.(\d+)([kM])\.{re.escape(what)}", figure["name"])
        if named:
            series = int(named[1]) * SIZES[named[2]]
            found.append((series, float(figure["median"]), float(figure["peer"]["median"])))
    return sorted(found)


def draw(document: Mapping[str, Any], path: Path) -> None:
    """Raises ValueError where there are no sizes to compare."""
    mpl.rcParams["svg.hashsalt"] = "rate"
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    for axes, (what, label) in zip(figure.subplots(1, len(PANELS)), PANELS, strict=True):
        given = points(document, what)
        if len(given) < 2:
            raise ValueError(f"fewer than two sizes of live.*.{what}; run `make bench ARGS=live`")
        _panel(axes, given, label)
    figure.axes[0].legend(fontsize="small", frameon=False)
    figure.savefig(path, format="svg", metadata={"Date": None})


def _panel(axes: Axes, given: list[tuple[int, float, float]], label: str) -> None:
    series, ours, theirs = (list(column) for column in zip(*given, strict=True))
    axes.loglog(series, ours, "o-", color=OURS, label="anomalyd")
    axes.loglog(series, theirs, "s-", color=PEER, label="a Prometheus")
    at_last = [ours[-1] * one / series[-1] for one in series]
    axes.loglog(series, at_last, ":", color=LINEAR, label="in proportion")
    axes.set(xlabel="series pushed every 15 s", ylabel=label)
    axes.grid(alpha=0.3)


def main(arguments: list[str]) -> None:
    path = Path(arguments[0]) if arguments else Path(__file__).with_name("results.json")
    draw(json.loads(path.read_text(encoding="utf-8")), PLOT)
    print(f"{PLOT.relative_to(PLOT.parent.parent)} is drawn")


if __name__ == "__main__":
    main(sys.argv[1:])
