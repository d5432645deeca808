"""Series of spans grouped as a signal wants them: by its labels, and by run where runs have one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from anomalyd.model import Floats, Labels, Rows
from anomalyd.signals.traces.names import Edges, Operations
from anomalyd.spans import Flags


class Groups:
    """Which group each series is in, -1 for none; groups are numbered as they come.

    service: only series of this one (for edges: of this caller).
    """

    def __init__(self, of: Operations | Edges, by: Sequence[str], service: str = "") -> None:
        self._series, self._by, self._service = of, tuple(by), service
        self.labels: list[Labels] = []
        self._numbers: dict[Labels, int] = {}
        self._of: list[int] = []
        self._pairs: dict[tuple[int, int], None] = {}
        self._arrays: tuple[Rows, Rows, Rows] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def extend(self) -> None:
        """Take in series that are new."""
        series = self._series
        for number in range(len(self._of), len(series)):
            labels, sender = series.labels[number], series.sender[number]
            group = -1
            if not self._service or series.name_of(number) == self._service:
                wanted = Labels(pair for pair in labels if pair[0] in self._by)
                group = self._numbers.setdefault(wanted, len(self.labels))
                if group == len(self.labels):
                    self.labels.append(wanted)
                self._pairs[group, sender] = None
            self._of.append(group)
            self._arrays = None

    def sum(self, series: Floats) -> Floats:
        """float64[groups, k] of float64[series, k]."""
        of, _, _ = self._members()
        if len(of) == len(self) and (of == np.arange(len(of))).all():
            return series
        out = np.zeros((len(self), series.shape[1]))
        inside = of >= 0
        np.add.at(out, of[inside], series[inside])
        return out

    def requests(self, asked: Floats) -> Floats:
        """float64[groups]: the requests of the services that a group is of, each service once."""
        _, groups, senders = self._members()
        total = np.bincount(groups, weights=asked[senders], minlength=len(self))
        return total.astype(np.float64)

    def any(self, heard: Flags) -> Flags:
        """bool[groups]: those of whose services any is `heard` of."""
        _, groups, senders = self._members()
        out = np.zeros(len(self), dtype=bool)
        out[groups[heard[senders]]] = True
        return out

    def _members(self) -> tuple[Rows, Rows, Rows]:
        if self._arrays is None:
            pairs = np.array(list(self._pairs), dtype=np.intp).reshape(-1, 2)
            self._arrays = np.array(self._of, dtype=np.intp), pairs[:, 0], pairs[:, 1]
        return self._arrays
