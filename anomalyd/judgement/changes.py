"""Changes that a person accepted: what is expected of the series that they cover, and how that is
told. Never silent: each stands in the verdict of every run that it holds for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from anomalyd.judgement.fixed import Fixed
from anomalyd.model import AcceptedChange, Finding, Floats, Labels
from anomalyd.signals.selector import matches
from anomalyd.signals.table import SignalTable
from anomalyd.units import format_effect

MOST, LEAST = 4.0, -0.8
"""What all accepted changes of one series may come to."""


def covers(change: AcceptedChange, signal: str, labels: Labels) -> bool:
    return change.signal == signal and all(
        matches(matcher, labels.get(matcher.label)) for matcher in change.matchers
    )


def of_rows(changes: Sequence[AcceptedChange], table: SignalTable) -> tuple[Floats, Floats]:
    """What is accepted of each row: relative (several one after another), absolute; float64[n]."""
    names = [signal.name for signal in table.signals]
    relative, absolute = np.ones(len(table)), np.zeros(len(table))
    for change in changes:
        signal = names.index(change.signal) if change.signal in names else -1
        for row in np.flatnonzero(np.asarray(table.signal_index) == signal):
            if covers(change, change.signal, table.labels[row]):
                relative[row] *= 1 + change.relative
                absolute[row] += change.absolute
    return np.clip(relative - 1, LEAST, MOST), absolute


def expected(known: Fixed, changes: Sequence[AcceptedChange], table: SignalTable) -> Fixed:
    """What is known of every row, with what those changes add to it."""
    if not changes:
        return known
    relative, absolute = of_rows(changes, table)
    size = np.where(known.logarithmic, np.log1p(relative), relative * known.size)
    return replace(known, mean=known.mean + size, more_bad=known.more_bad + absolute)


def without(changes: Sequence[AcceptedChange], signal: str, labels: Labels, value: float) -> float:
    """A value of a series as it would be had those changes not been made."""
    for change in changes:
        if covers(change, signal, labels):
            value = max(0.0, value / (1 + change.relative) - change.absolute)
    return value


def said(change: AcceptedChange) -> str:
    """`+8% is accepted until v2.4 (run r-17: tax is looked up)`."""
    size = format_effect(change.absolute or change.relative, bool(change.absolute))
    end = f" until {change.until}" if change.until else ""
    why = f": {change.note}" if change.note else ""
    return f"{size} is accepted{end} (run {change.run}{why})"


def notes(changes: Sequence[AcceptedChange], finding: Finding) -> str:
    """What is accepted of a series, '' where nothing is."""
    found = [c for c in changes if covers(c, finding.signal, finding.labels)]
    return "; ".join(said(change) for change in found)


def reasons(changes: Sequence[AcceptedChange], findings: Sequence[Finding]) -> list[str]:
    """One sentence for each change that covers a series of the run."""
    found = []
    for change in changes:
        series = [f.series for f in findings if covers(change, f.signal, f.labels)]
        if series:
            more = f" and {len(series) - 1} more" if len(series) > 1 else ""
            found.append(f"{series[0]}{more}: {said(change)}; judged as expected")
    return found
