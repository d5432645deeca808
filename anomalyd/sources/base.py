"""What a source is. Registry: `SOURCES` in `anomalyd/sources/__init__.py`."""

from __future__ import annotations

from typing import Protocol

from anomalyd.model import Batch


class Source(Protocol):
    """Where one environment's signal values come from.

    Life cycle: the daemon awaits `start` once (it connects, discovers, and may raise
    `SourceError` for what only the user can mend), keeps `run` as a task for background work
    (scraping, rediscovery), and awaits `collect` at every tick. `stop` is awaited once, after
    `run` was cancelled. A source catches a named set of network errors, counts them, logs the
    transition once each way and goes on; any other exception is a bug and ends the process.
    """

    name: str

    async def start(self) -> None: ...

    async def run(self) -> None: ...

    async def collect(self, time: float) -> Batch:
        """The values of all signals over (time - window, time], with what could be had."""
        ...

    async def stop(self) -> None: ...


class SourceError(Exception):
    """One sentence for the user: which system, what is wrong, how to mend it."""
