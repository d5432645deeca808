"""Series of a session at its last window, as the API and /metrics show them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from anomalyd.api.control import SeriesRow
from anomalyd.detectors.base import Mask
from anomalyd.judgement.course import Course
from anomalyd.model import State
from anomalyd.pipeline import Pipeline
from anomalyd.session import Session
from anomalyd.signals.table import SignalTable
from anomalyd.telemetry import Band

NAMES = {state: state.name.lower() for state in State}


def series_row(session: Session, row: int, course: Course | None) -> SeriesRow:
    """One series at the last window. course: of the run that it decides, if there is one."""
    pipeline = session.pipeline
    table = pipeline.table
    signal = table.signals[table.signal_index[row]]
    known = row < len(pipeline.evidence)
    score = float(pipeline.evidence[row]) / course.log_threshold if known and course else np.nan
    band = pipeline.band
    return SeriesRow(
        run=course.run.id if course else "",
        series=table.keys[row],
        signal=signal.name,
        labels=table.labels[row],
        service=table.services[row],
        unit=signal.unit,
        state=NAMES[State(int(pipeline.anomalies.state[row]))] if known else NAMES[State.OK],
        observed=float(pipeline.board.observed[row]) if row < len(pipeline.board) else np.nan,
        expected=float(band.expected[row]) if known else np.nan,
        low=float(band.low[row]) if known else np.nan,
        high=float(band.high[row]) if known else np.nan,
        score=max(score, 0.0) if score == score else np.nan,
    )


def deciding(pipeline: Pipeline, rows: Sequence[int]) -> list[Course | None]:
    """For each row the first run that it decides."""
    courses = list(pipeline.courses.values())
    found = np.full(len(pipeline.table), -1)
    for number in reversed(range(len(courses))):
        found[courses[number].deciding] = number
    return [courses[number] if number >= 0 else None for number in found[list(rows)].tolist()]


class Watched:
    """Which rows of a session's table are to be shown whatever their score."""

    def __init__(self, watches: Callable[[str], bool]) -> None:
        self._watches = watches
        self._table: SignalTable | None = None
        self._mask = np.zeros(0, dtype=bool)

    def rows(self, table: SignalTable) -> Mask:
        """bool[n]; each series is asked once."""
        if table is not self._table:
            self._table, self._mask = table, np.zeros(0, dtype=bool)
        new = [self._watches(key) for key in table.keys[len(self._mask) : len(table)]]
        if new:
            self._mask = np.append(self._mask, new)
        return self._mask


def bands(session: Session, watched: Watched, most: int) -> tuple[Band, ...]:
    """What /metrics shows: firing and watched series first, then by score; at most `most`."""
    pipeline = session.pipeline
    evidence = pipeline.evidence
    n = len(evidence)
    rows = np.flatnonzero(pipeline.reference.partner[:n] >= 0)
    first = pipeline.anomalies.firing[:n] | watched.rows(pipeline.table)[:n]
    chosen = rows[np.lexsort((-evidence[rows], ~first[rows]))[:most]].tolist()
    of_runs = zip(chosen, deciding(pipeline, chosen), strict=True)
    shown = [series_row(session, row, course) for row, course in of_runs]
    return tuple(
        Band(s.run, s.signal, s.service, s.series, s.observed, s.expected, s.low, s.high, s.score)
        for s in shown
    )
