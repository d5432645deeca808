"""Writes the reports of ended runs, one after another."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from anomalyd import reporting
from anomalyd.config import Config
from anomalyd.model import Enrichment
from anomalyd.report.document import Document, ReportError, read
from anomalyd.report.enriched import enriched
from anomalyd.report.process import render
from anomalyd.running import Finished
from anomalyd.runs.store import Store
from anomalyd.session import Session

log = logging.getLogger(__name__)

MISSED_SECONDS = 86400.0
"""A run that ended within that, and has no report, ended just before the last daemon did."""


class Reporter:
    """`put` what ended; `run`, as a task, writes. written: called with each run's first files.

    session: the one at work, whose incidents may still be waiting for traces and log lines.
    """

    def __init__(
        self,
        store: Store,
        config: Callable[[], Config],
        clock: Callable[[], float],
        written: Callable[[Finished, list[Path]], None],
        session: Callable[[], Session | None] = lambda: None,
    ) -> None:
        self._session = session
        self._store, self._config, self._clock, self._written = store, config, clock, written
        self._queue: asyncio.Queue[str] = asyncio.Queue()
        self._waiting: dict[str, Finished | None] = {}
        self._writing: str | None = None

    def put(self, ended: Finished) -> None:
        self._enqueue(ended.run.id, ended)

    def put_again(self, run_id: str) -> None:
        """Queue a run that ended before, for what was noted since. Those that wait are written with
        all notes that there are by then."""
        self._enqueue(run_id, None)

    def pending(self, run_id: str) -> bool:
        """Whether the run's reports are still to be written."""
        return run_id in self._waiting or run_id == self._writing

    def put_missed(self) -> None:
        """Queue what a daemon that was killed did not get to; without plots, its record is gone."""
        config, now = self._config(), self._clock()
        for run in self._store.runs(20):
            if run.finished_at is None or now - run.finished_at > MISSED_SECONDS:
                continue
            directory = self._store.report_dir(run.id)
            verdict = self._store.verdict(run.id)
            if verdict is None or directory is None or (directory / "report.json").exists():
                continue
            log.info("run %s has no report; it is written now", run.id)
            self.put(Finished(run, verdict, reporting.rebuild(run, verdict, config)))

    async def run(self) -> None:
        while True:
            run_id = await self._queue.get()
            ended, self._writing = self._waiting.pop(run_id), run_id
            try:
                await (self._write_again(run_id) if ended is None else self._write(ended))
            finally:
                self._writing = None
                self._queue.task_done()

    async def join(self) -> None:
        """Returns once everything that was put is written."""
        await self._queue.join()

    def _enqueue(self, run_id: str, ended: Finished | None) -> None:
        if run_id not in self._waiting:
            self._queue.put_nowait(run_id)
        self._waiting[run_id] = ended or self._waiting.get(run_id)

    async def _write(self, ended: Finished) -> None:
        session = self._session()
        if session is not None:
            await session.enricher.settled(ended.run.id)
        config = self._config()
        directory = reporting.directory(config.state_dir, ended.run.id)
        stored = self._store.run(ended.run.id)
        notes = stored.notes if stored is not None else ended.run.notes
        document = enriched(reporting.noted(ended.document, notes), self._found(ended.run.id))
        paths = await self._render(document, directory)
        self._store.prune(self._clock(), config.retention.runs)
        self._written(ended, paths)

    async def _write_again(self, run_id: str) -> None:
        """From the report that is there, with its plots; without them where it is gone."""
        run, verdict = self._store.run(run_id), self._store.verdict(run_id)
        directory = self._store.report_dir(run_id)
        if run is None or verdict is None or directory is None:
            return
        try:
            document = await asyncio.to_thread(read, directory / "report.json")
        except ReportError as error:
            log.info("run %s is reported without plots: %s", run_id, error)
            document = reporting.rebuild(run, verdict, self._config())
        noted = reporting.noted(document, run.notes)
        await self._render(enriched(noted, self._found(run_id)), directory)

    def _found(self, run_id: str) -> list[Enrichment]:
        return self._store.enrichments(run_id)

    async def _render(self, document: Document, directory: Path) -> list[Path]:
        config = self._config()
        cache = config.state_dir / "cache"
        return await render(document, directory, config.reports.formats, cache_dir=cache)
