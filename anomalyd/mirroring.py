"""Keeps an eye on what differs between staging and production, for runs and between them.

What is so in both is an input of the pipeline: it is taken up between runs, and by a run under way
only if nothing was known before. A change from clean to drift, or back, is told once.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable

from anomalyd import mirror, telemetry
from anomalyd.config import Config
from anomalyd.parity.difference import SEVERITIES
from anomalyd.parity.differences import Parity
from anomalyd.parity.files import FilesError
from anomalyd.pipeline import Pipeline
from anomalyd.query import QueryError
from anomalyd.report import Document
from anomalyd.runs.store import Store
from anomalyd.sinks.base import DriftChanged
from anomalyd.sinks.delivery import Delivery
from anomalyd.sources.base import SourceError

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
KEY = "state"
CLEAN, DRIFTED = "clean", "drifted"
MOST_TOLD = 20
MOST_REPORTED = 200


class Mirroring:
    """Of one session: `run` as a task; `look` is one turn of it. parity: as last found."""

    def __init__(
        self,
        config: Config,
        pipeline: Pipeline,
        store: Store,
        delivery: Delivery,
        clock: Callable[[], float],
    ) -> None:
        self.parity: Parity | None = None
        self._config, self._pipeline, self._clock = config, pipeline, clock
        self._memory, self._delivery = store.memory("parity"), delivery
        self._looked = -float("inf")
        self._trouble = ""

    def troubles(self) -> list[str]:
        """Why the environments could not be compared, if they could not."""
        return [self._trouble] if self._trouble else []

    def section(self) -> Document | None:
        """What a report says of it, None where the environments were not compared."""
        found = self.parity
        if found is None:
            return None
        return {
            "drift": len(found.drift),
            "equal": found.equal,
            "differences": [row.told() for row in found.differences[:MOST_REPORTED]],
        }

    async def run(self, busy: Callable[[], bool]) -> None:
        """busy: whether a run is under way or being judged."""
        if not self._config.parity.with_runs or not mirror.comparable(self._config):
            return
        while True:
            stale = self._clock() - self._looked >= self._config.parity.refresh
            if self.parity is None or (stale and not busy()):
                await self.look(busy)
            await asyncio.sleep(LOOK_SECONDS if self.parity is not None else 30 * LOOK_SECONDS)

    async def look(self, busy: Callable[[], bool]) -> None:
        """Compare now, and judge by it from the next run on."""
        self._looked = self._clock()
        try:
            found = await mirror.parity(mirror.Wanted(self._config), self._clock)
        except (QueryError, SourceError, FilesError) as error:
            if not self._trouble:
                log.warning("staging is not compared with production: %s", error)
            self._trouble = f"parity: {error}"
            return
        if self._trouble:
            log.warning("staging is compared with production again")
        self._trouble = ""
        self._tell(found)
        if not busy() or not self._pipeline.facts:
            self.parity, self._pipeline.facts = found, found.judged_by

    def _tell(self, found: Parity) -> None:
        counts = Counter((row.severity, row.state) for row in found.differences)
        for severity in SEVERITIES:
            for state in ("drift", "expected", "ignored"):
                labels = {"severity": severity, "state": state}
                telemetry.parity_differences.set(counts[severity, state], labels)
        telemetry.parity_equal_facts.set(found.equal)
        before, now = self._memory.get(KEY), DRIFTED if found.drift else CLEAN
        if before == now:
            return
        self._memory.put(KEY, now)
        if before is None:
            log.info("staging against production: %d differences", len(found.drift))
            return
        told = tuple(one.sentence for one in found.drift[:MOST_TOLD])
        self._delivery.put(DriftChanged(told, len(found.drift), self._looked))
