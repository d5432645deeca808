"""Systems that keep an environment's traces, as sources reach them."""

from __future__ import annotations

from contextlib import AsyncExitStack

from anomalyd.clients.asking import Asker, connect
from anomalyd.config import JaegerSpans, TempoMetrics
from anomalyd.query import QueryError
from anomalyd.sources.base import SourceError


async def reach(where: str, settings: TempoMetrics | JaegerSpans, stack: AsyncExitStack) -> Asker:
    """where: the section that the settings are of. Nothing is asked yet. Raises SourceError where
    a secret or certificate cannot be read."""
    limit = settings.body_limit
    try:
        return await connect(where, settings, settings.url, stack, limit, f"{where}.body_limit")
    except QueryError as error:
        raise SourceError(str(error)) from error
