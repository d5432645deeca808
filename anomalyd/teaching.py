"""Accepted runs teach the pipeline at work how its staging differs from production.

Recordings are read and learned from in threads, between runs; what they taught is taken up between
runs too, and kept beside the baseline, so that a restart goes on with it at once.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from pathlib import Path

from anomalyd import codec
from anomalyd.baseline import taught
from anomalyd.baseline.file import digest
from anomalyd.baseline.profile import Baseline
from anomalyd.baseline.taught import Origin
from anomalyd.baseline.transfer import Transfer
from anomalyd.keeping import Disk
from anomalyd.pipeline import Pipeline
from anomalyd.recorder import recordings
from anomalyd.replay import tape
from anomalyd.replay.frames import DAMAGED
from anomalyd.replay.lessons import Lessons
from anomalyd.replay.recording import RecordingError
from anomalyd.running import Running
from anomalyd.runs.store import Store

log = logging.getLogger(__name__)

FILE = "transfer.npz"
"""In the state directory."""

MOST_RUNS = 20
"""The latest so many accepted runs teach: staging changes, and few more say little more."""

LOOK_SECONDS = 1.0


class Teaching:
    """Of one session. `recall` at every new baseline, `run` as a task; `look` is one turn of it."""

    def __init__(self, pipeline: Pipeline, store: Store, directory: Path, disk: Disk) -> None:
        self._pipeline, self._store, self._disk = pipeline, store, disk
        self._directory = directory
        self._setting = _setting(pipeline)
        self._baseline: Baseline | None = None
        self._digest = ""
        self._used: Origin | None = None
        self._learned: tuple[Origin, Transfer | None] | None = None
        self._troubles: list[str] = []
        self._looking = asyncio.Lock()

    def recall(self, baseline: Baseline) -> Transfer | None:
        """What was learned beside this baseline before, for a pipeline that takes it up.

        Even where other runs are accepted since: `look` sees to that, once no run is under way.
        """
        self._baseline, self._digest = baseline, digest(baseline)
        self._used = None
        try:
            found = taught.load(self._directory / FILE)
        except OSError as error:
            log.warning("%s: cannot be read: %s", error.filename, error.strerror)
            return None
        if found is None:
            return None
        transfer, origin = found
        if origin.baseline != self._digest or len(transfer.mean) != len(baseline.profiles.keys):
            return None
        self._used = origin
        return transfer

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
            if wanted is None or wanted == self._used or _busy(runs):
                return
            if self._learned is None or self._learned[0] != wanted:
                self._learned = (wanted, await self._learn(wanted))
            if self._wanted() == wanted and not _busy(runs):
                self._take_up(*self._learned)

    def _wanted(self) -> Origin | None:
        if self._baseline is None:
            return None
        accepted = tuple(self._store.accepted()[-MOST_RUNS:])
        return Origin(self._digest, accepted, self._setting)

    async def _learn(self, origin: Origin) -> Transfer | None:
        lessons = Lessons(self._pipeline.table.signals, self._pipeline.settings)
        baseline, troubles = self._baseline, []
        for run_id in origin.runs:
            trouble = await asyncio.to_thread(_read, recordings(self._directory) / run_id, lessons)
            if trouble:
                troubles.append(f"{trouble}; the accepted run teaches nothing")
                log.warning("%s", troubles[-1])
        self._troubles = troubles
        if baseline is None or not origin.runs:
            return None
        return await asyncio.to_thread(lessons.learned, baseline)

    def _take_up(self, origin: Origin, transfer: Transfer | None) -> None:
        self._disk.write("transfer", self._keep, origin, transfer)
        judged_by = self._pipeline.judged_by
        if transfer is not None or judged_by.transfer is not None:
            self._pipeline.use_baseline(judged_by.baseline, transfer, judged_by.smear)
            taught_by = transfer.runs if transfer is not None else 0
            log.info("judged by the baseline and by what %d accepted runs taught", taught_by)
        self._used = origin

    def _keep(self, origin: Origin, transfer: Transfer | None) -> None:
        if transfer is None:
            (self._directory / FILE).unlink(missing_ok=True)
        else:
            taught.save(transfer, origin, self._directory / FILE)


def _busy(runs: Running) -> bool:
    return bool(runs.unfinished) or runs.judging


def _read(folder: Path, lessons: Lessons) -> str:
    """Why the recording of a run cannot teach, '' if it does."""
    try:
        lessons.add(tape.read(folder))
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
