"""`anomalyd calibrate`: good runs judged, and what fails them in vain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from anomalyd.commands import bundles
from anomalyd.commands.calibrated import Document, Way, document
from anomalyd.commands.replaying import FALSE_FAIL, read_run, understand
from anomalyd.model import Verdict
from anomalyd.replay import judge
from anomalyd.replay.again import play
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
    """One way to judge one run. verdict: judges it when it is called."""

    run: str
    way: Way
    verdict: Callable[[], Verdict]


def judgings(inputs: Inputs, false_fail: float | None) -> list[Judging]:
    """CSVs as first runs, and with all others as accepted ones where there are any; what was
    recorded, as it was. false_fail: None: as it was recorded, else the usual one.

    Raises RecordingError, BaselineError.
    """
    twice = sorted({str(path) for path in inputs.runs if list(inputs.runs).count(path) > 1})
    if twice:
        raise RecordingError(f"{twice[0]}: is named twice; name each run once")
    of_csv = {
        "production": inputs.production,
        "baseline": inputs.baseline,
        "edges": inputs.edges,
        "signal": inputs.signals,
    }
    if bundles.are_bundles(inputs.runs, of_csv):
        return [
            Judging(str(folder), Way.RECORDED, partial(_recorded, folder, false_fail))
            for folder in inputs.runs
        ]
    return _of_csv(inputs, FALSE_FAIL if false_fail is None else false_fail)


def _recorded(folder: Path, false_fail: float | None) -> Verdict:
    with bundles.told(folder):
        return play(bundles.read(folder, false_fail)).verdict


def _of_csv(inputs: Inputs, false_fail: float) -> list[Judging]:
    runs = [(path, read_run(path)) for path in inputs.runs]
    edges = read_edges(inputs.edges) if inputs.edges is not None else {}
    known = understand(inputs.production, inputs.baseline, runs, edges, inputs.signals, len(runs))

    def verdict(at: int, way: Way) -> Verdict:
        others = [run for i, (_, run) in enumerate(runs) if i != at and way is Way.ACCEPTED]
        reference = judge.learn(known.columns, known.baseline, known.width, others, edges)
        return judge.judge(reference, runs[at][1], edges, false_fail).verdict

    ways = (Way.ACCEPTED, Way.FIRST) if len(runs) > 1 else (Way.FIRST,)
    return [
        Judging(str(path), way, partial(verdict, at, way))
        for way in ways
        for at, (path, _) in enumerate(runs)
    ]


@dataclass(frozen=True, slots=True)
class Found:
    """decisive: judged in the way `way`; first: as first runs, where that is another one."""

    way: Way
    decisive: Calibration
    first: Calibration | None
    document: Document


def calibration(done: Sequence[tuple[Judging, Verdict]], now: float) -> Found:
    """What the verdicts say, the way of the first deciding. now: unix seconds, when silences
    begin. Raises RecordingError where the runs were judged by different budgets."""
    budgets = sorted({verdict.budget for _, verdict in done})
    if len(budgets) > 1:
        raise RecordingError(
            f"the runs were recorded with chances of {budgets[0]:.2%} to {budgets[-1]:.2%} to fail "
            "in vain; name one for all with --false-fail"
        )
    way = done[0][0].way
    by = {one: [v for judging, v in done if judging.way is one] for one in Way}
    decisive = measure(by[way], budgets[0])
    first = measure(by[Way.FIRST], budgets[0]) if way is Way.ACCEPTED else None
    runs: dict[str, list[Verdict]] = {}
    for judging, verdict in done:
        runs.setdefault(judging.run, []).append(verdict)
    told = document(way, decisive, first, runs, now + SILENCED_SECONDS)
    return Found(way, decisive, first, told)
