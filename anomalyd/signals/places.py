"""Where a raw series is in a store that holds only some of them."""

from __future__ import annotations

import numpy as np

from anomalyd.model import Rows


class Places:
    """Rows of a store, given to raw series in the order of asking; freed ones go to others."""

    def __init__(self) -> None:
        self.rows = 0
        self._place = np.full(1024, -1, dtype=np.intp)
        self._free: list[int] = []

    def row(self, raw: int) -> int:
        """The store's row of a raw series, given if new."""
        while raw >= len(self._place):
            self._place = np.append(self._place, np.full(len(self._place), -1, dtype=np.intp))
        if self._place[raw] < 0 and self._free:
            self._place[raw] = self._free.pop()
        elif self._place[raw] < 0:
            self._place[raw] = self.rows
            self.rows += 1
        return int(self._place[raw])

    def free(self, raw: Rows) -> Rows:
        """The rows that were these series', from now on free."""
        raw = raw[raw < len(self._place)]
        places = self._place[raw]
        places = places[places >= 0]
        self._place[raw] = -1
        self._free += places.tolist()
        return places

    def of(self, raw: Rows) -> Rows:
        """intp[n]: -1 where a series has none."""
        if raw.max(initial=-1) < len(self._place):
            return self._place[raw]
        known = raw < len(self._place)
        return np.where(known, self._place[np.where(known, raw, 0)], -1)
