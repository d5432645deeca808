"""What differs, for a terminal, as Markdown and as JSON."""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Sequence
from typing import Any

from anomalyd.facts import Fact
from anomalyd.parity.difference import Difference
from anomalyd.parity.differences import Parity

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_MEANING = re.compile(r"[&<>|`*_\[\]\\~$@#^]")
_NOTHING = "(none)"
LONGEST = 160


def as_json(parity: Parity) -> dict[str, Any]:
    """`{"drift": n, "equal": n, "differences": […], "notes": […], "expired": […]}`."""
    return {
        "drift": len(parity.drift),
        "equal": parity.equal,
        "differences": [_row(row) for row in parity.differences],
        "notes": list(parity.notes),
        "expired": list(parity.expired),
    }


def _row(row: Difference) -> dict[str, Any]:
    return {
        "kind": row.kind.name,
        "place": row.place,
        "service": row.service,
        "severity": row.severity,
        "rank": round(row.rank, 2),
        "state": row.state,
        "reason": row.reason,
        "staging": _fact(row.staging),
        "production": _fact(row.production),
        "detail": row.detail,
        "mend": row.kind.mend,
    }


def _fact(fact: Fact | None) -> dict[str, Any] | None:
    if fact is None:
        return None
    number = fact.number if math.isfinite(fact.number) else None
    return {"value": fact.value, "number": number, "found": fact.found}


def terminal(parity: Parity, width: int | None = None) -> str:
    """A table of what differs, worst first; below each row where both values were found and what
    to do."""
    rows = parity.drift
    lines = [_line(_HEAD, _widths(rows, width))] if rows else []
    for row in rows:
        lines.append(_line(_cells(row), _widths(rows, width)))
        lines += [f"        {line}" for line in _evidence(row)]
    return "\n".join([*lines, *([""] if lines else []), *_summary(parity)]) + "\n"


_HEAD = ("", "kind", "place", "staging", "production")


def _cells(row: Difference) -> tuple[str, ...]:
    return (
        row.severity,
        row.kind.name,
        _safe(row.place),
        _safe(row.staging.value if row.staging else _NOTHING),
        _safe(row.production.value if row.production else _NOTHING),
    )


def _widths(rows: Sequence[Difference], width: int | None) -> list[int]:
    """Of the columns; place and values share what there is."""
    whole = width or max(80, shutil.get_terminal_size((120, 24)).columns)
    cells = [_HEAD, *map(_cells, rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(_HEAD))]
    free = max(30, whole - widths[0] - widths[1] - 8)
    widths[2] = min(widths[2], free // 2)
    widths[3] = min(widths[3], max(12, (free - widths[2]) // 2))
    return widths


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    """A cell that is too long for its column pushes the others on rather than lose its end."""
    padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)]
    return "  ".join(padded).rstrip()


def _evidence(row: Difference) -> list[str]:
    found = [
        f"{name}: {_safe(fact.found)}"
        for name, fact in (("staging", row.staging), ("production", row.production))
        if fact is not None
    ]
    if row.staging and row.production and row.staging.found == row.production.found:
        found = [f"both: {_safe(row.staging.found)}"]
    detail = [_safe(row.detail)] if row.detail else []
    return [*detail, *found, f"do: {row.kind.mend}"]


def _summary(parity: Parity) -> list[str]:
    lines = [headline(parity)]
    for row in parity.differences:
        if row not in parity.drift:
            lines.append(f"  {row.state}: {row.kind.name} {_safe(row.place)}: {_safe(row.reason)}")
    lines += [f"  note: {_safe(note)}" for note in parity.notes]
    lines += [f"  counts no longer, its time is up: {_safe(rule)}" for rule in parity.expired]
    return lines


NOTHING = (
    "there is nothing to compare: neither side tells a single fact; name directories that hold "
    "settings, or servers that have metrics"
)


def headline(parity: Parity) -> str:
    """`3 differences among 512 facts; 2 more are expected, 1 is ignored`."""
    drift = len(parity.drift)
    said = "no difference" if not drift else f"{drift} difference{'s' if drift > 1 else ''}"
    rest = [row.state for row in parity.differences if row not in parity.drift]
    more = [f"{rest.count(state)} {state}" for state in ("expected", "ignored") if state in rest]
    tail = f"; beside them {' and '.join(more)}" if more else ""
    return f"{said}, {parity.equal} facts are equal{tail}"


def markdown(parity: Parity) -> str:
    """The same as a Markdown table, for a comment or a page."""
    lines = [f"### Staging against production: {headline(parity)}"]
    if parity.drift:
        lines += [
            "",
            "| | kind | place | staging | production | what to do |",
            "|---|---|---|---|---|---|",
        ]
    for row in parity.drift:
        sides = [_cell(row.staging), _cell(row.production)]
        place = _code(row.place) + (f" ({_escaped(row.detail)})" if row.detail else "")
        lines.append(
            f"| {row.severity} | {row.kind.name} | {place} | {sides[0]} | {sides[1]} | "
            f"{_escaped(row.kind.mend)} |"
        )
    rest = [_escaped(line.strip()) for line in _summary(parity)[1:]]
    return "\n".join([*lines, *([""] if rest else []), *(f"- {line}" for line in rest)]) + "\n"


def _cell(fact: Fact | None) -> str:
    if fact is None:
        return "none"
    return f"{_code(fact.value)}<br><sub>{_code(fact.found)}</sub>"


def _code(text: str) -> str:
    return f"<code>{_escaped(text)}</code>"


def _escaped(text: str) -> str:
    """Without markup, mentions and references (CommonMark 0.31, section 2.5)."""
    return _MEANING.sub(lambda found: f"&#{ord(found[0])};", _safe(text))


def _safe(text: str) -> str:
    flat = _UNPRINTABLE.sub("?", " ".join(text.split()))
    return flat if len(flat) <= LONGEST else flat[: LONGEST - 1] + "…"
