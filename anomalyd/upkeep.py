"""Keeps the baseline fresh while the daemon runs."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from anomalyd.config import Config
from anomalyd.refresh import baseline_path, refit_apart
from anomalyd.session import Session

log = logging.getLogger(__name__)

AGAIN_SECONDS = 60.0
"""After a fit that failed."""
LOOK_SECONDS = 1.0


class Upkeep:
    """Fits in a child process, which asks production politely; never while a run is under way.

    A baseline that is refused (another window, damaged) is fitted anew at once. trouble: why the
    last fit failed, one sentence, or None. fitted: set after the first fit, however it went.
    """

    def __init__(
        self,
        path: Path,
        overrides: Sequence[str],
        config: Callable[[], Config],
        session: Callable[[], Session | None],
        clock: Callable[[], float],
    ) -> None:
        self._path, self._overrides = path, tuple(overrides)
        self._config, self._session, self._clock = config, session, clock
        self._not_before = 0.0
        self.trouble: str | None = None
        self.fitted = asyncio.Event()

    async def run(self) -> None:
        while True:
            if self._due():
                await self._fit()
            await asyncio.sleep(LOOK_SECONDS)

    def _due(self) -> bool:
        session, config, now = self._session(), self._config(), self._clock()
        if session is None or not session.settled or config.environments.production is None:
            return False
        if now < self._not_before or (not session.baseline.trouble and session.runs.unfinished):
            return False
        try:
            age = now - baseline_path(config).stat().st_mtime
        except OSError:
            return True
        return bool(session.baseline.trouble) or age >= config.baseline.refresh

    async def _fit(self) -> None:
        before = self.trouble
        self.trouble = await refit_apart(self._path, self._overrides)
        if self.trouble and _gist(self.trouble) != _gist(before):
            log.warning("baseline: %s", self.trouble)
        elif not self.trouble:
            log.log(logging.WARNING if before else logging.INFO, "baseline: fitted")
        session, refresh = self._session(), self._config().baseline.refresh
        if session is not None:
            session.read_baseline()
        wait = min(AGAIN_SECONDS, refresh) if self.trouble else refresh
        self._not_before = self._clock() + wait
        self.fitted.set()


def _gist(sentence: str | None) -> str:
    """Without its numbers, which may be times."""
    return re.sub(r"\d+", "0", sentence or "")
