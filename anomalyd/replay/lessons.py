"""What recorded runs of one staging, laid side by side, teach: a `Transfer`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from anomalyd.baseline.lookup import Lookup
from anomalyd.baseline.profile import Baseline
from anomalyd.baseline.transfer import Golden, Learned
from anomalyd.judgement import accepted, changes, creep
from anomalyd.judgement.board import Board
from anomalyd.judgement.context import Reference
from anomalyd.judgement.course import Course
from anomalyd.judgement.integrity import IntegrityLog
from anomalyd.judgement.record import Record
from anomalyd.model import Batch, Labels, Rows, Signal
from anomalyd.pipeline import Settings
from anomalyd.replay.again import kept
from anomalyd.replay.recorded import RecordedRun, Stretch, Window
from anomalyd.replay.recording import RecordingError
from anomalyd.signals.selector import parse_selector
from anomalyd.signals.table import SignalTable
from anomalyd.units import format_duration


class Lessons:
    """`add` recorded runs, then ask what they teach beside a baseline.

    signals, settings: by which runs are judged now. Series go by what production calls them: the
    run label, by which runs differ, is left out. Nothing is judged anew; what counts is what was
    seen in each window, and whether its load let it be judged.
    """

    def __init__(self, signals: Sequence[Signal], settings: Settings) -> None:
        self._settings = settings
        self._signals = {signal.name: signal for signal in signals}
        self._table = SignalTable(signals, limit=np.iinfo(np.int32).max)
        self._records: list[Record] = []
        self._golden: tuple[str, Record] | None = None

    def add(self, recorded: RecordedRun) -> None:
        """One of the accepted runs, in order. Raises RecordingError, one sentence, where it cannot
        teach, and ValueError where it names a series that is none."""
        self._records.append(self._record(recorded, as_it_was=False))

    def pin(self, recorded: RecordedRun) -> None:
        """The golden run, with the changes that were accepted then. Raises as `add` does."""
        self._golden = recorded.run.id, self._record(recorded, as_it_was=True)

    def _record(self, recorded: RecordedRun, *, as_it_was: bool) -> Record:
        board = Board(self._table, None)
        course = Course(recorded.run, IntegrityLog(self._settings.window))
        for place, stretch in enumerate(recorded.stretches):
            rows = self._rows_of(recorded, stretch)
            board.grown()
            course.rows = np.unique(rows[rows >= 0])
            for window in kept(stretch, recorded.stretches[place + 1 :]):
                own = _renamed(window, rows)
                self._watch(course, board, stretch, own if as_it_was else self._unchanged(own))
        judged = sum(course.record.judged)
        if judged < accepted.LEAST_WINDOWS:
            raise RecordingError(
                f"run {recorded.run.id}: {judged} of its windows could be judged, "
                f"{accepted.LEAST_WINDOWS} are needed; accept a longer one"
            )
        return course.record

    def learned(self, baseline: Baseline) -> Learned:
        """Nothing where the runs show nothing that production has."""
        settings = self._settings
        reference = Reference(
            self._table,
            Lookup(baseline),
            None,
            settings.totals,
            blip=settings.blip,
            capacity=settings.capacity,
            ratio=settings.ratio,
        )
        transfer = None
        if self._records:
            transfer = accepted.learn(reference, self._records, settings.window)
        return Learned(transfer, self._pinned(reference))

    def _pinned(self, reference: Reference) -> Golden | None:
        if self._golden is None:
            return None
        run, record = self._golden
        return creep.golden(reference, run, record, self._records, self._settings.window)

    def _watch(self, course: Course, board: Board, stretch: Stretch, window: Window) -> None:
        course.run = replace(window.conditions.run, selector="")
        board.lay(window.batch)
        load = None
        if board.has_load:
            load = board.loads(stretch.settings.capacity).get("", np.nan)
        course.watch(board, window.batch.time, self._settings.window, load)

    def _unchanged(self, window: Window) -> Window:
        """As it would have been without the changes that were accepted then, so that these are not
        learned as well and end when they are to."""
        made, batch, table = window.conditions.changes, window.batch, self._table
        if not made:
            return window
        names = [table.signals[table.signal_index[row]].name for row in batch.rows]
        labels = [table.labels[row] for row in batch.rows]
        told = zip(names, labels, batch.values, strict=True)
        values = np.array([changes.without(made, *one) for one in told], dtype=np.float64)
        return replace(window, batch=replace(batch, values=values))

    def _rows_of(self, recorded: RecordedRun, stretch: Stretch) -> Rows:
        """The row of each key of the stretch, -1 where its signal is another one now."""
        if stretch.settings.window != self._settings.window:
            raise RecordingError(
                f"run {recorded.run.id}: its windows are of "
                f"{format_duration(stretch.settings.window)}, those judged now of "
                f"{format_duration(self._settings.window)}; accept a later run"
            )
        label = stretch.settings.run_label
        same = {one.name for one in stretch.signals if _alike(one, self._signals.get(one.name))}
        rows = np.array([self._row(key, label, same) for key in stretch.keys], dtype=np.intp)
        known = rows[rows >= 0]
        if len(np.unique(known)) < len(known):
            raise RecordingError(
                f"run {recorded.run.id}: it has series of several {label}, which production has "
                "once; accept a run of one"
            )
        return rows

    def _row(self, key: str, label: str | None, same: set[str]) -> int:
        selector = parse_selector(key)
        if selector.metric not in same:
            return -1
        labels = {m.label: m.value for m in selector.matchers if m.label != label}
        return self._table.add(selector.metric, Labels.of(labels))


def _alike(one: Signal, other: Signal | None) -> bool:
    """Whether both say the same of a system, however much of it is tolerated."""
    mine = (one.kind, one.unit, one.definition, one.by)
    return other is not None and mine == (other.kind, other.unit, other.definition, other.by)


def _renamed(window: Window, rows: Rows) -> Window:
    """With the rows of the table in place of those of the recording."""
    batch = window.batch
    there = rows[batch.rows] >= 0
    return replace(
        window,
        batch=Batch(
            batch.time,
            rows[batch.rows][there],
            batch.values[there],
            batch.counts[there],
            batch.answered,
        ),
    )
