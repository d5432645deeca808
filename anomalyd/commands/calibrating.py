"""`anomalyd calibrate`: good runs judged, and what fails them in vain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from anomalyd.commands.calibrated import Document, document
from anomalyd.commands.replaying import read_run, understand
from anomalyd.model import Verdict
from anomalyd.replay import judge
from anomalyd.replay.calibrate import Calibration, measure
from anomalyd.replay.edges import read_edges
from anomalyd.replay.recording import RecordingError

SILENCED_SECONDS = 30 * 86400.0
"""For how long a silence that is proposed holds."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """Paths: runs known to be good, production's history or a baseline fitted to it, the graph.
    signals: overrides as `name:key=value,…`."""

    runs: Sequence[Path]
    production: Path | None
    baseline: Path | None
    edges: Path | None
    signals: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Judging:
    """One way to judge one run: with what the others teach, or as a first run, of which none is
    known to be good yet. verdict: judges it when it is called."""

    run: str
    taught: bool
    verdict: Callable[[], Verdict]


def judgings(inputs: Inputs, false_fail: float) -> list[Judging]:
    """Each run as a first run, and with all others as accepted ones where there are any.

    Raises RecordingError, BaselineError.
    """
    twice = sorted({str(path) for path in inputs.runs if list(inputs.runs).count(path) > 1})
    if twice:
        raise RecordingError(f"{twice[0]}: is named twice; name each run once")
    runs = [(path, read_run(path)) for path in inputs.runs]
    edges = read_edges(inputs.edges) if inputs.edges is not None else {}
    known = understand(inputs.production, inputs.baseline, runs, edges, inputs.signals, len(runs))

    def verdict(at: int, taught: bool) -> Verdict:
        others = [run for i, (_, run) in enumerate(runs) if i != at and taught]
        reference = judge.learn(known.columns, known.baseline, known.width, others, edges)
        return judge.judge(reference, runs[at][1], edges, false_fail).verdict

    ways = (True, False) if len(runs) > 1 else (False,)
    return [
        Judging(str(path), taught, partial(verdict, at, taught))
        for taught in ways
        for at, (path, _) in enumerate(runs)
    ]


@dataclass(frozen=True, slots=True)
class Found:
    """decisive: with the other runs as accepted ones; as first runs where there is one only, and
    `first` is None then."""

    decisive: Calibration
    first: Calibration | None
    document: Document


def calibration(done: Sequence[tuple[Judging, Verdict]], false_fail: float, now: float) -> Found:
    """What the verdicts say. now: unix seconds, when silences begin."""
    taught = [verdict for judging, verdict in done if judging.taught]
    alone = [verdict for judging, verdict in done if not judging.taught]
    decisive = measure(taught or alone, false_fail)
    first = measure(alone, false_fail) if taught and alone else None
    runs: dict[str, list[Verdict]] = {}
    for judging, verdict in done:
        runs.setdefault(judging.run, []).append(verdict)
    return Found(decisive, first, document(decisive, first, runs, now + SILENCED_SECONDS))
