"""Whether the environments' servers tell the time that we have."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from anomalyd.query import QueryError
from anomalyd.sources.base import Side
from anomalyd.sources.discovery import SKEW_SECONDS, clock_skew
from anomalyd.units import format_duration

log = logging.getLogger(__name__)


async def apart(sides: Iterable[Side], clock: Callable[[], float]) -> list[str]:
    """A sentence for each whose clock is certainly off; clock: ours, unix seconds."""
    told = []
    for side in sides:
        if side.api is None or side.trouble:
            continue
        try:
            skew = await clock_skew(side.api, clock)
        except QueryError as error:
            log.debug("%s does not tell its time: %s", side.name, error)
            continue
        if skew.certain > SKEW_SECONDS:
            ahead = "ahead of" if skew.seconds > 0 else "behind"
            off = format_duration(round(abs(skew.seconds)))
            told.append(f"{side.name}: its clock is {off} {ahead} ours; synchronise both with NTP")
    return told
