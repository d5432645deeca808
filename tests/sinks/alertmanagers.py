"""An Alertmanager sink, and what a receiver in the place of Alertmanager heard of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from anomalyd import config
from anomalyd.sinks.alertmanager import Alertmanager
from anomalyd.sinks.base import (
    Context,
    IncidentChanged,
    Notice,
)
from tests.fakes.receiver import Receiver
from tests.sinks.examples import (
    a_run,
    an_incident,
    context,
)

RUN = a_run()
LIFETIME = 4 * 60.0


@asynccontextmanager
async def a_sink(
    *urls: str, within: Context | None = None, **settings: Any
) -> AsyncIterator[Alertmanager]:
    values = {"urls": urls, **settings}
    sink = Alertmanager(config.AlertmanagerSink.model_validate(values), within or context())
    await sink.start()
    yield sink
    await sink.stop()


def alerts(heard: Receiver) -> list[dict[str, Any]]:
    return [alert for request in heard.received for alert in request.json()]


def seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()


def ends(heard: Receiver) -> list[float]:
    return [seconds(alert["endsAt"]) for alert in alerts(heard)]


def changed(name: str = "i1", ended: float | None = None) -> Notice:
    return IncidentChanged(RUN, an_incident(name, ended=ended))
