"""Incidents on their way to what explains them: fetched after they were told, then told again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field

from anomalyd import telemetry
from anomalyd.config import Enrich
from anomalyd.enrich.gather import Gatherer, connect
from anomalyd.enrich.received import Kept
from anomalyd.enrich.sought import Sought, sought
from anomalyd.model import Enrichment, Incident, Run

log = logging.getLogger(__name__)

FETCHES = 4
"""Times an incident is looked at while it is open, at most; once more when it has ended."""
RUNS = 20
"""Runs that are remembered."""

Look = tuple[tuple[Sought, ...], bool]
"""What is sought of an incident, and whether it is still open."""


@dataclass(slots=True)
class _Known:
    """Looks at one incident, the last one queued or made, and how many there were."""

    last: Look | None = None
    looks: int = 0


@dataclass(slots=True)
class _Waiting:
    due: float
    run: Run
    incident: Incident


@dataclass(slots=True)
class _OfRun:
    incidents: dict[str, _Known] = field(default_factory=dict)
    refused: bool = False


class Enricher:
    """`start`, then `run` as a task; `put` every incident that opened or changed, at any time.

    One incident is fetched at a time, `enrich.delay` after it was put, at most `enrich.incidents`
    of a run; only if there is something else to look for than the last time. kept: spans that were
    sent to us; where they alone are asked, nothing is waited for.
    """

    def __init__(
        self, settings: Enrich, clock: Callable[[], float], kept: Kept | None = None
    ) -> None:
        self._settings, self._clock, self._kept = settings, clock, kept
        self._delay = settings.delay if settings.anything else 0.0
        self._gatherer: Gatherer | None = None
        self._known: dict[str, _OfRun] = {}
        self._waiting: dict[str, _Waiting] = {}
        self._current: str | None = None
        self._wake, self._step = asyncio.Event(), asyncio.Event()
        self._ended = not settings.incidents or not (settings.anything or kept is not None)
        self._troubles: tuple[str, ...] = ()

    async def start(self, stack: AsyncExitStack) -> None:
        """Raises QueryError for a secret or certificate that cannot be read."""
        if not self._ended:
            self._gatherer = await connect(self._settings, stack, self._kept)

    def put(self, run: Run, incident: Incident) -> None:
        if self._ended:
            return
        look: Look = (tuple(sought(incident)), incident.open)
        known = self._of(run, incident)
        if known is None or known.last == look or (incident.open and known.looks >= FETCHES):
            return
        known.last, known.looks = look, known.looks + 1
        due = asyncio.get_running_loop().time() + self._delay
        self._waiting.pop(incident.id, None)
        self._waiting[incident.id] = _Waiting(due, run, incident)
        self._wake.set()

    async def run(self, found: Callable[[Enrichment], None]) -> None:
        """found: called with what was fetched; it must not wait."""
        try:
            while self._gatherer is not None:
                waiting = await self._next()
                self._current = waiting.run.id
                enrichment = await self._gatherer.gather(
                    waiting.run, waiting.incident, self._clock()
                )
                self._current = None
                self._tell(enrichment)
                found(enrichment)
                self._stepped()
        finally:
            self._ended, self._current = True, None
            self._waiting.clear()
            self._stepped()

    async def settled(self, run_id: str) -> None:
        """Returns once nothing of the run waits or is fetched, or it takes too long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._delay + 2 * self._settings.deadline):
                while run_id == self._current or run_id in self._runs():
                    await self._step.wait()

    def troubles(self) -> list[str]:
        """Of the last fetch."""
        return list(self._troubles)

    def _runs(self) -> set[str]:
        return {waiting.run.id for waiting in self._waiting.values()}

    def _of(self, run: Run, incident: Incident) -> _Known | None:
        """None beyond `enrich.incidents` of a run."""
        of_run = self._known.setdefault(run.id, _OfRun())
        while len(self._known) > RUNS:
            del self._known[next(iter(self._known))]
        known = of_run.incidents.get(incident.id)
        if known is None and len(of_run.incidents) >= self._settings.incidents:
            if not of_run.refused:
                most = self._settings.incidents
                log.info("run %s: no traces beyond enrich.incidents (%d)", run.id, most)
            of_run.refused = True
            return None
        return of_run.incidents.setdefault(incident.id, _Known()) if known is None else known

    async def _next(self) -> _Waiting:
        """The one that is due first, once it is."""
        while True:
            self._wake.clear()
            key = min(self._waiting, key=lambda one: self._waiting[one].due, default=None)
            if key is None:
                await self._wake.wait()
                continue
            left = self._waiting[key].due - asyncio.get_running_loop().time()
            if left <= 0:
                return self._waiting.pop(key)
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._wake.wait()

    def _tell(self, enrichment: Enrichment) -> None:
        """Log each trouble when it comes, and that it went."""
        for trouble in enrichment.troubles:
            if trouble not in self._troubles:
                log.warning("%s", trouble)
        if self._troubles and not enrichment.troubles:
            log.info("traces and log lines are to be had again")
        self._troubles = enrichment.troubles
        telemetry.enrichments.add(1, {"result": "partial" if enrichment.troubles else "ok"})

    def _stepped(self) -> None:
        self._step.set()
        self._step = asyncio.Event()
