"""What a part is: one question that is asked of a stream at every row."""

from __future__ import annotations

from typing import ClassVar, Protocol


class Part(Protocol):
    """Follows one stream from its first row on, in order; made anew for each stream."""

    name: ClassVar[str]

    def __init__(self) -> None: ...

    def follow(self, time: float, value: float) -> float:
        """The part's number at this row, given all rows before; NaN while it knows too little.

        time: unix seconds; value: finite. The number grows with the stream's unit and does not
        depend on a constant added, or grows by it: it is ranked, never compared with a constant.
        """
        ...
