"""A recorded run through the ordinary pipeline, and its verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from anomalyd.baseline.lookup import Lookup
from anomalyd.baseline.profile import Baseline
from anomalyd.baseline.transfer import Golden, Transfer
from anomalyd.explain.suspects import Graph
from anomalyd.facts import Fact
from anomalyd.judgement import accepted, creep
from anomalyd.judgement.course import Course
from anomalyd.judgement.fixed import is_total
from anomalyd.model import LOAD_SIGNAL, Batch, Kind, Labels, Run, RunState, Signal, Verdict
from anomalyd.pipeline import Pipeline, Settings
from anomalyd.replay.capacity import SETTLED, SETTLED_SECONDS, capacity_ratio
from anomalyd.replay.infer import Columns, key_of
from anomalyd.replay.recording import Recording
from anomalyd.replay.smear import averaged_over
from anomalyd.replay.windows import Windows, batches, gather
from anomalyd.signals.table import SignalTable

WARMUP = 60.0
"""Seconds from the start of a run in which nothing is judged."""

MOVED_BY_CHANCE = (Kind.LATENCY, Kind.ERRORS)
FIRST_WARMUPS = (120.0, 300.0)
"""The same while staging's capacity must be learned from the run itself: until its ramp is over, in
these bounds."""

Edges = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Reference:
    """What runs are judged by. capacity: staging's per unit of production's."""

    columns: Columns
    baseline: Baseline
    width: float
    capacity: float | None
    transfer: Transfer | None
    smear: int | None
    golden: Golden | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """A run, its verdict, the course they came from, and staging's capacity per unit of
    production's."""

    run: Run
    verdict: Verdict
    course: Course
    capacity: float


@dataclass(frozen=True, slots=True)
class Started:
    """A pipeline that waits for the first window of `run`; capacity as in `Judged`."""

    pipeline: Pipeline
    run: Run
    capacity: float


def learn(
    columns: Columns,
    baseline: Baseline,
    width: float,
    runs: Sequence[Recording],
    edges: Edges,
    golden: int | None = None,
) -> Reference:
    """The reference that a baseline and accepted runs make; without any, the run to be judged
    tells its own capacity. golden: which of the runs the others are compared with."""
    if not runs:
        return Reference(columns, baseline, width, None, None, None)
    windows = [gather(run, columns, width) for run in runs]
    capacity = capacity_ratio(Lookup(baseline), columns, windows)
    smear = smear_of(runs, columns, width)
    before = Reference(columns, baseline, width, capacity, None, smear)
    records = []
    for one in windows:
        started = start(before, one, smear, edges)
        records.append(_play(started, batches(one, columns)).record)
    learned = accepted.learn(started.pipeline.reference, records, width)
    pinned = None
    if golden is not None:
        of = started.pipeline.reference
        pinned = creep.golden(of, f"accepted run {golden + 1}", records[golden], records, width)
    return Reference(columns, baseline, width, capacity, learned, smear, pinned)


def judge(
    reference: Reference,
    recording: Recording,
    edges: Edges,
    false_fail: float = 0.01,
    facts: Sequence[Fact] = (),
) -> Judged:
    """The verdict on a recorded run, causal: what fired, fired by what came before.

    facts: of both environments; what differs between them may explain a slowdown.
    """
    windows = gather(recording, reference.columns, reference.width)
    smear = reference.smear or smear_of([recording], reference.columns, reference.width)
    started = start(reference, windows, smear, edges, false_fail)
    started.pipeline.facts = tuple(facts)
    _play(started, batches(windows, reference.columns))
    return finish(started, float(windows.ends[-1]))


def start(
    reference: Reference, windows: Windows, smear: int, edges: Edges, false_fail: float = 0.01
) -> Started:
    """The pipeline that judges these windows, before the first of them. smear: over how many
    windows the values of one moment are spread."""
    warmup, capacity = WARMUP, reference.capacity
    if capacity is None:
        warmup, early = _until_settled(windows)
        capacity = capacity_ratio(Lookup(reference.baseline), reference.columns, [early])
    pipeline = _pipeline(reference, edges, false_fail, capacity, smear)
    begun = float(windows.ends[0]) - windows.width
    run = Run("replay", "replay", RunState.ACTIVE, begun, "replay", active_at=begun + warmup)
    pipeline.start_run(run)
    return Started(pipeline, run, capacity)


def finish(started: Started, end: float) -> Judged:
    """The verdict on a run whose windows were processed, over at `end` (unix seconds)."""
    run = ended(started.run, end)
    verdict, _ = started.pipeline.finish_run(run, end)
    return Judged(run, verdict, started.pipeline.courses[run.id], started.capacity)


def ended(run: Run, end: float) -> Run:
    """The run, over at `end` (unix seconds)."""
    return replace(run, state=RunState.FINISHED, stopped_at=end, finished_at=end)


def smear_of(runs: Sequence[Recording], columns: Columns, width: float) -> int:
    """Over how many windows the values of one moment are spread."""
    kinds = {signal.name: signal.kind for signal in columns.signals}
    noisy = {one.key for one in columns.series if kinds[one.signal] in MOVED_BY_CHANCE}
    headers = [h for run in runs for h in run.headers if key_of(h) in noisy]
    return max(1, round(averaged_over(runs, headers) / width))


def _until_settled(windows: Windows) -> tuple[float, Windows]:
    """Seconds until the load has ceased to rise, and the windows of that last stretch."""
    least, most = FIRST_WARMUPS
    start = float(windows.ends[0]) - windows.width
    held = round(SETTLED_SECONDS / windows.width)
    load = np.log(np.where(windows.load > 0, windows.load, np.nan))
    for last in range(held, len(load)):
        after = float(windows.ends[last]) - start
        stretch = load[last - held : last + 1]
        if after >= least and np.ptp(stretch) < SETTLED:
            return after, windows.taken(slice(last - held, last + 1))
        if after >= most:
            return after, windows.taken(slice((last + 1) // 2, last + 1))
    return most, windows


def _pipeline(
    reference: Reference, edges: Edges, false_fail: float, capacity: float, smear: int
) -> Pipeline:
    columns, width = reference.columns, reference.width
    table = SignalTable(columns.signals, 1 + len(columns.series))
    settings = Settings(width, false_fail, capacity=capacity, ratio=capacity)
    pipeline = Pipeline(table, settings, Graph(edges))
    transfer = reference.transfer or _before_any(reference, capacity)
    table.add(LOAD_SIGNAL, Labels())
    for one in columns.series:
        table.add(one.signal, one.labels)
    pipeline.use_baseline(reference.baseline, transfer, smear, reference.golden)
    return pipeline


def _before_any(reference: Reference, capacity: float) -> Transfer:
    """Only what capacity says: what is under way grows with it, at the same load per unit of it."""
    keys = {key: i for i, key in enumerate(reference.baseline.profiles.keys)}
    mean, unknown = np.zeros(len(keys)), np.full(len(keys), np.nan)
    signals = {signal.name: signal for signal in reference.columns.signals}
    for one in reference.columns.series:
        if one.key in keys and is_total(signals[one.signal]) and not _is_rate(signals[one.signal]):
            mean[keys[one.key]] = np.log(capacity)
    mean[~reference.baseline.profiles.logarithmic] = 0.0
    return Transfer(0, 0.0, 0.0, mean, *[unknown] * 13)


def _is_rate(signal: Signal) -> bool:
    return signal.is_rate


def _play(started: Started, of_run: Sequence[Batch]) -> Course:
    for batch in of_run:
        started.pipeline.process(batch)
    return started.pipeline.courses[started.run.id]
