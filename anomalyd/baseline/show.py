"""A baseline, and the difference of two, as people read them and as plain JSON values."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from anomalyd.baseline.drift import sentences
from anomalyd.baseline.lookup import Lookup
from anomalyd.baseline.profile import LOAD_BINS, Baseline
from anomalyd.units import format_duration, rfc3339

SHIFT = 0.05
"""Relative change of a centre (of the median, where a profile is linear) worth telling."""

RATE_SHIFT = 0.005
NOISE_FACTOR = 1.5

_TIMES = ("start", "end", "created_at")

_PLACES = {"low": 0, "mid": LOAD_BINS // 2, "high": LOAD_BINS - 1}


def show(baseline: Baseline) -> dict[str, Any]:
    """What a baseline holds: where it came from, and a line per series at three loads.

    start, end, created_at: RFC 3339.
    """
    lookup, p = Lookup(baseline), baseline.profiles
    rows = np.arange(len(p.keys))
    usual, gaps = lookup.expected_present(rows)
    series: list[dict[str, Any]] = [
        {
            "series": key,
            "median": _number(p.median[row]),
            "noise": _number(p.noise[row]),
            "phi": _number(p.phi[row]),
            "present": _number(p.present[row]),
            "usual": bool(usual[row]),
            "longest_gap": _number(gaps[row]),
            "log": bool(p.logarithmic[row]),
        }
        for row, key in enumerate(p.keys)
    ]
    for name, place in _PLACES.items():
        load = math.exp(p.load_bins[place])
        found, rates = lookup.at(load, rows), lookup.rates(load, rows)[0]
        for row, line in enumerate(series):
            line[name] = {
                "load": _number(load) if baseline.meta.get("load_range") else None,
                "center": _number(found.center[row]),
                "low": _number(found.low[row]),
                "high": _number(found.high[row]),
                "rate": _number(rates[row]),
            }
    meta = baseline.meta
    return {
        **meta,
        **{name: rfc3339(meta[name]) for name in _TIMES if meta.get(name) is not None},
        "signals": dict(sorted(Counter(key.partition("{")[0] for key in p.keys).items())),
        "series": series,
    }


def render(shown: dict[str, Any]) -> str:
    """`show` as text: a head, then a table of series."""
    lines = [
        f"range     {_second(shown.get('start'))} to {_second(shown.get('end'))}, "
        f"{shown.get('windows', 0)} windows of {format_duration(shown.get('window', 0.0))} "
        f"every {format_duration(shown.get('step', 0.0))}, {shown.get('gaps', 0.0):.1%} missing",
        f"load      {_load(shown)}",
        f"series    {len(shown['series'])}: "
        + ", ".join(f"{name} {n}" for name, n in shown["signals"].items()),
    ]
    if shown.get("source"):
        lines.append("source    " + ", ".join(map(" ".join, sorted(shown["source"].items()))))
    for name, what in (("thin", "too few values"), ("duplicates", "more than once")):
        if shown.get(name):
            lines.append(f"{what}: {len(shown[name])}, as {shown[name][0]}")
    lines += [f"drift     {key}: {said}" for key, said in sentences(shown).items()]
    table = [("series", "median", "low load", "mid load", "high load", "noise", "phi", "present")]
    table += [
        (
            line["series"],
            _text(line["median"]),
            *(_band(line[place]) for place in _PLACES),
            _text(line["noise"]),
            f"{line['phi']:.2f}",
            f"{line['present']:.0%}",
        )
        for line in shown["series"]
    ]
    return "\n".join([*lines, "", *_columns(table)])


def diff(before: Baseline, after: Baseline, tolerate: float = SHIFT) -> dict[str, Any]:
    """What changed between two baselines, compared at three loads that both have seen.

    added, removed: keys. shifted: centres that moved by more than `tolerate`, largest first.
    noise: series whose noise changed by more than half. incomparable: why, where it applies.
    """
    old, new = Lookup(before), Lookup(after)
    known = set(before.profiles.keys)
    shared = [key for key in after.profiles.keys if key in known]
    rows_old, rows_new = old.match(shared), new.match(shared)
    shifted: dict[str, dict[str, Any]] = {}
    for load in _common_loads(before, after):
        a, b = old.at(load, rows_old), new.at(load, rows_new)
        rate_a, rate_b = old.rates(load, rows_old)[0], new.rates(load, rows_new)[0]
        for i, key in enumerate(shared):
            counted = bool(np.isfinite(rate_a[i]) and np.isfinite(rate_b[i]))
            was, now = (rate_a[i], rate_b[i]) if counted else (a.center[i], b.center[i])
            base = 1.0 if counted else max(abs(was), abs(before.profiles.median[rows_old[i]]))
            change = float(now - was) / float(base) if base else float(now != was)
            beyond = abs(change) > (RATE_SHIFT if counted else tolerate)
            if beyond and abs(change) > abs(shifted.get(key, {"change": 0.0})["change"]):
                shifted[key] = {
                    "series": key,
                    "load": _number(load),
                    "before": _number(was),
                    "after": _number(now),
                    "change": change,
                    "absolute": counted,
                }
    factor = after.profiles.noise[rows_new] / np.maximum(before.profiles.noise[rows_old], 1e-30)
    return {
        "added": sorted(set(after.profiles.keys) - known),
        "removed": sorted(known - set(after.profiles.keys)),
        "shifted": sorted(
            shifted.values(), key=lambda line: (-abs(line["change"]), line["series"])
        ),
        "noise": [
            {"series": key, "factor": _number(factor[i])}
            for i, key in enumerate(shared)
            if not 1 / NOISE_FACTOR <= factor[i] <= NOISE_FACTOR
        ],
        "incomparable": _incomparable(before, after),
    }


def render_diff(found: dict[str, Any]) -> str:
    """`diff` as text; says so when nothing changed."""
    lines = [f"not comparable: {why}" for why in found["incomparable"]]
    lines += [f"+ {key}" for key in found["added"]]
    lines += [f"- {key}" for key in found["removed"]]
    for line in found["shifted"]:
        size = f"{line['change'] * 100:+.2g} pp" if line["absolute"] else f"{line['change']:+.0%}"
        load = "" if line["load"] is None else f" at load {line['load']:.3g}"
        before, after = _text(line["before"]), _text(line["after"])
        lines.append(f"~ {line['series']}: {before} → {after} ({size}){load}")
    lines += [f"~ {line['series']}: noise × {line['factor']:.2g}" for line in found["noise"]]
    return "\n".join(lines) if lines else "no difference that matters"


def _common_loads(before: Baseline, after: Baseline) -> list[float]:
    ranges = [baseline.meta.get("load_range") for baseline in (before, after)]
    both = [baseline.meta.get("conditioned", True) for baseline in (before, after)]
    if not all(both) or None in ranges:
        return [math.nan]
    low, high = max(r[0] for r in ranges if r), min(r[1] for r in ranges if r)
    return [low, math.sqrt(low * high), high] if low < high else []


def _incomparable(before: Baseline, after: Baseline) -> list[str]:
    windows = [float(baseline.meta.get("window", math.nan)) for baseline in (before, after)]
    why = []
    if windows[0] != windows[1]:
        why.append(f"windows of {format_duration(windows[0])} and of {format_duration(windows[1])}")
    if not _common_loads(before, after):
        why.append("no load was seen in both ranges")
    return why


def _number(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None


def _text(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.4g}"


def _band(at: dict[str, float | None]) -> str:
    if at["rate"] is not None:
        return f"{at['rate']:.2%}"
    return f"{_text(at['center'])} ({_text(at['low'])} to {_text(at['high'])})"


def _second(time: str | None) -> str:
    """An RFC 3339 time without its fraction."""
    return "n/a" if time is None else time[:19] + "Z"


def _load(shown: dict[str, Any]) -> str:
    if shown.get("load_range") is None:
        return "not known; every series has one profile for all loads"
    low, high = shown["load_range"]
    constant = "" if shown.get("conditioned", True) else ", too constant to condition on"
    return f"{low:.4g} to {high:.4g} per second and unit of capacity{constant}"


def _columns(table: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in table
    ]
