"""When samples of each pushed series come: how often, what is still to come, what is gone."""

from __future__ import annotations

import numpy as np

from anomalyd.model import Floats, Rows
from anomalyd.signals.window import Mask, Once

ALIKE = 0.2
"""Two gaps that differ by less, relatively, are one interval."""
LIVE_INTERVALS = 2.5
"""A series without a sample for so long is no longer awaited."""
STRAGGLERS = 0.01
"""Of the series that come may be missing for a time to be complete: some come irregularly."""
FOLLOWED = 100
"""Series of a metric that tell its interval: all would be a million."""


class Arrivals:
    """Arrays over rows of the raw series table; times in unix seconds.

    The interval of a series is what two gaps in succession agree upon: a lost sample or a sender
    that was started anew changes none.
    """

    def __init__(self) -> None:
        self.last = np.zeros(1024)
        self._gap = np.full(1024, np.nan)
        self._interval = np.full(1024, np.nan)
        self._ended = np.zeros(1024, dtype=bool)
        self._followed: dict[str, list[int]] = {}
        self._once = Once()
        self._waiting: _Waiting | None = None

    def take(self, rows: Rows, timestamps: Floats, stale: Mask) -> None:
        """Any number per row, in any order; stale: which are markers of the end."""
        self._resize(int(rows.max(initial=-1)) + 1)
        unique = rows
        if not self._once.each(rows):
            order = np.lexsort((timestamps, rows))
            rows, timestamps, stale = rows[order], timestamps[order], stale[order]
            unique = rows[np.flatnonzero(np.diff(rows, prepend=-1))]
        before = _followed(rows, timestamps, self.last)
        newer = timestamps > (before := np.fmax(before, self.last[rows]))
        known = np.flatnonzero(newer & (before > 0) & ~stale)
        self._take_gaps(rows[known], timestamps[known] - before[known])
        self.last[rows[newer]] = timestamps[newer]
        self._ended[rows[newer]] = stale[newer]
        if self._waiting is not None:
            self._waiting.note(unique, *self._states(unique, self._waiting.time))

    def complete(self, time: float) -> bool:
        """Whether all that comes as usual has come up to `time`.

        Asked again of the same time it costs nothing: what comes meanwhile is counted as it does.
        """
        if self._waiting is None or self._waiting.time != time:
            self._waiting = _Waiting(time, *self._states(slice(None), time))
        done = self._waiting.awaited <= STRAGGLERS * self._waiting.live
        if done:
            self._waiting = None
        return done

    def _states(self, rows: Rows | slice, time: float) -> tuple[Mask, Mask]:
        """Which of some rows come as usual, and which of these have not come up to `time`."""
        last, interval = self.last[rows], self._interval[rows]
        live = ~self._ended[rows] & (last > time - LIVE_INTERVALS * interval)
        return live, live & (last + interval <= time)

    def follow(self, row: int, metric: str) -> None:
        """A row is of that metric; -1 is none."""
        rows = self._followed.setdefault(metric, [])
        if row >= 0 and len(rows) < FOLLOWED and row not in rows:
            self._resize(row + 1)
            rows.append(row)

    def slowest(self) -> float | None:
        """The largest of the metrics' median intervals; to a second, below one to a tenth."""
        of_metrics = [self._interval[rows] for rows in self._followed.values()]
        known = [found[np.isfinite(found)] for found in of_metrics]
        slowest = max((float(np.median(found)) for found in known if len(found)), default=None)
        if slowest is None:
            return None
        return float(round(slowest)) if slowest >= 1 else max(round(slowest, 1), 0.1)

    def idle(self, since: float) -> Rows:
        """intp[m]: rows that had samples, and none after `since`."""
        return np.flatnonzero((self.last > 0) & (self.last < since))

    def forget(self, rows: Rows) -> None:
        """They become other series'."""
        self.last[rows] = 0.0
        self._gap[rows] = self._interval[rows] = np.nan
        self._ended[rows] = False
        if self._waiting is not None:
            self._waiting.note(rows, *self._states(rows, self._waiting.time))
        gone = set(rows.tolist())
        for metric, followed in self._followed.items():
            self._followed[metric] = [row for row in followed if row not in gone]

    def _take_gaps(self, rows: Rows, gap: Floats) -> None:
        before = _followed(rows, gap, self._gap)
        agree = np.abs(gap - before) < ALIKE * gap
        self._interval[rows[agree]] = ((gap + before) / 2)[agree]
        self._gap[rows] = gap

    def _resize(self, rows: int) -> None:
        have = len(self.last)
        if rows <= have:
            return
        more = max(rows, 2 * have) - have
        unknown = np.full(more, np.nan)
        self.last = np.append(self.last, np.zeros(more))
        self._gap = np.append(self._gap, unknown)
        self._interval = np.append(self._interval, unknown)
        self._ended = np.append(self._ended, np.zeros(more, dtype=bool))
        if self._waiting is not None:
            self._waiting.resize(len(self.last))


class _Waiting:
    """How many rows come as usual and how many of them have not come up to `time`, kept true row
    by row: looking through a million with every body would cost more than the bodies."""

    def __init__(self, time: float, live: Mask, awaited: Mask) -> None:
        self.time = time
        self._live, self._awaited = live, awaited
        self.live, self.awaited = int(np.count_nonzero(live)), int(np.count_nonzero(awaited))

    def note(self, rows: Rows, live: Mask, awaited: Mask) -> None:
        """What has become of some rows, each of them once."""
        self.live += int(np.count_nonzero(live)) - int(np.count_nonzero(self._live[rows]))
        self.awaited += int(np.count_nonzero(awaited)) - int(np.count_nonzero(self._awaited[rows]))
        self._live[rows], self._awaited[rows] = live, awaited

    def resize(self, rows: int) -> None:
        more = rows - len(self._live)
        self._live, self._awaited = np.pad(self._live, (0, more)), np.pad(self._awaited, (0, more))


def _followed(rows: Rows, values: Floats, known: Floats) -> Floats:
    """float64[n]: what each value follows, of equal rows in succession; of a first, what is known
    of its row."""
    found = known[rows]
    same = rows[1:] == rows[:-1]
    found[1:][same] = values[:-1][same]
    return found
