"""The latest values over the table's rows, and whose they are, as arrays."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np

from anomalyd.detectors.base import Mask
from anomalyd.judgement.silences import Silence, silenced
from anomalyd.judgement.steady import LOOK_BACK, steady
from anomalyd.model import LOAD_SIGNAL, Batch, Floats, Gauge, Rows
from anomalyd.signals.table import SignalTable


class Board:
    """observed, counts float64[n]: of the latest tick, NaN where absent. is_load bool[n]. stuck
    bool[n]: what is observed is an old value.

    A run's series carry its selector in `run_label`; without a run label all rows are of ''.
    """

    def __init__(self, table: SignalTable, run_label: str | None) -> None:
        self._table, self._run_label = table, run_label
        self.observed: Floats = np.zeros(0)
        self.counts: Floats = np.zeros(0)
        self.is_load: Mask = np.zeros(0, dtype=bool)
        self.stuck: Mask = np.zeros(0, dtype=bool)
        self.unanswered: list[str] = []
        self.duplicates: list[tuple[int, str, str]] = []
        self.has_load = any(signal.name == LOAD_SIGNAL for signal in table.signals)
        self._answered = np.zeros(len(table.signals), dtype=bool)
        steady = [s.is_rate or isinstance(s.definition, Gauge) for s in table.signals]
        self._steady = np.array(steady, dtype=bool)
        self._services: dict[str, int] = {}
        self._service: Rows = np.zeros(0, dtype=np.intp)
        self._named: Mask = np.zeros(0, dtype=bool)
        self._known_services: Rows = np.zeros(0, dtype=np.intp)
        self._recent: dict[str, deque[float]] = {}
        self._selectors: dict[str, int] = {}
        self._selector: Rows = np.zeros(0, dtype=np.intp)
        self._silences: tuple[Silence, ...] = ()
        self._quiet: tuple[float, Mask] = (-np.inf, np.zeros(0, dtype=bool))

    def __len__(self) -> int:
        return len(self._service)

    def grown(self) -> bool:
        """Take in rows that are new in the table; whether there were any."""
        known, table = len(self._service), self._table
        if known == len(table):
            return False
        label = self._run_label
        services = [
            self._services.setdefault(s, len(self._services)) for s in table.services[known:]
        ]
        values = [labels.get(label) if label else "" for labels in table.labels[known:]]
        selectors = [self._selectors.setdefault(v, len(self._selectors)) for v in values]
        self._service = np.append(self._service, services).astype(np.intp)
        self._selector = np.append(self._selector, selectors).astype(np.intp)
        self._named = self._service != self._services.get("", -1)
        pairs = np.unique(np.stack([self._selector, self._service])[:, self._named], axis=1)
        self._known_services = np.bincount(pairs[0], minlength=len(self._selectors))
        loads = [i for i, signal in enumerate(table.signals) if signal.name == LOAD_SIGNAL]
        self.is_load = np.isin(table.signal_index, loads)
        self.stuck = np.pad(self.stuck, (0, len(table) - known))
        self._quiet = (-np.inf, self._quiet[1])
        return True

    def lay(self, batch: Batch) -> None:
        """What did not arrive is absent, not old."""
        self.observed, self.counts = np.full(len(self), np.nan), np.full(len(self), np.nan)
        self.observed[batch.rows] = batch.values
        self.counts[batch.rows] = batch.counts
        self._answered = np.array(
            [s.name in batch.answered for s in self._table.signals], dtype=bool
        )
        self.unanswered = sorted({s.name for s in self._table.signals} - batch.answered)
        keys = self._table.keys
        self.duplicates = [(row, keys[row], detail) for row, detail in batch.duplicates]

    def loads(self, capacity: float) -> dict[str, float]:
        """Offered load per unit of capacity of each selector that has one."""
        names = list(self._selectors)
        rows = np.flatnonzero(self.is_load)
        return {names[self._selector[row]]: float(self.observed[row]) / capacity for row in rows}

    def steady_loads(self, capacity: float, window: float) -> dict[str, float]:
        """As `loads`, without the jitter of the window's own count."""
        found = {}
        for name, load in self.loads(capacity).items():
            recent = self._recent.setdefault(name, deque(maxlen=LOOK_BACK + 1))
            recent.append(load)
            found[name] = steady(tuple(recent), capacity * window)
        return found

    def begin(self, selector: str) -> None:
        """A run begins: its loads are averaged with none from before it."""
        whole = not self._run_label or not selector
        kept = () if whole else [item for item in self._recent.items() if item[0] != selector]
        self._recent = dict(kept)

    @property
    def recent(self) -> dict[str, list[float]]:
        """The latest loads of each selector, for a snapshot."""
        return {name: list(loads) for name, loads in self._recent.items()}

    def recall(self, recent: Mapping[str, Sequence[float]]) -> None:
        """What `recent` gave."""
        self._recent = {name: deque(loads, LOOK_BACK + 1) for name, loads in recent.items()}

    def spread(self, by_selector: dict[str, float]) -> Floats:
        """A value per selector as float64[n] over rows, NaN where it has none."""
        values = np.array([by_selector.get(name, np.nan) for name in self._selectors])
        return values[self._selector] if len(values) else np.zeros(0)

    def rows_of(self, selector: str) -> Rows:
        if not self._run_label or not selector:
            return np.arange(len(self))
        return np.flatnonzero(self._selector == self._selectors.get(selector, -1))

    @property
    def present(self) -> Mask:
        """bool[n]: rows with a value that is new."""
        return np.isfinite(self.observed) & ~self.stuck

    def answered(self) -> Mask:
        """bool[n]: if the row is absent now, its service has stopped sending it.

        Its signal was evaluated and something of its run reports, or it is telemetry that failed.
        Either its whole service is silent, or the signal is one that is there without traffic
        (a rate, a gauge) and other series of it go on: what vanishes everywhere at once is an
        exporter.
        """
        present = self.present
        index = self._table.signal_index
        alone, reporting = self._of(present, index)
        lives = self._of(present, np.zeros_like(index))[1] > 0
        silent = self.silent() & ~self._all_silent(present)
        steady = self._steady[index] & ((reporting > 0) | (alone == 1))
        return self._answered[index] & lives & (silent | steady)

    def silent(self) -> Mask:
        """bool[n]: rows whose whole service has no value."""
        return self._of(self.present, self._service)[1] == 0

    def _all_silent(self, present: Mask) -> Mask:
        """bool[n]: rows of selectors of whose services, two or more, none reports: what fails all
        of them at once is what collects them."""
        there = self._of(present & self._named, np.zeros_like(self._service))[1]
        return (there == 0) & (self._known_services[self._selector] > 1)

    def vanished(self, rows: Rows) -> list[str]:
        """Signals of two series or more among `rows` of which none has a value, though asked."""
        index, signals = self._table.signal_index[rows], self._table.signals
        size = np.bincount(index, minlength=len(signals))
        there = np.bincount(index, weights=self.present[rows], minlength=len(signals))
        gone = (size > 1) & (there == 0) & self._answered & (there.sum() > 0)
        return sorted(signals[i].name for i in np.flatnonzero(gone))

    def _of(self, present: Mask, group: Rows) -> tuple[Floats, Floats]:
        """Of each row's group within its selector: how many rows, and how many have a value."""
        size = int(group.max(initial=0)) + 1
        of = self._selector * size + group
        count = np.bincount(of, minlength=1)
        return count[of], np.bincount(of, weights=present, minlength=1)[of]

    def quiet(self, silences: Sequence[Silence], time: float) -> Mask:
        """bool[n]: silenced rows; worked out anew when silences, rows or an expiry change it."""
        due, mask = self._quiet
        if tuple(silences) != self._silences or time >= due or len(mask) != len(self):
            self._silences = tuple(silences)
            table = self._table
            names = (table.signals[i].name for i in table.signal_index.tolist())
            series = list(zip(names, table.labels, strict=True)) if silences else []
            mask = silenced(silences, series, time)[0] if series else np.zeros(len(self), bool)
            due = min((s.until for s in silences if s.until > time), default=np.inf)
            self._quiet = (due, mask)
        return mask
