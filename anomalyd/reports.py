"""Writes the reports of ended runs, one after another."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from anomalyd import reporting
from anomalyd.config import Config
from anomalyd.report.document import Document
from anomalyd.report.process import render
from anomalyd.running import Finished
from anomalyd.runs.store import Store

log = logging.getLogger(__name__)

MISSED_SECONDS = 86400.0
"""A run that ended within that, and has no report, ended just before the last daemon did."""


class Reporter:
    """`put` what ended; `run`, as a task, writes. written: called after each, with its files."""

    def __init__(
        self,
        store: Store,
        config: Callable[[], Config],
        clock: Callable[[], float],
        written: Callable[[Finished, list[Path]], None],
    ) -> None:
        self._store, self._config, self._clock, self._written = store, config, clock, written
        self._queue: asyncio.Queue[Finished] = asyncio.Queue()
        self._pending: set[str] = set()

    def put(self, ended: Finished) -> None:
        self._pending.add(ended.run.id)
        self._queue.put_nowait(ended)

    def pending(self, run_id: str) -> bool:
        """Whether the run's reports are still to be written."""
        return run_id in self._pending

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
            ended = await self._queue.get()
            try:
                await self._write(ended)
            finally:
                self._pending.discard(ended.run.id)
                self._queue.task_done()

    async def join(self) -> None:
        """Returns once everything that was put is written."""
        await self._queue.join()

    async def _write(self, ended: Finished) -> None:
        config = self._config()
        directory = reporting.directory(config.state_dir, ended.run.id)
        cache = config.state_dir / "cache"
        formats = config.reports.formats
        document = self._with_notes(ended)
        paths = await render(document, directory, formats, cache_dir=cache)
        self._store.prune(self._clock(), config.retention.runs)
        self._written(ended, paths)

    def _with_notes(self, ended: Finished) -> Document:
        """The document with the notes made until now: while it was judged, while others waited."""
        stored = self._store.run(ended.run.id)
        notes = stored.notes if stored is not None else ended.run.notes
        return reporting.noted(ended.document, notes)
