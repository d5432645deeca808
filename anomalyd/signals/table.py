"""Names to rows: signal series for everything that judges, raw series for what comes in."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import numpy as np

from anomalyd import telemetry
from anomalyd.model import Labels, Rows, Signal

log = logging.getLogger(__name__)


class SignalTable:
    """All signal series; rows are given in order of arrival and never taken back.

    `keys` are unique: `signal{labels}`. `refused` counts requests for rows over `limit`.
    """

    def __init__(self, signals: Sequence[Signal], limit: int) -> None:
        self.signals = tuple(signals)
        self.limit = limit
        self.refused = 0
        self.keys: list[str] = []
        self.labels: list[Labels] = []
        self.services: list[str] = []
        self._index = np.empty(1024, dtype=np.intp)
        self._rows: list[dict[Labels, int]] = [{} for _ in self.signals]
        self._by_key: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def signal_index(self) -> Rows:
        """intp[n]: which of `signals` each row belongs to (a view, valid until the next `row`)."""
        return self._index[: len(self.keys)]

    def row(self, signal_index: int, labels: Labels) -> int:
        """The row of a signal series, made if new; -1 if the table is full."""
        known = self._rows[signal_index].get(labels)
        return known if known is not None else self._add(signal_index, labels)

    def add(self, signal: str, labels: Labels) -> int:
        """As `row`, by the signal's name; -1 also if there is no such signal."""
        names = [one.name for one in self.signals]
        return self.row(names.index(signal), labels) if signal in names else -1

    def row_of(self, key: str) -> int:
        """The row of `signal{labels}`, -1 if there is none."""
        return self._by_key.get(key, -1)

    def _add(self, signal_index: int, labels: Labels) -> int:
        row = len(self.keys)
        if row >= self.limit:
            self.refused = _refuse("series", self.limit, self.refused)
            return -1
        if row >= len(self._index):
            self._index = np.resize(self._index, 2 * len(self._index))
        key = f"{self.signals[signal_index].name}{labels}"
        self._index[row] = signal_index
        self._rows[signal_index][labels] = self._by_key[key] = row
        self.keys.append(key)
        self.labels.append(labels)
        self.services.append(self.signals[signal_index].service(labels))
        return row


class SeriesTable:
    """Raw series: the bytes under which a sender names a series, to its row, in one lookup.

    `rows` may be read directly in hot loops. A key is taken in only after it parsed as labels. The
    row of a forgotten series has no labels, and is given to the next one.
    """

    def __init__(self, limit: int, label_bytes: int = 4096) -> None:
        self.limit = limit
        self.label_bytes = label_bytes
        self.refused = 0
        self.rows: dict[bytes, int] = {}
        self.labels: list[Labels] = []
        self._free: list[int] = []
        self._given: list[int] = []

    def __len__(self) -> int:
        """Of the series that are known."""
        return len(self.labels) - len(self._free)

    def given(self) -> list[int]:
        """Rows that series were given since the last call."""
        given, self._given = self._given, []
        return given

    def forget(self, rows: Rows) -> None:
        """Known rows become free."""
        gone = frozenset(rows.tolist())
        self.rows = {key: row for key, row in self.rows.items() if row not in gone}
        for row in gone:
            self.labels[row] = Labels()
        self._free += sorted(gone, reverse=True)

    def row(self, key: bytes, parse: Callable[[bytes], Labels]) -> int:
        """The row of `key`, made if new; -1 (counted at every offer) if it is over a limit.

        `parse` is called for an unseen key only; what it raises goes through, and nothing is kept.
        """
        known = self.rows.get(key)
        if known is not None:
            return known
        if len(key) > self.label_bytes:
            self.refused = _refuse("label_bytes", self.label_bytes, self.refused)
            return -1
        if len(self) >= self.limit:
            self.refused = _refuse("raw_series", self.limit, self.refused)
            return -1
        labels = parse(key)
        if self._free:
            row = self._free.pop()
            self.labels[row] = labels
        else:
            row = len(self.labels)
            self.labels.append(labels)
        self.rows[key] = row
        self._given.append(row)
        return row


def _refuse(setting: str, limit: int, refused: int) -> int:
    telemetry.series_refused.add(1, {"limit": setting})
    if not refused:
        log.warning(
            "limits.%s (%d) is reached: further series are refused; raise it", setting, limit
        )
    return refused + 1
