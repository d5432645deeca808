"""Recorded runs as what faults are put into."""

from __future__ import annotations

from collections.abc import Sequence

from anomalyd.model import LOAD_SIGNAL, Batch, Labels, Signal
from anomalyd.replay import judge
from anomalyd.replay.faults import Subject
from anomalyd.replay.infer import Columns, parse_header
from anomalyd.replay.mutate import Good
from anomalyd.replay.player import StartedPlayer
from anomalyd.replay.recording import Recording
from anomalyd.replay.windows import batches, gather, refilled
from anomalyd.signals.identity import SERVICE


def of_recording(
    name: str,
    recording: Recording,
    reference: judge.Reference,
    edges: judge.Edges,
    false_fail: float,
) -> Good:
    """A wide CSV. Without accepted runs the capacity is learned anew from the run as it is fed."""
    columns = reference.columns
    windows = gather(recording, columns, reference.width)
    smear = reference.smear or judge.smear_of([recording], columns, reference.width)

    def start(fed: Sequence[Batch]) -> StartedPlayer:
        started = judge.start(reference, refilled(windows, fed), smear, edges, false_fail)
        return StartedPlayer(started, reference.baseline)

    subject = Subject(
        name=name,
        series=_series(columns),
        batches=batches(windows, columns),
        load=[0],
        callees=edges,
        entries=frozenset(parse_header(key)[1].get(SERVICE) for key in columns.load) - {""},
    )
    return Good(subject, start)


def _series(columns: Columns) -> list[tuple[Signal, Labels]]:
    """Of the rows that `windows.batches` makes."""
    signals = {signal.name: signal for signal in columns.signals}
    load = (signals[LOAD_SIGNAL], Labels())
    return [load, *((signals[one.signal], one.labels) for one in columns.series)]
