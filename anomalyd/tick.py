"""What one tick has to go by, and what is done of it before its time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from anomalyd.model import Batch
from anomalyd.sources.base import Source

AHEAD_SECONDS = 0.5
"""So long before its time a tick is begun: what comes then has most of it to do anew."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the environments answered for one tick; asked_at, answered_at: unix seconds.

    under_way: value of `runs.detect` by selector, None if it was not to be had. production: of
    one that is scraped.
    """

    batch: Batch
    production: Batch | None
    under_way: Mapping[str, float] | None
    asked_at: float
    answered_at: float


async def until(time: float, sources: Iterable[Source], clock: Callable[[], float]) -> None:
    """Wait for `time`, and let the sources do before what they can of its tick."""
    with suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, time - clock())):
            for source in sources:
                await source.ahead(time)
    await asyncio.sleep(max(0.0, time - clock()))
