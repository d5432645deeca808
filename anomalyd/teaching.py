"""Accepted runs teach the pipeline at work how its staging differs from production.

Recordings are read and learned from in threads, between runs; what they taught is taken up between
runs too, and kept beside the baseline, so that a restart goes on with it at once.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from anomalyd import codec
from anomalyd.baseline import taught
from anomalyd.baseline.file import digest
from anomalyd.baseline.profile import Baseline
from anomalyd.baseline.taught import Origin
from anomalyd.baseline.transfer import Learned
from anomalyd.keeping import Disk
from anomalyd.model import Run
from anomalyd.pipeline import Pipeline
from anomalyd.recorder import recordings
from anomalyd.replay import tape
from anomalyd.replay.frames import DAMAGED
from anomalyd.replay.lessons import Lessons
from anomalyd.replay.recorded import RecordedRun
from anomalyd.replay.recording import RecordingError
from anomalyd.running import Running
from anomalyd.runs import acceptance
from anomalyd.runs.store import Store

log = logging.getLogger(__name__)

FILE = "transfer.npz"
"""In the state directory."""

MOST_RUNS = 20
"""The latest so many accepted runs teach: staging changes, and few more say little more."""

LOOK_SECONDS = 1.0


class Teaching:
    """Of one session. `recall` at every new baseline, `run` as a task; `look` is one turn of it."""

    def __init__(
        self,
        pipeline: Pipeline,
        store: Store,
        directory: Path,
        disk: Disk,
        clock: Callable[[], float],
    ) -> None:
        self._pipeline, self._store, self._disk, self._clock = pipeline, store, disk, clock
        self._directory = directory
        self._setting = _setting(pipeline)
        self._baseline: Baseline | None = None
        self._digest = ""
        self._used: Origin | None = None
        self._learned: tuple[Origin, Learned] | None = None
        self._outlived = False
        self._troubles: list[str] = []
        self._looking = asyncio.Lock()

    def recall(self, baseline: Baseline) -> Learned:
        """What was learned beside this baseline before, for a pipeline that takes it up.

        Even where other runs are accepted since: `look` sees to that, once no run is under way.
        """
        self._baseline, self._digest = baseline, digest(baseline)
        self._used = None
        try:
            found = taught.load(self._directory / FILE)
        except OSError as error:
            log.warning("%s: cannot be read: %s", error.filename, error.strerror)
            return Learned()
        if found is None:
            return Learned()
        learned, origin = found
        if origin.baseline != self._digest or not _fits(learned, len(baseline.profiles.keys)):
            return Learned()
        self._used = origin
        return learned

    def begin(self, run: Run) -> None:
        """A run that is about to start, beside no other: it is judged by the changes that were
        accepted for it, and by nothing that has expired with it. Raises StoreError.

        Where accepted runs have, what the others teach is learned while nothing was judged yet.
        """
        if any(course.under_way for course in self._pipeline.courses.values()):
            return
        self._pipeline.use_changes(acceptance.changes_for(self._store, run))
        in_force = {one.run_id for one in acceptance.runs_in_force(self._store, self._clock())}
        used = self._used
        if used is None or in_force.issuperset(used.runs):
            return
        log.info("what accepted runs taught has expired in part: it is learned anew without them")
        judged_by = self._pipeline.judged_by
        golden = judged_by.golden
        if golden is not None and golden.run not in in_force:
            golden = None
        self._pipeline.use_baseline(judged_by.baseline, None, judged_by.smear, golden)
        self._used, self._outlived = None, True

    def resume(self, runs: Sequence[Run]) -> None:
        """Runs that go on after a restart, by the changes of the first. Raises StoreError."""
        for run in runs[:1]:
            self._pipeline.use_changes(acceptance.changes_for(self._store, run))

    def troubles(self) -> list[str]:
        """Accepted runs that teach nothing, one sentence each."""
        return self._troubles

    async def run(self, runs: Running) -> None:
        while True:
            await self.look(runs)
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self, runs: Running) -> None:
        """Learn where the baseline, or what is accepted, is another than was learned from, and
        judge by it from now on; not while a run is under way. Raises StoreError."""
        async with self._looking:
            wanted = self._wanted()
            if wanted is None or wanted == self._used or self._busy(runs):
                return
            if self._learned is None or self._learned[0] != wanted:
                self._learned = (wanted, await self._learn(wanted))
            if self._wanted() == wanted and not self._busy(runs):
                self._take_up(*self._learned)

    def _wanted(self) -> Origin | None:
        if self._baseline is None:
            return None
        accepted = acceptance.runs_in_force(self._store, self._clock())
        golden = next((one.run_id for one in accepted if one.golden), "")
        runs = tuple(one.run_id for one in accepted[-MOST_RUNS:])
        return Origin(self._digest, runs, self._setting, golden)

    def _busy(self, runs: Running) -> bool:
        """Not with a run that nothing of was judged yet, where it should not be judged by what is
        known."""
        if not self._outlived or runs.judging:
            return runs.busy()
        return any(any(c.record.judged) for c in self._pipeline.courses.values())

    async def _learn(self, origin: Origin) -> Learned:
        lessons = Lessons(self._pipeline.table.signals, self._pipeline.settings)
        baseline, troubles = self._baseline, []
        for run_id in origin.runs:
            trouble = await self._read(run_id, lessons.add)
            if trouble:
                troubles.append(f"{trouble}; the accepted run teaches nothing")
        if origin.golden:
            trouble = await self._read(origin.golden, lessons.pin)
            if trouble:
                troubles.append(f"{trouble}; no run is compared with it, which is the golden one")
        for told in troubles:
            log.warning("%s", told)
        self._troubles = troubles
        if baseline is None or not origin.runs:
            return Learned()
        return await asyncio.to_thread(lessons.learned, baseline)

    async def _read(self, run_id: str, take: Callable[[RecordedRun], None]) -> str:
        return await asyncio.to_thread(_read, recordings(self._directory) / run_id, take)

    def _take_up(self, origin: Origin, learned: Learned) -> None:
        self._disk.write("transfer", self._keep, origin, learned)
        judged_by, transfer = self._pipeline.judged_by, learned.transfer
        if transfer is not None or judged_by.transfer is not None:
            of = (judged_by.baseline, transfer, judged_by.smear, learned.golden)
            self._pipeline.use_baseline(*of)
            taught_by = transfer.runs if transfer is not None else 0
            log.info("judged by the baseline and by what %d accepted runs taught", taught_by)
        self._used, self._outlived = origin, False

    def _keep(self, origin: Origin, learned: Learned) -> None:
        if learned.transfer is None:
            (self._directory / FILE).unlink(missing_ok=True)
        else:
            taught.save(learned, origin, self._directory / FILE)


def _fits(learned: Learned, profiles: int) -> bool:
    golden = learned.golden.transfer if learned.golden is not None else None
    known = [one for one in (learned.transfer, golden) if one is not None]
    return all(len(one.mean) == profiles for one in known)


def _read(folder: Path, take: Callable[[RecordedRun], None]) -> str:
    """Why the recording of a run cannot be learned from, '' if it is."""
    try:
        take(tape.read(folder))
    except RecordingError as error:
        return str(error)
    except DAMAGED as error:
        return f"{folder}: is damaged: {error}"
    return ""


def _setting(pipeline: Pipeline) -> str:
    """Digest of what a recording is read by."""
    now = pipeline.settings
    numbers = [now.window, now.capacity, now.ratio, now.totals, now.blip]
    told = json.dumps([numbers, [codec.to_dict(one) for one in pipeline.table.signals]])
    return hashlib.blake2b(told.encode(), digest_size=8).hexdigest()
