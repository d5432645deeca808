"""What the hour and the kind of day add to what the load explains: a table of hours, read by time.

Hours are of UTC: where people's clocks change, the table is an hour off until history has turned
over, by no more than neighbouring hours differ. A weekend is Saturday and Sunday.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomalyd.model import Floats, Rows

HOURS = 24
SLOTS = 2 * HOURS
"""Hours of a weekday, then of a day at the weekend."""

STEEP = 0.25
"""Neighbouring hours of a sine differ by an eighth of what it varies by."""

EARLY = 300.0
"""Seconds by which what recurs may come before its hour, or last beyond it."""

CLOCK = 1e8
"""Unix seconds below this are counted from some start of their own, and tell no hour."""

HOUR, DAY, WEEK = 3600.0, 86400.0, 7 * 86400.0

_MONDAY = 4 * DAY
"""1970-01-01 was a Thursday: the first Monday began then."""


def slots(times: Floats) -> Rows:
    """The slot that each time lies in: intp[t] of float64[t], unix seconds."""
    hour = np.floor(times / HOUR) % HOURS
    weekend = (times - _MONDAY) % WEEK >= 5 * DAY
    return np.asarray(hour + HOURS * weekend, dtype=np.intp)


class HourTable:
    """What each hour adds to n series, of float[SLOTS, n]; nothing where it has no columns.

    Between the middles of two hours it is linear, as what follows the sun or people is; where they
    differ by more than STEEP of all that the series varies by, it changes at the full hour, as what
    follows a timetable does.
    """

    def __init__(self, table: NDArray[np.floating[Any]]) -> None:
        self._table = table
        self._steep = STEEP * np.ptp(np.pad(table, ((0, 1), (0, 0))), axis=0)

    def at_times(self, times: Floats) -> Floats:
        """float64[n, t] at float64[t], unix seconds."""
        before = times - HOUR / 2
        share = before % HOUR / HOUR
        left, right = self._table[slots(before)].T, self._table[slots(before + HOUR)].T
        abrupt = np.abs(right - left) > self._steep[:, np.newaxis]
        part = np.where(abrupt, share >= 0.5, share)
        return np.asarray(left + part * (right - left), dtype=np.float64)

    def at(self, time: float, rows: Rows) -> Floats:
        """float64[len(rows)]; 0 where the time is not known or no clock's."""
        if not self._table.shape[1] or not math.isfinite(time) or time < CLOCK:
            return np.zeros(len(rows))
        before, one = np.array([time - HOUR / 2]), self._table[:, rows]
        share = float(before[0] % HOUR / HOUR)
        left, right = one[slots(before)[0]], one[slots(before + HOUR)[0]]
        part = np.where(np.abs(right - left) > self._steep[rows], share >= 0.5, share)
        return np.asarray(left + part * (right - left), dtype=np.float64)


class Recurring:
    """What comes back in each hour, of float[HOURS, n]; nothing where it has no columns."""

    def __init__(self, table: NDArray[np.floating[Any]]) -> None:
        self._table = table

    def at(self, time: float, rows: Rows) -> Floats:
        """float64[len(rows)], what goes farther of the hours within EARLY of the time; 0 where the
        time is not known or no clock's."""
        if not self._table.shape[1] or not math.isfinite(time) or time < CLOCK:
            return np.zeros(len(rows))
        before, after = (
            self._table[int((time + aside) // HOUR % HOURS)][rows] for aside in (-EARLY, EARLY)
        )
        farther = np.where(np.abs(before) > np.abs(after), before, after)
        return np.asarray(farther, dtype=np.float64)


def named(time: float) -> str:
    """`14 h UTC on weekdays`, or `at weekends`."""
    slot = int(slots(np.array([time]))[0])
    return f"{slot % HOURS} h UTC {'on weekdays' if slot < HOURS else 'at weekends'}"
