"""Series that may not decide, each with a reason and an end."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anomalyd.detectors.base import Mask
from anomalyd.model import Labels, Matcher
from anomalyd.signals.selector import matches


@dataclass(frozen=True, slots=True)
class Silence:
    """`signal` is a regex for the whole name; `until` unix seconds."""

    signal: str
    matchers: tuple[Matcher, ...]
    reason: str
    until: float

    def covers(self, signal: str, labels: Labels) -> bool:
        return re.fullmatch(self.signal, signal) is not None and all(
            matches(matcher, labels.get(matcher.label)) for matcher in self.matchers
        )


def silenced(
    silences: Sequence[Silence], series: Sequence[tuple[str, Labels]], time: float
) -> tuple[Mask, list[str]]:
    """bool[n] over `series` (signal, labels), and the reason of each that is silenced ('' else)."""
    mask, reasons = np.zeros(len(series), dtype=bool), [""] * len(series)
    for silence in silences:
        if silence.until <= time:
            continue
        for row, (signal, labels) in enumerate(series):
            if not mask[row] and silence.covers(signal, labels):
                mask[row], reasons[row] = True, silence.reason
    return mask, reasons
