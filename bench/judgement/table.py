"""The figures as a table: a row per figure, judges side by side, targets beside them."""

from __future__ import annotations

from collections.abc import Sequence

from bench.judgement.score import Figure
from bench.judgement.suite import REGIMES

TARGETS: dict[str, tuple[str, dict[str, float]]] = {
    "f1": (">=", {"calibrated": 0.95, "first": 0.90}),
    "f1 without shifts inside the spread": (">=", {"first": 0.94}),
    "good failed": ("<=", {"calibrated": 0.005, "first": 0.005}),
    "good inconclusive": ("<=", {"calibrated": 0.05, "first": 0.10}),
    "recall 10-20%": (">=", {"calibrated": 0.65, "first": 0.55}),
    "recall 20-40%": (">=", {"calibrated": 0.85, "first": 0.70}),
    "delay median": ("<=", {"calibrated": 60.0, "first": 65.0}),
    "delay p90": ("<=", {"calibrated": 150.0, "first": 180.0}),
    "whole-run delay median": ("<=", {"calibrated": 180.0, "first": 300.0}),
    "root top-1": (">=", {"calibrated": 0.95, "first": 0.93}),
    "root top-3": (">=", {"calibrated": 0.98, "first": 0.98}),
    "broken invalid": (">=", {"calibrated": 0.98, "first": 0.98}),
    "healthy invalid": ("<=", {"calibrated": 0.01, "first": 0.01}),
    "boundary failed": ("<=", {"calibrated": 0.01, "first": 0.01}),
}
UPPER_BOUND = {"good failed": 0.01}
"""What the upper end of a figure's interval may be."""
Results = dict[str, dict[str, dict[str, Figure]]]
"""judge -> regime -> name -> figure."""


def cell(name: str, figure: Figure | None) -> str:
    if figure is None:
        return "–"
    if "delay" in name:
        return f"{figure.value:.0f} s ({figure.low:.0f}–{figure.high:.0f})"
    if name == "cpu seconds":
        return f"{1000 * figure.value:.1f} ms"
    if name.startswith("f1"):
        return f"{figure.value:.3f} ({figure.low:.3f}–{figure.high:.3f})"
    low, high = 100 * figure.low, 100 * figure.high
    return f"{100 * figure.value:.1f}% ({low:.1f}–{high:.1f}) {figure.hits}/{figure.n}"


def target(name: str, regime: str) -> str:
    sign, limits = TARGETS.get(name, ("", {}))
    return f"{sign} {limits[regime]:g}" if regime in limits else ""


def misses(name: str, regime: str, figure: Figure) -> bool:
    """Whether a figure with a target is short of it."""
    sign, limits = TARGETS.get(name, ("", {}))
    if regime not in limits:
        return False
    short = figure.value < limits[regime] if sign == ">=" else figure.value > limits[regime]
    return short or figure.high > UPPER_BOUND.get(name, float("inf"))


def render(results: Results) -> str:
    """Markdown: a table per regime."""
    return "\n\n".join(_table(results, regime) for regime in REGIMES)


def _table(results: Results, regime: str) -> str:
    judges = list(results)
    names = list(dict.fromkeys(name for one in judges for name in results[one][regime]))
    rows = [[name, target(name, regime), *_cells(results, judges, regime, name)] for name in names]
    head = [regime, "target", *judges]
    widths = [max(len(row[k]) for row in [head, *rows]) for k in range(len(head))]
    lines = [_line(row, widths) for row in (head, ["-" * width for width in widths], *rows)]
    return "\n".join(lines)


def _cells(results: Results, judges: Sequence[str], regime: str, name: str) -> list[str]:
    return [cell(name, results[judge][regime].get(name)) for judge in judges]


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    padded = (text.ljust(width) for text, width in zip(row, widths, strict=True))
    return f"| {' | '.join(padded)} |"
