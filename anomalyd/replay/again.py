"""A recorded run through an ordinary pipeline again: the same input, the same verdict."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from anomalyd import snapshots
from anomalyd.explain.suspects import Graph
from anomalyd.model import Rows, RunState
from anomalyd.pipeline import Pipeline
from anomalyd.replay.judge import Judged
from anomalyd.replay.recorded import Conditions, RecordedRun, Resumed, Stretch, Window
from anomalyd.signals.selector import parse_series
from anomalyd.signals.table import SignalTable


def play(recorded: RecordedRun) -> Judged:
    """The verdict on a recorded run, worked out as it was then. Raises ValueError where the
    recording names a series that none of its signals has."""
    player = Player(recorded)
    for place, stretch in enumerate(recorded.stretches):
        player.begin(stretch)
        after = recorded.stretches[place + 1 :]
        for window in kept(stretch, after):
            player.feed(window)
    return player.finish(recorded.ended)


def kept(stretch: Stretch, after: tuple[Stretch, ...]) -> tuple[Window, ...]:
    """Its windows, without those that a later pipeline knew nothing of."""
    ends = [s.resumed.until for s in after if s.resumed is not None]
    if any(end is None for end in ends):
        return ()
    until = min((end for end in ends if end is not None), default=np.inf)
    return tuple(window for window in stretch.windows if window.batch.time <= until)


class Player:
    """One pipeline after another, as the daemon had them: `begin` each stretch, `feed` its windows,
    `finish` once. pipeline: the one at work."""

    def __init__(self, recorded: RecordedRun) -> None:
        self._recorded = recorded
        self._pipeline: Pipeline | None = None
        self._stretch: Stretch | None = None
        self._reference = -1
        self._rows: Rows = np.zeros(0, dtype=np.intp)

    def begin(self, stretch: Stretch) -> None:
        """Build the pipeline of a stretch and bring over what the one before left."""
        before, last = self._pipeline, self._stretch
        table = SignalTable(stretch.signals, max(len(stretch.keys), 1) + _rows_of(before))
        self._pipeline = Pipeline(table, stretch.settings, Graph(stretch.graph, stretch.declared))
        self._stretch, self._reference = stretch, -1
        self._rows = np.zeros(0, dtype=np.intp)
        self._set(stretch.begun, running=False)
        if stretch.resumed is None or before is None or last is None:
            self._name(stretch.known)
            self._pipeline.start_run(stretch.begun.run)
            return
        self._pipeline.start_run(stretch.begun.run)
        self._resume(stretch.resumed, before, (last.version, stretch.version))
        self._name(stretch.known)

    def _resume(self, resumed: Resumed, before: Pipeline, versions: tuple[str, str]) -> None:
        """As after a restart: through a snapshot, which fits the new pipeline or does not."""
        incidents = resumed.incidents
        if incidents is None:
            incidents = tuple(before.incidents.of_run(self._recorded.run.id))
        if resumed.until is not None:
            with tempfile.TemporaryDirectory() as directory:
                path = Path(directory) / "snapshot.npz"
                snapshots.save(before, path, versions[0])
                snapshots.load(self.pipeline, path, versions[1])
        self.pipeline.reopen(incidents)

    def feed(self, window: Window) -> None:
        self._name(window.known)
        self._set(window.conditions, running=True)
        batch = window.batch
        duplicates = tuple((int(self._rows[row]), what) for row, what in batch.duplicates)
        self.pipeline.process(replace(batch, rows=self._rows[batch.rows], duplicates=duplicates))

    def finish(self, ended: Conditions) -> Judged:
        """Raises ValueError for a run that did not end."""
        run = ended.run
        if run.state is not RunState.FINISHED:
            raise ValueError(f"run {run.id} did not end")
        self._set(ended, running=False)
        course = self.pipeline.courses[run.id]
        verdict, _ = self.pipeline.finish_run(run, run.stopped_at or run.started_at)
        return Judged(run, verdict, course, self.pipeline.settings.capacity)

    @property
    def pipeline(self) -> Pipeline:
        if self._pipeline is None:
            raise ValueError("the recording has no session")
        return self._pipeline

    def _set(self, now: Conditions, *, running: bool) -> None:
        pipeline = self.pipeline
        pipeline.silences, pipeline.facts = now.silences, now.facts
        pipeline.checks = {now.run.id: now.checks}
        pipeline.use_changes(now.changes)
        if now.graph != pipeline.graph.callees:
            declared = self._stretch.declared if self._stretch is not None else None
            pipeline.use_graph(Graph(now.graph, declared))
        if now.reference != self._reference:
            self._reference = now.reference
            by = self._recorded.references[now.reference]
            if by.baseline is not None:
                pipeline.use_baseline(by.baseline, by.transfer, by.smear, by.golden)
        if running:
            pipeline.change_run(now.run)

    def _name(self, known: int) -> None:
        """Rows for the first `known` keys of the stretch."""
        keys = self._stretch.keys[len(self._rows) : known] if self._stretch is not None else ()
        self._rows = np.append(self._rows, [self._row(key) for key in keys]).astype(np.intp)

    def _row(self, key: str) -> int:
        row = self.pipeline.table.add(*parse_series(key))
        if row < 0:
            raise ValueError(f"{key} is of no signal that was recorded")
        return row


def _rows_of(pipeline: Pipeline | None) -> int:
    return len(pipeline.table) if pipeline is not None else 0
