"""Which operations a run called, by staging's server, asked once at its end."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from anomalyd import assembly
from anomalyd.config import Config
from anomalyd.facts import Fact
from anomalyd.model import Environment, Matcher, Run
from anomalyd.parity import traffic
from anomalyd.parity.asking import Look
from anomalyd.query import QueryError
from anomalyd.sources.base import Side

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 5.0
"""A verdict does not wait longer for it."""
QUERIES = 4
LEAST_SPAN = 1.0


class Exercise:
    """Of one session's staging; nothing is known where no Prometheus is asked."""

    def __init__(
        self, config: Config, staging: Side, clock: Callable[[], float] = time.time
    ) -> None:
        self._config, self._staging, self._clock = config, staging, clock

    async def called(self, run: Run) -> tuple[Fact, ...]:
        """Facts of `risk.evidence.CALLED`, none where it is not known."""
        side = self._staging
        if side.api is None or not self._config.parity.with_runs:
            return ()
        canonical = assembly.canonical(self._config, Environment.STAGING)
        span = max(LEAST_SPAN, self._clock() - run.started_at)
        matchers = (*side.config.matchers, *self._of(run))
        look = Look(Environment.STAGING, side.api, matchers, canonical, QUERIES, span)
        look.labels = dict(side.metrics)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await traffic.called(look)
        except (QueryError, TimeoutError) as error:
            log.info(
                "which operations run %s called is not known: %s", run.id, error or "no answer"
            )
            return ()
        return () if look.collected.notes else tuple(look.collected.facts)

    def _of(self, run: Run) -> tuple[Matcher, ...]:
        label = self._config.runs.label
        return (Matcher(label, "=", run.selector),) if label and run.selector else ()
