"""One inline SVG per series by matplotlib. Only a short-lived rendering process imports this.

Colours are placeholders that become CSS variables, so that one drawing serves light and dark.
"""

from __future__ import annotations

import io
import math
import re
from typing import Any

import matplotlib as mpl
import numpy as np
from markupsafe import escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter

from anomalyd.model import Floats
from anomalyd.report import views
from anomalyd.report.axis import ticks
from anomalyd.report.document import Document
from anomalyd.units import rfc3339

_COLORS = {
    "#010101": "var(--ink-soft)",
    "#010102": "var(--line)",
    "#010103": "var(--observed)",
    "#010104": "var(--expected)",
    "#010105": "var(--band)",
    "#010106": "var(--incident)",
    "#010107": "var(--onset)",
    "#010108": "var(--phase-a)",
    "#010109": "var(--phase-b)",
}
_SOFT, _LINE, _OBSERVED, _EXPECTED, _BAND, _INCIDENT, _ONSET, _PHASE_A, _PHASE_B = _COLORS
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200)
_SIZE = (9.6, 3.0)
_LONGEST_UNIT = 18
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.size": 10.0,
    "text.color": _SOFT,
    "axes.edgecolor": _LINE,
    "axes.labelcolor": _SOFT,
    "xtick.color": _LINE,
    "ytick.color": _LINE,
    "xtick.labelcolor": _SOFT,
    "ytick.labelcolor": _SOFT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "grid.color": _LINE,
    "grid.linewidth": 0.6,
    "text.parse_math": False,
}


def plot(document: Document, series: Document, name: str) -> str:
    """An `<svg>` of one entry of the document's `series`; `name` makes its ids unique on a page.

    Equal documents give equal text. Nothing in it refers outside.
    """
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=_SIZE, facecolor="none")
        axes = figure.add_axes((0.085, 0.12, 0.905, 0.72), facecolor="none")
        _draw(axes, document, series)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return _inline(text.getvalue(), name, _label(document, series))


def _draw(axes: Axes, document: Document, series: Document) -> None:
    start = document["run"]["started_at"]["unix"]
    times = np.array(series["times"], np.float64) - start
    observed, expected, low, high = (
        np.array(series[key], np.float64) for key in ("observed", "expected", "low", "high")
    )
    left, right = _span(document, times)
    axes.set_xlim(left, right)
    axes.set_ylim(*_limits(observed, low, high, expected))
    axes.grid(axis="y")
    axes.tick_params(length=0, pad=7)
    axes.fill_between(times, low, high, color=_BAND, linewidth=0, zorder=1)
    axes.plot(times, expected, color=_EXPECTED, linewidth=1.3, linestyle=(0, (5, 3)), zorder=3)
    axes.plot(times, observed, color=_OBSERVED, linewidth=1.8, zorder=4)
    _alone(axes, times, observed)
    _incident(axes, document, series, start)
    _phases(axes, document, start)
    _ticks(axes, series, start)


def _alone(axes: Axes, times: Floats, observed: Floats) -> None:
    """A value between two gaps has no line to it; it gets a dot."""
    known = np.concatenate(([False], np.isfinite(observed), [False]))
    alone = known[1:-1] & ~known[:-2] & ~known[2:]
    if alone.any():
        axes.plot(times[alone], observed[alone], ".", color=_OBSERVED, markersize=5, zorder=4)


def _span(document: Document, times: Floats) -> tuple[float, float]:
    """The run's own span, the same for all plots of a report, so that they can be compared."""
    ends = [float(document["run"]["duration_seconds"] or 0.0)]
    ends += [float(times[-1])] if len(times) else []
    starts = [0.0, float(times[0])] if len(times) else [0.0]
    left, right = min(starts), max(ends)
    return left, right if right > left else left + 1


def _limits(*values: Floats) -> tuple[float, float]:
    known = np.concatenate(values)
    known = known[np.isfinite(known)]
    if not len(known):
        return 0.0, 1.0
    bottom, top = float(known.min()), float(known.max())
    if bottom >= 0 and bottom < 0.6 * top:
        bottom = 0.0
    room = (top - bottom) or abs(top) or 1.0
    return bottom - (0.06 * room if bottom else 0.0), top + 0.08 * room


