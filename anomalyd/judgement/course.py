"""One run on its way through the pipeline: all that is kept for it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from anomalyd.judgement.board import Board
from anomalyd.judgement.integrity import IntegrityLog
from anomalyd.judgement.phases import idle, may_judge
from anomalyd.judgement.record import Record
from anomalyd.model import Anomaly, Rows, Run, RunState


@dataclass(slots=True)
class Course:
    """rows, deciding: intp, the rows of the run's series, and those of them that may decide.
    log_threshold: of each deciding series' e-value. anomalies: the latest anomaly of each row.
    baseline: digest of the one that its windows are judged by, '' before there was any."""

    run: Run
    integrity: IntegrityLog
    log_threshold: float = np.inf
    record: Record = field(default_factory=Record)
    rows: Rows = field(default_factory=lambda: np.zeros(0, dtype=np.intp))
    deciding: Rows = field(default_factory=lambda: np.zeros(0, dtype=np.intp))
    anomalies: dict[int, Anomaly] = field(default_factory=dict)
    baseline: str = ""

    @property
    def under_way(self) -> bool:
        return self.run.state is not RunState.FINISHED

    def watch(
        self, board: Board, time: float, window: float, load: float | None, smear: int = 1
    ) -> tuple[bool, bool]:
        """Record one window; whether its values may be judged, and whether its absences may.

        load: None if none is defined. Absences count while the load is not known (the entry itself
        may be what is gone), but not while there is none: what is idle may be scaled away.
        """
        active = within(self.run, time - window, time)
        if active:
            self.integrity.missed(self._seen_until(time - window), time - window)
        self.record.add(time, np.nan if load is None else load, board.observed, board.counts)
        judged = active and (load is None or may_judge(self.record.loads, window, smear))
        self.record.judged.append(judged)
        if active:
            present = int(board.present[self.rows].sum())
            vanished = board.vanished(self.rows) if judged else ()
            self.integrity.window(time, present, board.unanswered, load, vanished)
            for row, key, detail in board.duplicates:
                if row in self.rows:
                    self.integrity.duplicate(time, key, detail)
        return judged, active and not idle(self.record.loads)

    def judge_by(self, baseline: str) -> None:
        """From here on by that baseline; another than before is a doubt that stays with the run."""
        if self.baseline not in ("", baseline) and any(self.record.judged):
            self.integrity.rebased(self.record.times[0], self.record.times[-1])
        self.baseline = baseline

    def close(self, run: Run, window: float) -> None:
        """The run is over as `run` says; what of it was not seen is noted."""
        self.run = run
        stopped = run.stopped_at
        if run.active_at is not None and stopped is not None:
            self.integrity.missed(self._seen_until(stopped - window), stopped - window)

    def _seen_until(self, unknown: float) -> float:
        """The end of the last window that was looked at, or where judging began."""
        begun = self.run.active_at if self.run.active_at is not None else unknown
        return max(begun, self.record.times[-1]) if self.record.times else begun


def within(run: Run, start: float, end: float) -> bool:
    """Whether a window lies between the end of the warm-up and the stop of the run, however late it
    comes in."""
    if run.active_at is None or run.state is RunState.WARMUP:
        return False
    begun = start >= run.active_at - 1e-6
    return begun and (run.stopped_at is None or end <= run.stopped_at + 1e-6)
