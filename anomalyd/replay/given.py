"""A run as it was given to a pipeline, from a bundle or from a wide CSV."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from anomalyd import __version__
from anomalyd.replay import bundle, judge
from anomalyd.replay.recorded import Conditions, RecordedRun, Stretch, Window
from anomalyd.replay.recording import Recording, read_csv
from anomalyd.replay.windows import batches, gather


def given(
    path: Path,
    reference: judge.Reference | None = None,
    edges: judge.Edges | None = None,
    false_fail: float = 0.01,
) -> RecordedRun:
    """What `anomalyd record` saved in the folder `path`; or a wide CSV, judged by `reference`.

    `again.play` gives its verdict; `batches` of it may be replaced. Raises RecordingError.
    """
    if reference is None:
        return bundle.read(path)
    return of_csv(read_csv(path), reference, edges or {}, false_fail)


def of_csv(
    recording: Recording,
    reference: judge.Reference,
    edges: judge.Edges,
    false_fail: float = 0.01,
) -> RecordedRun:
    """What `judge.judge` gives its pipeline; there is no verdict yet."""
    windows = gather(recording, reference.columns, reference.width)
    smear = reference.smear or judge.smear_of([recording], reference.columns, reference.width)
    started = judge.start(reference, windows, smear, edges, false_fail)
    pipeline, known = started.pipeline, len(started.pipeline.table)
    begun = Conditions(started.run, (), 0, pipeline.graph.callees)
    stretch = Stretch(
        version=__version__,
        settings=pipeline.settings,
        signals=pipeline.table.signals,
        graph=pipeline.graph.callees,
        keys=tuple(pipeline.table.keys),
        known=known,
        begun=begun,
        windows=tuple(Window(b, known, begun) for b in batches(windows, reference.columns)),
    )
    ended = replace(begun, run=judge.ended(started.run, float(windows.ends[-1])))
    return RecordedRun((stretch,), (pipeline.judged_by,), ended)
