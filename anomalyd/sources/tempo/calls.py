"""Who calls whom, as a Tempo tells it."""

from __future__ import annotations

import math

from anomalyd.clients.tempo import TempoClient
from anomalyd.sources.tempo.traceql import NAME, PEER, edges_query

LEAST_SECONDS = 60


async def calls_of(
    client: TempoClient, conditions: str, end: float, over: float
) -> list[tuple[str, str, float]]:
    """(client, server, calls per second), of about the last `over` seconds before `end`.

    Raises QueryError.
    """
    step = max(LEAST_SECONDS, round(over))
    last = math.ceil(end / step) * step
    found = await client.metrics(edges_query(conditions), last - 2 * step, last, step)
    pairs = [(one.labels.get(NAME, ""), one.labels.get(PEER, ""), one.values) for one in found]
    return [(a, b, max(values.values(), default=0.0)) for a, b, values in pairs if a and b]
