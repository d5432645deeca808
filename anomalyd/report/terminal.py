"""What `anomalyd watch` prints at the end, for a terminal or a CI log."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from anomalyd.report import advice, deployed, enriched, release, views
from anomalyd.report.document import Document

_SIGNS = {"pass": "✓", "fail": "✗", "inconclusive": "?", "invalid": "!"}
_COLORS = {"pass": "30;42", "fail": "97;41", "inconclusive": "30;43", "invalid": "97;45"}
_BOLD, _DIM, _RED = "1", "2", "31"
_ROWS = 10
_LISTED = 5
_TRACES = 3
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def terminal(document: Document, color: bool, paths: Sequence[Path] = ()) -> str:
    """The verdict and its reasons as text; with `color`, ANSI escapes mark what matters.

    `paths`: where the reports lie. Control characters in values from outside become `?`.
    """
    ink = _Ink(color)
    blocks = [
        _banner(document, ink),
        "\n".join(f"  {_safe(reason)}" for reason in document["verdict"]["reasons"]),
        _deciding(document, ink),
        _suspects(document, ink),
        _shape(document, ink),
        _section(views.NOTES, [_safe(note) for note in document["run"]["notes"]], ink),
        _coverage(document),
        _risk(document, ink),
        _deployment(document, ink),
        _drift(document, ink),
        _section("Next", [_safe(step) for step in advice.next_steps(document)], ink),
        _section("Reports", [str(path) for path in paths], ink),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


class _Ink:
    """Wraps text in ANSI escapes, or leaves it as it is."""

    def __init__(self, color: bool) -> None:
        self._color = color

    def __call__(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._color else text


def _banner(document: Document, ink: _Ink) -> str:
    outcome = document["verdict"]["outcome"]
    word = ink(f" {_SIGNS[outcome]} {views.WORDS[outcome]} ", _COLORS[outcome])
    shadow = " (shadow mode: exits 0)" if document["verdict"]["shadow"] else ""
    run = f"{document['run']['name']} · {views.duration(document)} · {document['run']['id']}"
    return f"{word}{shadow} {ink(advice.headline(document), _BOLD)}\n  {ink(_safe(run), _DIM)}"


def _deciding(document: Document, ink: _Ink) -> str:
    fired = views.deciding(document)
    if not fired:
        return ""
    head = ("WORSE", "OBSERVED", "EXPECTED", "EFFECT", "PASSES WITH")
    rows = [
        (
            _safe(finding["series"]),
            views.observed(finding),
            views.band(finding) + ("*" if finding["extrapolated"] else ""),
            views.effect(finding),
            views.passes_if(finding),
        )
        for finding in fired[:_ROWS]
    ]
    table = _columns([head, *rows], ink)
    if len(fired) > _ROWS:
        table += f"\n  and {len(fired) - _ROWS} more"
    if any(finding["extrapolated"] for finding in fired[:_ROWS]):
        table += "\n  * production was never seen at this load: extrapolated"
    return table


def _columns(rows: Sequence[Sequence[str]], ink: _Ink) -> str:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = []
    for number, row in enumerate(rows):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        cells[-1] = cells[-1].rstrip()
        if number == 0:
            cells = [ink(cell, _DIM) for cell in cells]
        else:
            cells[1] = ink(cells[1], _RED)
        lines.append("  " + "  ".join(cells))
    return "\n".join(lines)


def _suspects(document: Document, ink: _Ink) -> str:
    lines = []
    for incident in document["incidents"]:
        lines.append(f"{views.clock(incident['started_at'])} UTC  {_safe(incident['summary'])}")
        lines += [
            f"  {one['score'] or 0:4.0%}  {_safe(one['service'])}: {_safe(one['reason'])}"
            for one in incident["suspects"][:3]
        ]
        lines += [f"  {_safe(line)}" for line in enriched.shown(incident, _TRACES)]
    return _section("Where it began", lines, ink)


def _shape(document: Document, ink: _Ink) -> str:
    found = document.get("shape", [])
    more = [f"and {len(found) - _LISTED} more"] if len(found) > _LISTED else []
    lines = [_safe(views.shape_line(change)) for change in found[:_LISTED]]
    return _section("Shape of the traces", [*lines, *more], ink)


def _coverage(document: Document) -> str:
    lines = [f"  Coverage: {views.coverage_line(document)}"]
    unseen = views.not_seen(document)
    if unseen:
        lines.append(f"  Not seen: {unseen}.")
    missing = document["coverage"]["missing"]
    lines += [f"    missing {_safe(series)}" for series in missing[:_LISTED]]
    if len(missing) > _LISTED:
        lines.append(f"    and {len(missing) - _LISTED} more")
    return "\n".join(lines)


def _risk(document: Document, ink: _Ink) -> str:
    found = release.terms(document)
    lines = [f"{one['points']:5.1f}  {_safe(release.reason(one))}" for one in found[:_LISTED]]
    more = [f"and {len(found) - _LISTED} more"] if len(found) > _LISTED else []
    return _section(f"Release risk: {release.line(document)}", [*lines, *more], ink)


def _drift(document: Document, ink: _Ink) -> str:
    found = views.drift(document)
    more = [f"and {len(found) - _LISTED} more"] if len(found) > _LISTED else []
    lines = [*map(_safe, found[:_LISTED]), *more]
    return _section("Staging differs from production", lines, ink)


def _deployment(document: Document, ink: _Ink) -> str:
    found = deployed.telling(document)
    more = [f"and {len(found) - _ROWS} more"] if len(found) > _ROWS else []
    lines = [_safe(deployed.sentence(check)) for check in found[:_ROWS]]
    return _section("Deployment", [*lines, *more], ink)


def _section(title: str, lines: Iterable[str], ink: _Ink) -> str:
    body = [f"    {line}" for line in lines]
    return "\n".join([f"  {ink(title, _BOLD)}", *body]) if body else ""


def _safe(text: str) -> str:
    return _UNPRINTABLE.sub("?", text)
