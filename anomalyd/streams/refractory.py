"""One alarm per burst: a row that is no more remarkable than one shortly before it is no news."""

from __future__ import annotations

from collections import deque

SHARE = 0.02
FEWEST, MOST = 10, 400
LOUDER = 1.1
"""What is less than a tenth more is the same again."""


class Refractory:
    """Lets a number through if it is `LOUDER` than all those of the rows shortly before; else 0.

    "Shortly" is 2% of the rows seen so far, and 10 to 400 rows: who has watched for long may take
    longer to say the same again. Something worse is always told at once.

    State: the running maxima of that window, in falling order. O(1) amortised per row.
    """

    def __init__(self) -> None:
        self._rows = 0
        self._peaks: deque[tuple[int, float]] = deque()

    def news(self, evidence: float) -> float:
        """`evidence`, or 0 if the rows shortly before had as much."""
        peaks = self._peaks
        oldest = self._rows - min(max(FEWEST, SHARE * self._rows), MOST)
        while peaks and peaks[0][0] < oldest:
            peaks.popleft()
        told = bool(peaks) and LOUDER * peaks[0][1] >= evidence
        while peaks and peaks[-1][1] <= evidence:
            peaks.pop()
        peaks.append((self._rows, evidence))
        self._rows += 1
        return 0.0 if told else evidence
