"""What a source is. Registry: `SOURCES` in `anomalyd/sources/__init__.py`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from anomalyd.config import EnvironmentConfig, Limits
from anomalyd.model import Batch, Environment
from anomalyd.signals.identity import Canonical
from anomalyd.signals.table import SignalTable

if TYPE_CHECKING:
    from anomalyd.sources.promapi import PromApi


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

    def troubles(self) -> list[str]:
        """What does not answer now, one sentence for each; of the last `collect` or scrape."""
        ...

    async def stop(self) -> None: ...


class SourceError(Exception):
    """One sentence for the user: which system, what is wrong, how to mend it."""


@dataclass(slots=True)
class Side:
    """One environment as far as it answers. api: None where it is scraped. metrics: name →
    label names, empty if it did not answer. interval: seconds between scrapes, if known.
    trouble: why it did not answer; `away` if that may pass by itself.
    """

    name: Environment
    config: EnvironmentConfig
    api: PromApi | None
    metrics: Mapping[str, frozenset[str]]
    interval: float | None
    trouble: str = ""
    away: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look for in an environment: metrics of these names; `limits` bound what is read."""

    metrics: Callable[[str], bool]
    limits: Limits


@dataclass(frozen=True, slots=True)
class Make:
    """What a source is built with; rows of its batches belong to `table`."""

    side: Side
    table: SignalTable
    canonical: Canonical
    window: float
    limits: Limits


@dataclass(frozen=True, slots=True)
class Kind:
    """One entry of `SOURCES`. section: the setting of an environment that asks for it.

    look: ask the environment what it has; sessions go on the stack. Raises SourceError for a
    secret or certificate that cannot be read; what does not answer is a Side with `trouble`.
    """

    section: str
    look: Callable[[Environment, EnvironmentConfig, Wanted, AsyncExitStack], Awaitable[Side]]
    build: Callable[[Make], Source]
