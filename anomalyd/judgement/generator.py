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


def breakdown(record: Record, since: float, window: float) -> Integrity | None:
    """What was wrong with the generator from `since` (the end of the warm-up) on, None if nothing.

    A generator that never started, stopped early, or stalled again and again; windows in which the
    load is not known are not held against it.
    """
    times, loads = np.array(record.times), np.array(record.loads)
    known = np.isfinite(loads) & (times > since)
    if not known.any():
        return None
    working = loads[np.isfinite(loads) & (loads > 0)]
    usual = float(np.percentile(working, UPPER)) if working.size else 0.0
    idle = known & (loads <= IDLE * usual)
    if idle.sum() <= MOST_IDLE * known.sum():
        return None
    start, end = float(times[idle][0] - window), float(times[idle][-1])
    if not usual > 0:
        detail = "no load was seen at the entry"
    else:
        lasted = format_duration(float(idle.sum()) * window)
        detail = f"the load all but ceased for {lasted}: the generator stopped or stalled"
    return Integrity("no-load", "load", start, end, detail, breaks_run=True)
