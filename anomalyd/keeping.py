"""What a session reads from the state directory and writes to it, whatever the disk says."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time as clock
from collections.abc import Callable
from pathlib import Path
from typing import Any

from anomalyd import __version__, snapshots, telemetry
from anomalyd.baseline.drift import sentences
from anomalyd.baseline.file import BaselineError, check_fits, load, save
from anomalyd.baseline.profile import Baseline
from anomalyd.baseline.transfer import Learned
from anomalyd.model import Incident, Run
from anomalyd.pipeline import Pipeline
from anomalyd.runs.store import Store

log = logging.getLogger(__name__)

SNAPSHOT_SECONDS = 300.0
"""The longest time between two snapshots."""
SNAPSHOT_SHARE = 0.005
"""Of a core goes to snapshots at most, where that allows more of them."""

TOLD = 5
"""Series that moved in production, of which the log speaks one by one."""

NO_BASELINE = "no baseline has been fitted yet; `anomalyd baseline fit` says what is in the way"


class Disk:
    """Writes that may be refused: said once each way, never fatal."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._refused: dict[str, str] = {}

    def troubles(self) -> list[str]:
        """One sentence per kind of write that the disk refuses now."""
        return list(self._refused.values())

    def refuses(self, what: str) -> bool:
        return what in self._refused

    def write(self, what: str, write: Callable[..., None], *arguments: Any) -> None:
        """`what` is kept apart from other writes, in logs and in `troubles`."""
        try:
            write(*arguments)
        except OSError as error:
            reason = error.strerror or str(error)
            if what not in self._refused:
                log.warning("%s: the %s cannot be written: %s", self._directory, what, reason)
            self._refused[what] = (
                f"{self._directory}: the {what} cannot be written: {reason}; free some space or "
                "make it writable"
            )
        else:
            if self._refused.pop(what, None):
                log.warning("%s: the %s is written again", self._directory, what)


class BaselineFile:
    """The baseline on disk, taken up whenever it changes. trouble: why there is none to judge by.

    A run under way keeps the one it began with.
    """

    def __init__(self, path: Path, window: float) -> None:
        self.path = path
        self.trouble = NO_BASELINE
        self._window = window
        self._stamp: tuple[int, int, int] | None = None

    def take_up(
        self,
        pipeline: Pipeline,
        under_way: bool,
        taught: Callable[[Baseline], Learned] = lambda _: Learned(),
    ) -> None:
        """taught: what accepted runs are known to have taught beside a baseline."""
        if pipeline.reference.known and under_way:
            return
        try:
            stamp = _stamp(self.path)
        except OSError:
            return
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            baseline = load(self.path)
            check_fits(baseline, self._window)
        except BaselineError as error:
            self.trouble = str(error)
            log.warning("%s", error)
            return
        known = taught(baseline)
        pipeline.use_baseline(baseline, known.transfer, golden=known.golden)
        self.trouble = ""
        count = len(baseline.profiles.keys)
        telemetry.signal_series.set(count, {"environment": "production"})
        log.info("baseline of %d signal series from %s", count, self.path)
        drifts = sentences(baseline.meta)
        for key, said in list(drifts.items())[:TOLD]:
            log.info("%s: %s", key, said)
        if len(drifts) > TOLD:
            log.info(
                "%d more series moved; `anomalyd baseline show` names them", len(drifts) - TOLD
            )

    def hold(self, baseline: Baseline, place: Path) -> None:
        """Keep what was taken up at `place` too, as a second name of the same file where that can
        be. Raises OSError."""
        try:
            place.unlink(missing_ok=True)
            os.link(self.path, place)
            if _stamp(place) == self._stamp:
                return
        except OSError as error:
            log.debug("%s is copied: %s", self.path, error)
        try:
            save(baseline, place)
        except BaselineError as error:
            raise OSError(None, str(error)) from error


def _stamp(path: Path) -> tuple[int, int, int]:
    """Tells one file from another that took its place. Raises OSError."""
    status = path.stat()
    return status.st_mtime_ns, status.st_size, status.st_ino


class Memory:
    """The pipeline's arrays in a snapshot, as often as it is cheap, and everything back from it."""

    def __init__(self, pipeline: Pipeline, path: Path, disk: Disk) -> None:
        self._pipeline, self._path, self._disk = pipeline, path, disk
        self._taken_at = float("-inf")
        self._every = 0.0
        self._writing = threading.Lock()

    def snapshot(self) -> None:
        self._write(snapshots.take(self._pipeline, __version__))

    def _write(self, taken: snapshots.Taken) -> None:
        with self._writing:
            begun = clock.thread_time()
            self._disk.write("snapshot", snapshots.write, taken, self._pipeline, self._path)
            self._taken_at = self._pipeline.window_end
            self._every = min((clock.thread_time() - begun) / SNAPSHOT_SHARE, SNAPSHOT_SECONDS)

    async def snapshot_if_due(self) -> None:
        """After a window of a run under way; what is judged between runs need not be kept.

        In a thread: what is pushed meanwhile is taken, and what was judged is told. No window may
        be judged before it is over.
        """
        judged_until = self._pipeline.window_end
        due = judged_until > self._taken_at and judged_until - self._taken_at >= self._every
        under_way = any(course.under_way for course in self._pipeline.courses.values())
        if due and (under_way or self._disk.refuses("snapshot")):
            taken = snapshots.take(self._pipeline, __version__)
            await asyncio.to_thread(self._write, taken)

    def restore(self, runs: list[Run], store: Store) -> list[Incident]:
        """Runs that were under way go on; returns their open incidents.

        Incidents are those of the store, which has every change of theirs.
        """
        self._pipeline.restore(runs)
        if not runs:
            return []
        if snapshots.load(self._pipeline, self._path, __version__):
            log.info("detectors go on from %s", self._path)
        incidents = [incident for run in runs for incident in store.incidents(run.id)]
        self._pipeline.reopen(incidents)
        return [incident for incident in incidents if incident.open]
