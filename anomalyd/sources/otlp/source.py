"""Signals of one environment over the spans that are sent to us."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Protocol

from anomalyd import config
from anomalyd.config import EnvironmentConfig, OtlpSpans
from anomalyd.model import Batch, Environment, Signal
from anomalyd.push import Receiver
from anomalyd.signals.quantities import SPANS
from anomalyd.signals.traces.evaluate import SpanEvaluator
from anomalyd.signals.traces.reservoir import Reservoir
from anomalyd.signals.traces.shapes import Shapes
from anomalyd.sources.base import Make, Side, Source, Wanted
from anomalyd.sources.combined import Combined
from anomalyd.sources.otlp.receiver import Otlp
from anomalyd.sources.pushed import SILENT_SECONDS
from anomalyd.spans import Spans
from anomalyd.units import format_duration


class Evaluator(Protocol):
    def take(self, spans: Spans, now: float) -> None: ...

    def evaluate(self, time: float) -> Batch: ...

    def calls(self) -> list[tuple[str, str, float]]: ...


class SpanSource:
    """A `Source` that a receiver feeds, as its `Inlet`; life cycle in `anomalyd.sources.base`.

    What comes waits in a queue of `otlp.queue` spans at most, and is evaluated between the bodies,
    so that a burst neither fills memory nor holds up its senders. A tick sees all that came before.
    kept: a few of staging's, for its incidents.
    """

    def __init__(
        self,
        side: Side,
        evaluator: Evaluator,
        settings: OtlpSpans,
        limits: config.Otlp,
        shapes: Shapes | None = None,
        kept: Reservoir | None = None,
    ) -> None:
        self.kept = kept
        self.name = side.name.value
        self.side, self.limits, self._evaluator = side, limits, evaluator
        self.shapes = shapes
        self.ratio, self.takes = settings.sampling, frozenset(settings.environment)
        self._waiting: deque[tuple[Spans, float]] = deque()
        self._spans = 0
        self._came = asyncio.Event()
        self._now = self._heard_at = 0.0
        self._heard = False

    async def start(self) -> None:
        """Nothing to reach: senders come by themselves."""

    async def run(self) -> None:
        """Evaluate what waits, a body at a time."""
        while True:
            await self._came.wait()
            if self._waiting:  # a tick may have been quicker
                self._next()
            await asyncio.sleep(0)

    async def ahead(self, time: float) -> None:
        """Spans are evaluated as they come."""

    async def arrived(self, time: float) -> None:
        """Nothing to wait for: the evaluator reads windows that are over for long enough."""

    async def collect(self, time: float) -> Batch:
        while self._waiting:
            self._next()
        self._now = max(self._now, time)
        self._heard_at = self._heard_at or self._now
        batch = self._evaluator.evaluate(time)
        return replace(batch, answered=frozenset()) if self._silent else batch

    def calls(self) -> list[tuple[str, str, float]]:
        """(client, server, calls per second) that the spans of the last tick's window show."""
        return self._evaluator.calls()

    async def stop(self) -> None:
        """Nothing is held open; the listener is the daemon's."""

    def room(self, spans: int) -> bool:
        """An empty queue has room for any body."""
        return not self._spans or self._spans + spans <= self.limits.queue

    def take(self, spans: Spans, now: float) -> None:
        """An empty body says that its sender is there."""
        self._now = max(self._now, now)
        self._heard_at, self._heard = self._now, True
        if len(spans):
            self._waiting.append((spans, self._now))
            self._spans += len(spans)
            self._came.set()

    def news(self) -> Side | None:
        return None

    async def returned(self) -> bool:
        return False

    @property
    def _silent(self) -> bool:
        """Then what is not there says nothing of the system."""
        return self._now - self._heard_at > SILENT_SECONDS

    def troubles(self) -> list[str]:
        """That nothing comes."""
        if not self._silent:
            return []
        since = format_duration(round(self._now - self._heard_at))
        began = "the last came" if self._heard else "we began to listen"
        return [
            f"{self.name}: no spans are pushed; {began} {since} ago; look after the exporters and "
            "their OTEL_EXPORTER_OTLP_ENDPOINT"
        ]

    def _next(self) -> None:
        spans, now = self._waiting.popleft()
        self._spans -= len(spans)
        if not self._waiting:
            self._came.clear()
        self._evaluator.take(spans, now)
        if self.kept is not None:
            self.kept.take(spans, now)


def evaluates(signal: Signal) -> bool:
    """What is measured of spans."""
    return signal.measure is not None


async def look(
    name: Environment, environment: EnvironmentConfig, wanted: Wanted, _: AsyncExitStack
) -> Side:
    """Spans are there whenever somebody sends them; see `Kind`."""
    return Side(name, environment, None, {SPANS: frozenset()}, None)


def build(make: Make) -> Source:
    settings = make.side.config.otlp
    if settings is None:
        raise ValueError("the environment is sent no spans")
    wanted = make.wanted
    evaluator = SpanEvaluator(
        make.table, make.canonical, make.window, wanted.step, bounds=wanted.bounds
    )
    shapes = evaluator.store.shapes
    kept = Reservoir(make.canonical) if make.side.name is Environment.STAGING else None
    return SpanSource(make.side, evaluator, settings, make.wanted.otlp, shapes, kept)


def shapes_of(source: Combined | None) -> Shapes | None:
    """Where the traces of an environment are looked at; None where it is sent none."""
    parts = source.parts.values() if source is not None else ()
    return next((part.shapes for part in parts if isinstance(part, SpanSource)), None)


def calls_of(source: Combined) -> list[tuple[str, str, float]]:
    """Who calls whom by the spans that an environment is sent, if it is sent any."""
    parts = source.parts.values()
    return [call for part in parts if isinstance(part, SpanSource) for call in part.calls()]


def receiver(sources: Mapping[Environment, Source]) -> Receiver:
    inlets = {name: one for name, one in sources.items() if isinstance(one, SpanSource)}
    return Otlp(inlets, max(one.limits.body_limit for one in inlets.values()))
