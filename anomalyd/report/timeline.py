"""Where phases, incidents, worse series and telemetry faults lie in the run, in percent of it."""

from __future__ import annotations

from dataclasses import dataclass

from anomalyd.report import views
from anomalyd.report.document import Document
from anomalyd.units import rfc3339

_MOST = 20


@dataclass(frozen=True, slots=True)
class Bar:
    """left and width in percent of the run. kind: phase, incident, series or fault."""

    kind: str
    text: str
    left: float
    width: float
    title: str


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    bars: tuple[Bar, ...]


def timeline(document: Document) -> list[Row]:
    """One row for the phases, one per incident, per worse series and per telemetry fault."""
    scale = _Scale(document)
    rows = [
        Row(
            "load",
            tuple(scale.bar("phase", p["kind"], p["start"], p["end"]) for p in document["phases"]),
        )
    ]
    for incident in document["incidents"]:
        bar = scale.bar(
            "incident", incident["summary"], incident["started_at"], incident["ended_at"]
        )
        rows.append(Row(f"incident ({incident['severity']})", (bar,)))
        rows += [
            Row(
                anomaly["series"],
                (scale.bar("series", "", anomaly["started_at"], anomaly["resolved_at"]),),
            )
            for anomaly in incident["anomalies"]
        ]
    rows += [
        Row(
            f"telemetry: {fault['where']}",
            (scale.bar("fault", fault["kind"], fault["start"], fault["end"]),),
        )
        for fault in document["integrity"]
    ]
    return [row for row in rows if row.bars][:_MOST]


def marks(document: Document) -> list[tuple[float, str]]:
    """Five times along the run: percent from the left, and `14:05`."""
    scale = _Scale(document)
    return [(share * 100, scale.clock(share)) for share in (0.0, 0.25, 0.5, 0.75, 1.0)]


class _Scale:
    def __init__(self, document: Document) -> None:
        self._document = document
        self._start = float(document["run"]["started_at"]["unix"])
        ends = [phase["end"]["unix"] for phase in document["phases"]]
        ends.append(self._start + (document["run"]["duration_seconds"] or 0.0))
        self._length = max(1.0, max(ends) - self._start)

    def bar(self, kind: str, text: str, start: Document, end: Document | None) -> Bar:
        left = self._percent(start["unix"])
        right = 100.0 if end is None else self._percent(end["unix"])
        until = f"to {views.clock(end)} UTC" if end else "UTC to the end of the run"
        title = f"{text} {views.clock(start)} {until}".strip()
        width = max(0.4, right - left)
        shown = text if width * 1.2 > len(text) or width > 12 else ""
        return Bar(kind, shown, round(left, 2), round(width, 2), title)

    def clock(self, share: float) -> str:
        return rfc3339(self._start + share * self._length)[11:19]

    def _percent(self, time: float) -> float:
        return float(min(100.0, max(0.0, (time - self._start) / self._length * 100)))