def _incident(axes: Axes, document: Document, series: Document, start: float) -> None:
    found = views.anomaly_of(document, series["series"])
    if found is None:
        return
    anomaly = found[1]
    _, right = axes.get_xlim()
    began = anomaly["started_at"]["unix"] - start
    ended = anomaly["resolved_at"]["unix"] - start if anomaly["resolved_at"] else right
    axes.axvspan(began, ended, color=_INCIDENT, linewidth=0, zorder=0)
    axes.axvline(began, color=_ONSET, linewidth=1.4, zorder=5)
    late = began > 0.75 * right
    axes.annotate(
        f"onset {views.clock(anomaly['started_at'])}",
        (began, 0.97),
        (-5 if late else 5, 0),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        ha="right" if late else "left",
        va="top",
        color=_ONSET,
        fontweight="bold",
        zorder=6,
    )
    fired = anomaly["fired_at"]["unix"] - start
    axes.axvline(fired, color=_ONSET, linewidth=1.0, linestyle=(0, (1, 2)), zorder=5)


def _phases(axes: Axes, document: Document, start: float) -> None:
    """A strip above the plot, one cell per phase, named where the name fits."""
    above = axes.get_xaxis_transform()
    left, right = axes.get_xlim()
    for number, phase in enumerate(document["phases"]):
        begin = max(left, phase["start"]["unix"] - start)
        end = min(right, phase["end"]["unix"] - start)
        if end <= begin:
            continue
        shade = _PHASE_B if number % 2 else _PHASE_A
        axes.fill_between(
            [begin, end], 1.05, 1.17, color=shade, linewidth=0, transform=above, clip_on=False
        )
        if (end - begin) / (right - left) * 95 > len(phase["kind"]) + 1:
            axes.text(
                (begin + end) / 2,
                1.105,
                phase["kind"],
                transform=above,
                ha="center",
                va="center",
                fontsize=9,
            )


def _ticks(axes: Axes, series: Document, start: float) -> None:
    left, right = axes.get_xlim()
    step = next((step for step in _STEPS if (right - left) / step <= 8), 86400)
    first = math.ceil((start + left) / step) * step
    axes.xaxis.set_major_locator(
        FixedLocator([float(t) - start for t in range(first, math.ceil(start + right), step)])
    )
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda second, _: rfc3339(start + second)[11 : 19 if step < 60 else 16])
    )
    bottom, top = axes.get_ylim()
    marks, unit = ticks(bottom, top, series["unit"])
    axes.set_yticks([v for v, _ in marks], [label for _, label in marks])
    axes.set_ylim(bottom, top)
    if unit and axes.figure:
        axes.figure.text(0.003, 0.915, unit[:_LONGEST_UNIT], va="center", fontsize=9)


def _label(document: Document, series: Document) -> str:
    """What the plot shows, in words, for those who do not see it."""
    known = [value for value in series["observed"] if value is not None]
    if not known:
        return f"{series['series']}: no values"
    low, high = (views.value(value, series["unit"]) for value in (min(known), max(known)))
    found = views.anomaly_of(document, series["series"])
    onset = f"; worse from {views.clock(found[1]['started_at'])} UTC on" if found else ""
    return f"{series['series']} over the run: from {low} to {high}{onset}"


_HEAD = re.compile(r"\A.*?(?=<svg)", re.S)
_METADATA = re.compile(r"\s*(?:<metadata>.*?</metadata>|<defs>\s*<style.*?</defs>)", re.S)
_OPENING = re.compile(r"<svg[^>]*?(viewBox=\"[^\"]*\")[^>]*>", re.S)
_FONT = re.compile(r"font: (?:(bold|\d+) )?([\d.]+)px [^;\"]*|font-family: [^;\"]*;? ?")
_DECIMALS = re.compile(r"(\d+\.\d)\d+")


def _inline(svg: str, name: str, label: str) -> str:
    """The drawing as part of a page: no prologue, no font of its own, ids under `name`."""
    text = _METADATA.sub("", _HEAD.sub("", svg, count=1)).replace("xlink:href", "href")
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r"(url\(|href=\")#", rf"\1#{name}-", text)
    text = _DECIMALS.sub(r"\1", _FONT.sub(_sized, text))
    for placeholder, variable in _COLORS.items():
        text = text.replace(placeholder, variable)
    spoken = escape(label)
    text = _OPENING.sub(
        lambda found: f'<svg {found[1]} role="img" aria-label="{spoken}">', text, count=1
    )
    return text.strip()


def _sized(found: re.Match[str]) -> str:
    if not found[2]:
        return ""
    return f"font-size: {found[2]}px" + (f"; font-weight: {found[1]}" if found[1] else "")
