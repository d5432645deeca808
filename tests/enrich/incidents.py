"""Incidents of one shop, and sessions to the fakes that keep its traces and lines."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from anomalyd.config import Enrich
from anomalyd.enrich.gather import Gatherer, connect
from anomalyd.model import Incident, Kind, Labels, Run, Suspect
from tests.runs import samples

START = 1_800_000_000.0
NOW = START + 600.0
RUN: Run = samples.run(started_at=START - 900.0)


def incident(*suspects: tuple[str, float], **fields: Any) -> Incident:
    """cart is slow since START, more than 240 ms, and fails."""
    slow = samples.anomaly(unit="s", high=0.24, started_at=START, fired_at=START + 60)
    failing = samples.anomaly(signal="errors", kind=Kind.ERRORS, unit="ratio", started_at=START)
    named = tuple(Suspect(service, score, "") for service, score in suspects or [("cart", 0.9)])
    given = {"started_at": START, "anomalies": (slow, failing), "suspects": named} | fields
    return samples.incident("i1", RUN.id, **given)


def of(service: str, **fields: Any) -> Any:
    labels = {"service": service, **fields.pop("labels", {})}
    return samples.anomaly(service=service, labels=Labels.of(labels), started_at=START, **fields)


@asynccontextmanager
async def gatherer(**settings: Any) -> AsyncIterator[Gatherer]:
    async with AsyncExitStack() as stack:
        yield await connect(Enrich.model_validate(settings), stack)
