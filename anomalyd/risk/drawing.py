"""The reliability diagram as SVG. Its colours are the page's own text colour, light or dark."""

from __future__ import annotations

from anomalyd.risk.reliability import Bin, Curve

SIZE, LEFT, BOTTOM, ROOM = 300.0, 58.0, 40.0, 12.0
STEPS = (0, 20, 40, 60, 80, 100)


def document(svg: str) -> str:
    """A drawing as a file of its own."""
    return svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1) + "\n"


def diagram(curve: Curve, label: str) -> str:
    """An `<svg>`: what was said to the right, what was seen upwards, each bin with its interval; on
    the diagonal it keeps what it says. label: for those who do not see it."""
    width, height = LEFT + SIZE + ROOM, ROOM + SIZE + BOTTOM
    parts = [
        f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" '
        f'role="img" aria-label="{label}: {_words(curve)}" font-size="11" fill="currentColor" '
        'stroke="none">',
        *(line for step in STEPS for line in _tick(step)),
        _line(0, 0, 100, 100, 'stroke-dasharray="4 4" stroke-opacity=".6"'),
        *(mark for one in curve.bins for mark in _bin(one)),
        _text(LEFT + SIZE / 2, height - 4, "said: incidents in 100 releases"),
        _text(-(ROOM + SIZE / 2), 11, "had an incident", ' transform="rotate(-90)"'),
        "</svg>",
    ]
    return "".join(parts)


def _words(curve: Curve) -> str:
    return "; ".join(
        f"{one.said:.0f} said, {one.observed:.0f} seen of {one.count}" for one in curve.bins
    )


def _tick(step: int) -> tuple[str, ...]:
    x, y = _place(step, step)
    return (
        _line(0, step, 100, step, 'stroke-opacity=".18"'),
        _text(x, ROOM + SIZE + 15, str(step)),
        f'<text x="{LEFT - 6:g}" y="{y + 4:.1f}" text-anchor="end">{step}%</text>',
    )


def _bin(one: Bin) -> tuple[str, ...]:
    x, y = _place(one.said, one.observed)
    said = f"{one.said:.0f} said, {one.incidents} of {one.count} had an incident"
    return (
        _line(one.said, one.observed_low, one.said, one.observed_high, 'stroke-width="2"'),
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5"><title>{said}</title></circle>',
    )


def _line(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    (a, b), (c, d) = _place(x1, y1), _place(x2, y2)
    ends = f'x1="{a:.1f}" y1="{b:.1f}" x2="{c:.1f}" y2="{d:.1f}"'
    return f'<line {ends} stroke="currentColor" {style}/>'


def _text(x: float, y: float, text: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle"{more}>{text}</text>'


def _place(right: float, up: float) -> tuple[float, float]:
    return LEFT + right / 100 * SIZE, ROOM + SIZE - up / 100 * SIZE
