"""Recorded runs as what faults are put into."""

from __future__ import annotations

from collections.abc import Sequence

from anomalyd.model import LOAD_SIGNAL, Batch, Labels, Rate, Selector, Signal
from anomalyd.replay import judge
from anomalyd.replay.faults import Subject
from anomalyd.replay.infer import Columns, parse_header
from anomalyd.replay.mutate import Good
from anomalyd.replay.player import RecordedPlayer, StartedPlayer
from anomalyd.replay.recorded import RecordedRun
from anomalyd.replay.recording import Recording, RecordingError
from anomalyd.replay.windows import batches, gather, refilled
from anomalyd.signals.identity import SERVICE
from anomalyd.signals.selector import parse_selector


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


def of_bundle(name: str, recorded: RecordedRun) -> Good:
    """What `anomalyd record` saved: judged by what judged it then.

    Raises RecordingError for a run that more than one pipeline judged, LookupError for a series of
    no signal.
    """
    if len(recorded.stretches) != 1:
        raise RecordingError(
            f"{name}: its daemon was restarted or reloaded in mid-run; put faults into a run that "
            "was judged in one go"
        )
    (stretch,) = recorded.stretches
    signals = {signal.name: signal for signal in stretch.signals}
    parsed = [parse_selector(key) for key in stretch.keys]
    series = [(signals[one.metric], Labels.of(_pairs(one))) for one in parsed]
    subject = Subject(
        name=name,
        series=series,
        batches=recorded.batches,
        load=[row for row, (signal, _) in enumerate(series) if signal.name == LOAD_SIGNAL],
        callees=stretch.graph,
        entries=_entries(signals.get(LOAD_SIGNAL)),
    )
    return Good(subject, lambda fed: RecordedPlayer(recorded))


def _pairs(selector: Selector) -> dict[str, str]:
    return {matcher.label: matcher.value for matcher in selector.matchers}


def _entries(load: Signal | None) -> frozenset[str]:
    """Services whose requests are the load, where it is one rate of them."""
    if load is None or not isinstance(load.definition, Rate):
        return frozenset()
    return frozenset(_pairs(load.definition.rate).values())


def _series(columns: Columns) -> list[tuple[Signal, Labels]]:
    """Of the rows that `windows.batches` makes."""
    signals = {signal.name: signal for signal in columns.signals}
    load = (signals[LOAD_SIGNAL], Labels())
    return [load, *((signals[one.signal], one.labels) for one in columns.series)]
