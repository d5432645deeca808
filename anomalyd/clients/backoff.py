"""When a server that failed is asked again."""

from __future__ import annotations

import random
from collections.abc import Callable

from anomalyd.query import QueryError

FIRST_SECONDS, MOST_SECONDS = 5.0, 120.0


class Backoff:
    """Twice as long after each failure, less up to half of it, or as long as the server says."""

    def __init__(self, share: Callable[[], float] = random.random) -> None:
        self._share = share
        self._failures, self._until = 0, 0.0

    def waits(self, now: float) -> bool:
        """Whether it is too early to ask; now: unix seconds."""
        return now < self._until

    def failed(self, error: QueryError, now: float) -> None:
        wait = min(FIRST_SECONDS * 2.0**self._failures, MOST_SECONDS)
        self._failures = min(self._failures + 1, 16)
        self._until = now + max(wait * (1 - self._share() / 2), error.retry_after or 0.0)

    def answered(self) -> None:
        self._failures, self._until = 0, 0.0
