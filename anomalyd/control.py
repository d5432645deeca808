"""The daemon as its API sees it: answers at once, from memory or the store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from anomalyd import accepting, standing
from anomalyd.api import paging
from anomalyd.api.control import NotReady, ReportFormat, RunStatus, SeriesPage
from anomalyd.judgement.phases import phases
from anomalyd.model import (
    Became,
    CheckState,
    Edge,
    Enrichment,
    Incident,
    Labels,
    Outcome,
    RecordedOutcome,
    Run,
    RunState,
    Verdict,
)
from anomalyd.push import Receiver
from anomalyd.replay import bundle, tape
from anomalyd.replay.recording import RecordingError
from anomalyd.report import FORMATS
from anomalyd.reports import Reporter
from anomalyd.risk.calibration import Enough
from anomalyd.risk.reliability import Reliability, reliability
from anomalyd.runs import outcomes
from anomalyd.runs.acceptance import Asked, Undone
from anomalyd.runs.retention import RECORDINGS
from anomalyd.runs.silences import Silence
from anomalyd.runs.store import Store
from anomalyd.session import Session
from anomalyd.showing import deciding, series_row

log = logging.getLogger(__name__)


class DaemonControl:
    """Implements `api.control.Control`.

    session: the one at work now, None while there is none. fit_trouble: why the last fit of the
    baseline failed, if it did. most_change: of one signal. needed: outcomes that calibrate.
    """

    def __init__(
        self,
        store: Store,
        reporter: Reporter,
        session: Callable[[], Session | None],
        clock: Callable[[], float],
        reload: Callable[[], Awaitable[None]],
        metrics: Callable[[], bytes],
        fit_trouble: Callable[[], str | None],
        most_change: Callable[[], float],
        needed: Callable[[], Enough] = Enough,
    ) -> None:
        self._store, self._reporter = store, reporter
        self._session, self._clock = session, clock
        self._reload, self._metrics, self._fit_trouble = reload, metrics, fit_trouble
        self._most_change, self._needed = most_change, needed

    def start_run(self, name: str, selector: str, labels: Mapping[str, str]) -> Run:
        return self._at_work().runs.start(name, selector, Labels.of(labels))

    def stop_run(self, run_id: str) -> Run:
        stored = self._stored(run_id)
        if stored.state is RunState.FINISHED:
            return stored
        runs = self._at_work().runs
        under_way = any(run.id == run_id for run in runs.unfinished)
        return runs.stop(run_id) if under_way else stored

    def add_note(self, run_id: str, text: str) -> Run:
        self._stored(run_id)
        self._store.add_note(run_id, text, self._clock())
        if self._store.outcome(run_id) is not None:
            self._reporter.put_again(run_id)
        return self._stored(run_id)

    def accept_run(self, run_id: str, asked: Asked) -> Run:
        run = accepting.accept(self._store, self._most_change(), run_id, asked, self._clock())
        if asked.note:
            self._reporter.put_again(run_id)
        return run

    def undo_accept(self, run_id: str, what: Undone) -> Run:
        return accepting.undo(self._store, run_id, what)

    def acceptance(self, run_id: str) -> Mapping[str, object]:
        return accepting.told(self._store, run_id)

    def accepted(self) -> Collection[str]:
        return self._store.accepted()

    def record_outcome(self, run_id: str, became: Became, note: str) -> RecordedOutcome:
        return outcomes.record(self._store, run_id, became, self._clock(), note)

    def undo_outcome(self, run_id: str) -> RecordedOutcome | None:
        return outcomes.undo(self._store, run_id)

    def outcomes(self) -> Sequence[RecordedOutcome]:
        return self._store.outcomes()

    def reliability(self) -> Reliability:
        return reliability(self._store.outcomes(), self._needed())

    def runs(self, limit: int) -> Sequence[Run]:
        return self._store.runs(limit)

    def outcome(self, run_id: str) -> Outcome | None:
        return self._store.outcome(run_id)

    def status(self, run_id: str) -> RunStatus:
        run = self._stored(run_id)
        return standing.status(
            self._store, run, self._clock(), self._phase(run), self._failed_checks(run_id)
        )

    def _failed_checks(self, run_id: str) -> list[str]:
        session = self._session()
        checks = session.deploying.checks(run_id) if session is not None else ()
        failed = (check for check in checks if check.state is CheckState.FAILED)
        return [f"deployment: {check.detail}" for check in failed]

    def _phase(self, run: Run) -> str:
        session = self._session()
        course = session.pipeline.courses.get(run.id) if session is not None else None
        if session is None or course is None:
            return ""
        record, window = course.record, session.pipeline.settings.window
        begun = run.active_at if run.active_at is not None else np.inf
        seen = phases(record.times, record.loads, window, begun)
        return seen[-1].kind if seen else ""

    def verdict(self, run_id: str) -> Verdict | None:
        self._stored(run_id)
        return self._store.verdict(run_id)

    def report(self, run_id: str, form: ReportFormat) -> Path | None:
        self._stored(run_id)
        if self._reporter.pending(run_id):
            raise NotReady(f"the report of run {run_id} is being written; ask again shortly")
        directory = self._store.report_dir(run_id)
        name = next(one.filename for one in FORMATS if one.name == form)
        path = directory / name if directory else None
        return path if path is not None and path.exists() else None

    async def recording(self, run_id: str) -> bytes | None:
        if self._stored(run_id).state is not RunState.FINISHED:
            return None
        return await asyncio.to_thread(_packed, self._store.directory / RECORDINGS / run_id)

    def incidents(self, run_id: str | None) -> Sequence[Incident]:
        if run_id is not None:
            self._stored(run_id)
        return self._store.incidents(run_id)

    def series(self, match: str, offset: int, limit: int) -> SeriesPage:
        session = self._session()
        if session is None:
            return SeriesPage((), 0)
        chosen, total = paging.select(session.pipeline.table.keys, match, offset, limit)
        of_runs = zip(chosen, deciding(session.pipeline, chosen), strict=True)
        return SeriesPage(tuple(series_row(session, *one) for one in of_runs), total)

    def enrichments(self, run_id: str | None) -> Sequence[Enrichment]:
        return self._store.enrichments(run_id)

    def edges(self) -> Sequence[Edge]:
        session = self._session()
        return session.learner.edges.edges() if session is not None else ()

    def silences(self) -> Sequence[Silence]:
        return self._store.silences(self._clock())

    def add_silence(self, silence: Silence) -> None:
        self._store.add_silence(silence)
        self._reread()

    def delete_silence(self, silence_id: str) -> bool:
        found = self._store.delete_silence(silence_id)
        self._reread()
        return found

    def now(self) -> float:
        return self._clock()

    def degraded(self) -> Sequence[str]:
        session = self._session()
        own = [*self._told(self._store.degraded), *self._told(self._fit_trouble())]
        return [*own, *(session.degraded() if session is not None else [])]

    def unready(self) -> Sequence[str]:
        session = self._session()
        if session is None:
            return ["the configuration is being applied"]
        missing = session.unready()
        return [*missing, *self._told(self._fit_trouble() if missing else None)]

    @staticmethod
    def _told(sentence: str | None) -> list[str]:
        return [sentence] if sentence else []

    async def reload(self) -> None:
        await self._reload()

    def metrics(self) -> bytes:
        return self._metrics()

    def receiver(self, section: str) -> Receiver | None:
        return self._at_work().receivers.get(section)

    def _at_work(self) -> Session:
        session = self._session()
        if session is None:
            raise NotReady("the configuration is being applied; try again in a few seconds")
        return session

    def _stored(self, run_id: str) -> Run:
        return standing.stored(self._store, run_id)

    def _reread(self) -> None:
        session = self._session()
        if session is not None:
            session.read_silences()


def _packed(folder: Path) -> bytes | None:
    """None where nothing, or nothing whole, is kept in `folder`."""
    if not (folder / tape.FRAMES).exists():
        return None
    try:
        recorded = tape.read(folder)
    except RecordingError as error:
        log.warning("%s", error)
        return None
    return bundle.pack(recorded) if recorded.verdict is not None else None
