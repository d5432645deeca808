"""A mean that forgets, and the variance about it."""

from __future__ import annotations


class Average:
    """Exponentially weighted mean and variance of the values so far.

    `rows` is the number of rows of the moving window with the same mean age: the newest value
    weighs 2 / (rows + 1). At the start all values weigh the same. O(1) per value; a constant
    added to the values, however large, costs no digits of the variance.

    Reference: Finch, "Incremental calculation of weighted mean and variance", 2009.
    """

    __slots__ = ("_least", "count", "mean", "variance")

    def __init__(self, rows: float) -> None:
        self._least = 2.0 / (rows + 1.0)
        self.count = 0
        self.mean = 0.0
        self.variance = 0.0

    def learn(self, value: float) -> None:
        """Take one finite value in."""
        self.count += 1
        weight = max(self._least, 1.0 / self.count)
        step = value - self.mean
        self.mean += weight * step
        self.variance = (1.0 - weight) * (self.variance + weight * step * step)
