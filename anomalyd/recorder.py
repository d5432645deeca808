"""What a pipeline is given of each run, kept as it comes, so that the run can be judged again.

Only batches that end a window are kept: others are shown and forgotten. What the disk refuses is
said once and counted in the recording; no run is the worse for it.
"""

from __future__ import annotations

import errno
import logging
import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from anomalyd import __version__
from anomalyd.config import Config
from anomalyd.judgement.course import Course
from anomalyd.keeping import BaselineFile, Disk
from anomalyd.model import Batch, Run, Verdict
from anomalyd.pipeline import JudgedBy, Pipeline
from anomalyd.replay import references, tape
from anomalyd.replay.frames import DAMAGED, Frame, Meta, Teller
from anomalyd.replay.recorded import Conditions, Resumed, Stretch, Window
from anomalyd.runs.retention import RECORDINGS

log = logging.getLogger(__name__)

WHAT = "recording"
"""What the disk calls it."""


def recordings(state_dir: Path) -> Path:
    """The folder of all recordings, one folder per run."""
    return state_dir / RECORDINGS


@dataclass(slots=True)
class _Tape:
    """A run's recording. told: references that it has, as `references.frame` names them.
    lost: windows that could not be written since the last that was."""

    folder: Path
    told: list[Meta] = field(default_factory=list)
    teller: Teller = field(default_factory=Teller)
    judged_by: JudgedBy | None = None
    reference: int = 0
    lost: int = 0


