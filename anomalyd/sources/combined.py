"""The sources of one environment as one: each signal is answered by one of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

import numpy as np

from anomalyd.model import Batch
from anomalyd.sources.base import Side, Source


class Combined:
    """A `Source` over `parts`, by the section that asks for each; life cycle in `sources.base`.

    The parts answer disjoint signals of one table, so that their batches are laid side by side.
    """

    def __init__(self, side: Side, parts: Mapping[str, Source]) -> None:
        self.name = side.name.value
        self.side = side
        self.parts = dict(parts)

    async def start(self) -> None:
        for part in self.parts.values():
            await part.start()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for section, part in self.parts.items():
                tasks.create_task(part.run(), name=f"{self.name}-{section}")

    @property
    def late(self) -> float:
        """Seconds that a tick waits at most for what is to come."""
        sections = (getattr(self.side.config, section) for section in self.parts)
        return max(getattr(section, "late", 0.0) for section in sections)

    async def ahead(self, time: float) -> None:
        for part in self.parts.values():
            await part.ahead(time)

    async def arrived(self, time: float) -> None:
        for part in self.parts.values():
            await part.arrived(time)

    async def collect(self, time: float) -> Batch:
        if len(self.parts) == 1:
            return await next(iter(self.parts.values())).collect(time)
        async with asyncio.TaskGroup() as tasks:
            asked = [
                tasks.create_task(part.collect(time), name=f"{self.name}-{section}-collect")
                for section, part in self.parts.items()
            ]
        return _beside(time, [one.result() for one in asked])

    def troubles(self) -> list[str]:
        return [one for part in self.parts.values() for one in part.troubles()]

    async def returned(self) -> bool:
        """Of the parts that were away."""
        for part in self.side.parts or (self.side,):
            if part.away and await self.parts[part.section].returned():
                return True
        return False

    def news(self) -> Side | None:
        fresh = {section: part.news() for section, part in self.parts.items()}
        if not any(fresh.values()):
            return None
        parts = self.side.parts or (self.side,)
        return together([fresh[part.section] or part for part in parts])

    async def stop(self) -> None:
        for part in reversed(list(self.parts.values())):
            await part.stop()


async def arrived(sources: Iterable[Combined], time: float, patience: float) -> None:
    """Wait until all that is to come up to `time` has come, `patience` seconds at most."""
    with suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, patience)):
            for source in sources:
                await source.arrived(time)


def _beside(time: float, batches: list[Batch]) -> Batch:
    return Batch(
        time,
        np.concatenate([one.rows for one in batches]),
        np.concatenate([one.values for one in batches]),
        np.concatenate([one.counts for one in batches]),
        frozenset().union(*(one.answered for one in batches)),
        tuple(pair for one in batches for pair in one.duplicates),
        next((one.traced for one in batches if one.traced is not None), None),
    )


def together(sides: Sequence[Side]) -> Side:
    """What an environment has, over all its sources."""
    if len(sides) == 1:
        return sides[0]
    metrics: dict[str, frozenset[str]] = {}
    for side in sides:
        for name, labels in side.metrics.items():
            metrics[name] = metrics.get(name, frozenset()) | labels
    first = sides[0]
    return Side(
        first.name,
        first.config,
        next((side.api for side in sides if side.api is not None), None),
        metrics,
        max((side.interval for side in sides if side.interval), default=None),
        "; ".join(side.trouble for side in sides if side.trouble),
        any(side.away for side in sides),
        parts=tuple(sides),
        described={name: told for side in reversed(sides) for name, told in side.described.items()},
    )
