"""Waiting that something else may end."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def unless(event: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """What `work` yields; None, and `work` cancelled, where the event comes first.

    What `work` raises comes in an exception group.
    """
    async with asyncio.TaskGroup() as tasks:
        working = tasks.create_task(work, name="work")
        woken = tasks.create_task(event.wait(), name="wake")
        await asyncio.wait((working, woken), return_when=asyncio.FIRST_COMPLETED)
        woken.cancel()
        working.cancel()
    return None if working.cancelled() else working.result()


async def within(event: asyncio.Event, seconds: float) -> bool:
    """Whether the event is set, now or within so long."""
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            await event.wait()
    except TimeoutError:
        pass
    return event.is_set()


def next_due(now: float, step: float, last: float | None, late: float = 0.0) -> float:
    """When the next tick is due: a multiple of `step` after `now`, unix seconds.

    A tick that comes late is skipped, not caught up, unless it is `late` because ticks wait so long
    for samples. last: the one before, None at the beginning; it does not come again, unless the
    clock was put back.
    """
    upcoming = math.floor(now / step + 1) * step
    if last is None or last > upcoming:
        return upcoming
    return max(last + step, math.floor((now - late) / step + 1) * step)