class Recorder:
    """Records the runs of one session, up to `limits.recording_bytes`; 0 records nothing.

    kept: ids of runs whose recordings stay, whatever room is needed.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        config: Config,
        baseline: BaselineFile,
        disk: Disk,
        kept: Callable[[], Collection[str]] = tuple,
    ) -> None:
        self._kept = kept
        self._pipeline, self._baseline, self._disk = pipeline, baseline, disk
        self._directory = recordings(config.state_dir)
        self._limit = config.limits.recording_bytes
        self._config = judging(config)
        self._tapes: dict[str, _Tape] = {}
        self._unwritten: list[tuple[_Tape, Frame]] = []
        self._used = sum(_sizes(self._directory).values())

    def begin(self, run: Run) -> None:
        """A run that the pipeline has just started."""
        if self._limit:
            self._disk.write(WHAT, self._begin, run)

    def resume(self, run: Run) -> None:
        """A run that the pipeline goes on with after a restart; one that was not recorded from its
        start is not recorded at all."""
        if self._limit and (self._directory / run.id / tape.FRAMES).exists():
            self._disk.write(WHAT, self._resume, run)

    def window(self, batch: Batch) -> None:
        """A batch that has just ended a window."""
        for run_id, found in self._tapes.items():
            course = self._pipeline.courses.get(run_id)
            if course is not None:
                self._disk.write(WHAT, self._window, found, course, batch)

    def finish(self, run: Run, verdict: Verdict) -> None:
        """A run whose verdict was given."""
        found = self._tapes.pop(run.id, None)
        if found is not None:
            self._disk.write(WHAT, self._finish, found, run, verdict)

    def retry(self) -> None:
        """What the disk refused at the end of a run, once more; call it at every tick."""
        if self._disk.refuses(WHAT) and (self._unwritten or not self._pipeline.courses):
            self._disk.write(WHAT, self._try)

    def _begin(self, run: Run) -> None:
        found = self._tapes[run.id] = _Tape(self._directory / run.id)
        try:
            tape.begin(found.folder)
            self._open(found, self._pipeline.courses[run.id], None)
        except OSError:
            del self._tapes[run.id]
            shutil.rmtree(found.folder, ignore_errors=True)
            raise

    def _resume(self, run: Run) -> None:
        found = self._tapes[run.id] = _Tape(self._directory / run.id)
        course = self._pipeline.courses[run.id]
        until = course.record.times[-1] if course.record.times else None
        incidents = tuple(self._pipeline.incidents.of_run(run.id))
        try:
            metas = tape.mend(found.folder)
            found.told = [meta for meta in metas if meta.get("kind") == "reference"]
            self._open(found, course, Resumed(until, incidents))
        except OSError:
            del self._tapes[run.id]
            raise
        except DAMAGED as error:
            del self._tapes[run.id]
            log.warning("%s: is damaged and not gone on with: %s", found.folder, error)

    def _open(self, found: _Tape, course: Course, resumed: Resumed | None) -> None:
        pipeline = self._pipeline
        keys = tuple(pipeline.table.keys[row] for row in course.rows)
        begun = self._conditions(found, course.run)
        stretch = Stretch(
            version=__version__,
            settings=pipeline.settings,
            signals=pipeline.table.signals,
            graph=pipeline.graph.callees,
            keys=keys,
            known=len(keys),
            begun=begun,
            windows=(),
            resumed=resumed,
            declared=pipeline.graph.declared,
        )
        self._append(found, found.teller.session(stretch, self._config))

    def _window(self, found: _Tape, course: Course, batch: Batch) -> None:
        before = replace(found.teller)
        found.lost += 1
        try:
            window = _seen(course, batch, self._conditions(found, course.run))
            keys = self._pipeline.table.keys
            new = [keys[row] for row in course.rows[before.known :]]
            signals = self._pipeline.table.signals
            self._append(found, found.teller.window(window, new, signals, found.lost - 1))
        except OSError:
            found.teller = before
            raise
        found.lost = 0

    def _finish(self, found: _Tape, run: Run, verdict: Verdict) -> None:
        ended = self._conditions(found, run)
        self._unwritten.append((found, found.teller.verdict(ended, verdict, found.lost)))
        self._write_verdicts()

    def _write_verdicts(self) -> None:
        while self._unwritten:
            found, frame = self._unwritten[0]
            if found.folder.exists():
                self._append(found, frame)
            self._unwritten.pop(0)

    def _try(self) -> None:
        """Whether the disk takes anything again. Raises OSError."""
        self._write_verdicts()
        trial = self._directory / "trial"
        self._directory.mkdir(parents=True, exist_ok=True)
        trial.write_bytes(b"written")
        trial.unlink()

    def _conditions(self, found: _Tape, run: Run) -> Conditions:
        """As they are now; what judges is written before it is named. Raises OSError."""
        judged_by = self._pipeline.judged_by
        if judged_by is not found.judged_by:
            frame = references.frame(judged_by)
            learned = judged_by.transfer is not None or judged_by.golden is not None
            known = frame.meta in found.told and not learned
            if not known:
                self._write_reference(found, judged_by, frame)
            found.reference = found.told.index(frame.meta) if known else len(found.told) - 1
            found.judged_by = judged_by
        pipeline = self._pipeline
        silences, facts = tuple(pipeline.silences), tuple(pipeline.facts)
        checks, changes = pipeline.checks.get(run.id, ()), pipeline.changes
        graph = pipeline.graph.callees
        return Conditions(run, silences, found.reference, graph, facts, checks, changes)

    def _write_reference(self, found: _Tape, judged_by: JudgedBy, frame: Frame) -> None:
        place = len(found.told)
        if judged_by.baseline is not None:
            self._baseline.hold(judged_by.baseline, found.folder / references.names(place)[0])
        references.write_learned(judged_by, found.folder, place)
        self._used = sum(_sizes(self._directory).values())
        self._append(found, frame)
        found.told.append(frame.meta)

    def _append(self, found: _Tape, frame: Frame) -> None:
        columns = frame.columns
        self._used = self._make_room(20 * len(columns.rows) if columns is not None else 0)
        self._used += tape.append(found.folder, frame)

    def _make_room(self, more: int) -> int:
        """Bytes that recordings use once the oldest have gone as far as `more` needs it.

        Raises OSError where runs under way and accepted ones alone need more than there is.
        """
        if self._used + more <= self._limit:
            return self._used
        sizes = _sizes(self._directory)
        stay = {*self._tapes, *self._kept()}
        while sum(sizes.values()) + more > self._limit:
            oldest = next((folder for folder in sizes if folder.name not in stay), None)
            if oldest is None:
                more_room = "limits.recording_bytes is reached, raise it or accept fewer runs"
                raise OSError(errno.ENOSPC, more_room)
            log.info("%s is deleted: limits.recording_bytes is reached", oldest)
            shutil.rmtree(oldest, ignore_errors=True)
            sizes.pop(oldest)
        return sum(sizes.values())


def _seen(course: Course, batch: Batch, conditions: Conditions) -> Window:
    """A batch as the run sees it: its own rows, numbered by their places among them."""
    own = course.rows
    if len(own) and own[-1] == len(own) - 1:  # the run has all rows: none is to be looked up
        return Window(batch, len(own), conditions)
    place = np.searchsorted(own, batch.rows)
    inside = place < len(own)
    inside[inside] = own[place[inside]] == batch.rows[inside]
    duplicates = tuple(
        (int(np.searchsorted(own, row)), what) for row, what in batch.duplicates if row in own
    )
    seen = replace(
        batch,
        rows=place[inside],
        values=batch.values[inside],
        counts=batch.counts[inside],
        duplicates=duplicates,
        traced=batch.traced.of(course.run.selector) if batch.traced is not None else None,
    )
    return Window(seen, len(own), conditions)


def judging(config: Config) -> Mapping[str, Any]:
    """The sections that judge a run, but for signals and silences, as plain values."""
    sides = {"staging": config.environments.staging, "production": config.environments.production}
    return {
        "judgement": config.judgement.written(),
        "graph": {caller: list(callees) for caller, callees in config.graph.items()},
        "environments": {
            name: {"capacity": side.capacity} for name, side in sides.items() if side is not None
        },
    }


def _sizes(directory: Path) -> dict[Path, int]:
    """Bytes of each recording, oldest first; what several share counts for the first."""
    if not directory.is_dir():
        return {}
    folders = [folder for folder in directory.iterdir() if (folder / tape.FRAMES).exists()]
    folders.sort(key=lambda folder: ((folder / tape.FRAMES).stat().st_mtime_ns, folder.name))
    found, seen = {}, set()
    for folder in folders:
        status = [path.stat() for path in sorted(folder.iterdir())]
        found[folder] = sum(one.st_size for one in status if one.st_ino not in seen)
        seen |= {one.st_ino for one in status}
    return found
