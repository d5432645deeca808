"""The text in which targets expose their metrics: Prometheus text 0.0.4 and OpenMetrics 1.0."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from anomalyd.model import Floats, Labels, Samples
from anomalyd.signals.table import SeriesTable

OPENMETRICS = "application/openmetrics-text"
AHEAD_SECONDS = 600.0
"""A sample this far ahead of its scrape is refused, as Prometheus does."""

_LINE = re.compile(
    rb"[ \t]*([a-zA-Z_:][a-zA-Z0-9_:]*)[ \t]*"
    rb'(?:\{((?:[^"{}]|"(?:[^"\\]|\\.)*")*)\}[ \t]*)?'
    rb"(?<![a-zA-Z0-9_:])([^\s#]+)(?:[ \t]+([-+.\deE]+))?[ \t]*(?:#.*)?\r?\Z"
)
_LABEL = re.compile(
    rb'[ \t]*([a-zA-Z_]\w*)[ \t]*=[ \t]*"((?:[^"\\]|\\.)*)"[ \t]*(?:,|\Z)', re.ASCII
)
_BLANK = re.compile(rb"[ \t\r]*(?:#|\Z)")
_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"n": "\n", '"': '"', "\\": "\\"}


@dataclass(frozen=True, slots=True)
class Parsed:
    """A body: its samples, how many lines were no samples, how many were over a limit."""

    samples: Samples
    bad_lines: int
    refused: int


class Exposition:
    """Reads the bodies of one target; `labels` are attached to all its series.

    A label that the exporter set too is kept as `exported_<name>` (Prometheus's
    `honor_labels: false`). A series' own bytes are looked up first, so that a known series costs
    one dict lookup and one float.
    """

    def __init__(self, series: SeriesTable, labels: Mapping[str, str]) -> None:
        self._series = series
        self._labels = dict(labels)
        self._rows: dict[bytes, int] = {}

    def parse(self, body: bytes, scraped_at: float, *, openmetrics: bool = False) -> Parsed:
        """Samples at `scraped_at` (unix seconds) where a line has no timestamp of its own.

        A line that is no sample is counted and left out; the rest of the body is kept.
        """
        unknown: list[bytes] = []
        rows: list[int] = []
        values: list[float] = []
        known = self._rows
        for line in body.split(b"\n"):
            series, _, value = line.rpartition(b" ")
            try:
                rows.append(known[series])
                values.append(float(value))
            except (KeyError, ValueError):
                del rows[len(values) :]
                unknown.append(line)
        fast, bad = len(values), 0
        own_times: list[float] = []
        unit = 1.0 if openmetrics else 1e-3
        for line in unknown:
            if _BLANK.match(line):
                continue
            try:
                row, number, own_time = self._read(line)
            except ValueError:
                bad += 1
                continue
            rows.append(row)
            values.append(number)
            own_times.append(scraped_at if own_time is None else own_time * unit)
        self._forget(body, len(values))
        times = np.full(len(values), scraped_at)
        times[fast:] = own_times
        return _parsed(rows, times, values, bad, scraped_at)

    def _read(self, line: bytes) -> tuple[int, float, float | None]:
        """(row, value, own timestamp) of a line; raises ValueError if it is no sample."""
        found = _LINE.match(line)
        if not found:
            raise ValueError("not a sample")
        name, inner, value, own_time = found.groups()
        number = float(value)
        time = float(own_time) if own_time else None
        key = line[found.start(1) : found.start(3)].rstrip()
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = self._row(name, inner)
        return row, number, time

    def _row(self, name: bytes, inner: bytes | None) -> int:
        labels = _labels(inner or b"")
        for own in self._labels:
            if own in labels:
                exported = f"exported_{own}"
                while exported in labels or exported in self._labels:
                    exported = f"exported_{exported}"
                labels[exported] = labels.pop(own)
        whole = Labels.of({**labels, **self._labels, "__name__": name.decode()})
        return self._series.row(str(whole).encode(), lambda _: whole)

    def _forget(self, body: bytes, seen: int) -> None:
        """Drop names of series that are gone once they are more than those still there."""
        if len(self._rows) > 2 * seen + 1000:
            still = {line.rpartition(b" ")[0] for line in body.split(b"\n")}
            self._rows = {key: row for key, row in self._rows.items() if key in still}


def _labels(inner: bytes) -> dict[str, str]:
    """The inside of the braces; raises ValueError if anything in it is not a label."""
    labels: dict[str, str] = {}
    position, end = 0, len(inner.rstrip())
    while position < end:
        found = _LABEL.match(inner, position)
        if not found:
            raise ValueError("not a label")
        name = found[1].decode()
        if name in labels:
            raise ValueError("a label twice")
        value = found[2].decode()
        labels[name] = _ESCAPE.sub(_unescaped, value) if "\\" in value else value
        position = found.end()
    return labels


def _unescaped(found: re.Match[str]) -> str:
    return _ESCAPED.get(found[1], found[0])


def _parsed(
    rows: list[int], time: Floats, values: list[float], bad: int, scraped_at: float
) -> Parsed:
    row = np.array(rows, dtype=np.intp)
    allowed = row >= 0
    timely = time <= scraped_at + AHEAD_SECONDS
    kept = allowed & timely
    return Parsed(
        Samples(row[kept], time[kept], np.array(values, dtype=np.float64)[kept]),
        bad_lines=bad + int(np.count_nonzero(allowed & ~timely)),
        refused=int(np.count_nonzero(~allowed)),
    )
