"""What is done of a tick before its time."""

from __future__ import annotations

import asyncio
import time

from anomalyd.tick import until


class Slow:
    """Works ahead for so long."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.asked, self.done = seconds, 0.0, False

    async def ahead(self, time: float) -> None:
        self.asked = time
        await asyncio.sleep(self.seconds)
        self.done = True


async def test_sources_work_ahead_one_after_the_other_and_a_tick_is_not_early():
    first, second = Slow(0.0), Slow(0.0)
    due = time.time() + 0.1
    await until(due, [first, second], time.time)
    assert time.time() >= due - 1e-3
    assert (first.asked, first.done, second.done) == (due, True, True)


async def test_a_source_that_is_not_done_by_the_time_is_left_off():
    slow = Slow(60.0)
    due = time.time() + 0.05
    await asyncio.wait_for(until(due, [slow], time.time), 30)
    assert not slow.done


async def test_where_the_time_is_over_nothing_is_waited_for():
    slow = Slow(60.0)
    await asyncio.wait_for(until(time.time() - 5, [slow], time.time), 30)
    assert not slow.done
