"""What happens in runs, told to those who listen: one bounded queue per listener."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from anomalyd import codec, telemetry
from anomalyd.model import Enrichment, Incident, Run, Verdict


@dataclass(frozen=True, slots=True)
class Event:
    """kind: `run` (its state changed), `incident` (opened, grew or closed) or `finished`."""

    kind: str
    run_id: str
    data: dict[str, Any] = field(default_factory=dict)


def run_event(run: Run, reason: str = "") -> Event:
    return Event("run", run.id, {"run": codec.to_dict(run), "reason": reason})


def incident_event(incident: Incident, found: Enrichment | None = None) -> Event:
    return Event("incident", incident.run_id, {"incident": incident_body(incident, found)})


def incident_body(incident: Incident, found: Enrichment | None) -> dict[str, Any]:
    """An incident with its `enrichment`, null where nothing was fetched."""
    enrichment = codec.to_dict(found) if found is not None else None
    return {**codec.to_dict(incident), "enrichment": enrichment}


def finished_event(run: Run, verdict: Verdict) -> Event:
    """The verdict in short; the whole of it is at `/api/v1/runs/{id}/verdict`."""
    return Event(
        "finished",
        run.id,
        {
            "run": codec.to_dict(run),
            "outcome": verdict.outcome.value,
            "exit_code": verdict.exit_code,
            "reasons": list(verdict.reasons),
        },
    )


class Subscription:
    """The events of one run from now on, for one listener."""

    def __init__(self, run_id: str, size: int, on_overflow: Callable[[], None]) -> None:
        self.run_id = run_id
        self._queue: asyncio.Queue[Event | None] = asyncio.Queue(size)
        self._on_overflow = on_overflow

    async def get(self) -> Event | None:
        """The next event; None once the listener should go."""
        return await self._queue.get()

    def offer(self, event: Event | None) -> bool:
        """Whether there was room; if not, the listener is told to go."""
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            self._on_overflow()
            return False
        return True


class Hub:
    """The daemon publishes, streams and long polls listen. `publish` never waits: a listener that
    is `size` events behind is dropped and counted.
    """

    def __init__(self, size: int = 256) -> None:
        self._size = size
        self._subscriptions: set[Subscription] = set()
        self._closed = False

    @property
    def listeners(self) -> int:
        return len(self._subscriptions)

    def publish(self, event: Event) -> None:
        for subscription in list(self._subscriptions):
            if subscription.run_id == event.run_id and not subscription.offer(event):
                self._left(subscription)
                telemetry.api_clients_dropped.add(1)

    @contextmanager
    def subscribe(self, run_id: str, on_overflow: Callable[[], None]) -> Iterator[Subscription]:
        """`on_overflow` is called once if the listener does not keep up."""
        subscription = Subscription(run_id, self._size, on_overflow)
        if self._closed:
            subscription.offer(None)
        else:
            self._subscriptions.add(subscription)
            telemetry.api_listeners.set(self.listeners)
        try:
            yield subscription
        finally:
            self._left(subscription)

    def close(self) -> None:
        """Send every listener away, present and future ones."""
        self._closed = True
        for subscription in self._subscriptions:
            subscription.offer(None)
        self._subscriptions.clear()
        telemetry.api_listeners.set(0)

    def _left(self, subscription: Subscription) -> None:
        self._subscriptions.discard(subscription)
        telemetry.api_listeners.set(self.listeners)
