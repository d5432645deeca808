"""Was there a load test at all? Read off the load, once the run is over."""

from __future__ import annotations

import numpy as np

from anomalyd.judgement.phases import IDLE
from anomalyd.judgement.record import Record
from anomalyd.model import Integrity
from anomalyd.units import format_duration

MOST_IDLE = 0.4
"""Of the windows of a run: with less load than that the test did not do what it set out to."""

UPPER = 85
"""Percentile of the load while there was any that tells what the test works at: above the level of
a generator that stalls most of the time, below a spike's."""


NEVER_CAME = 0.05
"""Of the least load that is known: below it there was no test to speak of."""


def breakdown(record: Record, since: float, window: float, least: float = 0.0) -> Integrity | None:
    """What was wrong with the generator from `since` (the end of the warm-up) on, None if nothing.

    A generator that never started, hardly did, stopped early, or stalled again and again; windows
    in which the load is not known are not held against it. least: load that is ordinary at the
    quietest, 0 if not known.
    """
    times, loads = np.array(record.times), np.array(record.loads)
    known = np.isfinite(loads) & (times > since)
    if not known.any():
        return None
    working = loads[np.isfinite(loads) & (loads > 0)]
    usual = float(np.percentile(working, UPPER)) if working.size else 0.0
    hardly = usual <= NEVER_CAME * least
    idle = known & ((loads <= IDLE * usual) | hardly)
    if idle.sum() <= MOST_IDLE * known.sum():
        return None
    start, end = float(times[idle][0] - window), float(times[idle][-1])
    if not usual > 0:
        detail = "no load was seen at the entry"
    elif hardly:
        detail = (
            f"the load never came: {usual:.3g} req/s at the most, per unit of capacity, and no "
            f"less than {least:.3g} is known from before"
        )
    else:
        lasted = format_duration(float(idle.sum()) * window)
        detail = f"the load all but ceased for {lasted}: the generator stopped or stalled"
    return Integrity("no-load", "load", start, end, detail, breaks_run=True)
