"""A recorded run fed through the pipeline as fast as it goes, verdict included."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from anomalyd.baseline.fit import FitInput, fit
from anomalyd.baseline.profile import Baseline
from anomalyd.model import Batch, Outcome, RunState
from anomalyd.signals.table import SignalTable
from bench import river_bank, worlds
from bench.measure import Figure, Spread, Target, alternate
from bench.worlds import LOAD, START, STEP, TICKS_PER_WINDOW, WINDOW

SERIES, MINUTES = 100, 30
HISTORY_HOURS = 12
MOST_SECONDS = 1.0


def run(quick: bool) -> Iterator[Figure]:
    minutes, repeats = (5, 1) if quick else (MINUTES, 7)
    table = worlds.table(SERIES)
    baseline = fitted(table, hours=2 if quick else HISTORY_HOURS)
    batches = recording(table, baseline, round(minutes * 60 / WINDOW))
    peers = [river_bank.RiverSeries() for _ in range(SERIES)]

    def ours() -> None:
        verdict = replay(table, baseline, batches)
        if verdict is Outcome.INVALID:
            raise RuntimeError("the run was not judged: this measures nothing")

    def theirs() -> None:
        for batch in batches[::TICKS_PER_WINDOW]:
            river_bank.step(peers, batch.values[1:].tolist(), known=False)

    whole, objects = alternate(repeats, ours, theirs)
    yield Figure(
        f"replay.{minutes}min",
        f"{len(batches)} ticks of {SERIES} signal series through process and finish_run",
        "s",
        whole,
        river_bank.PEER,
        objects,
        Target(MOST_SECONDS),
    )
    yield Figure(
        "replay.speed",
        "the same per minute of the recorded run",
        "ms per minute",
        per_minute(whole, minutes),
        river_bank.PEER,
        per_minute(objects, minutes),
    )


def per_minute(spread: Spread, minutes: int) -> Spread:
    return spread.times(1e3 / minutes)


def replay(table: SignalTable, baseline: Baseline, batches: list[Batch]) -> Outcome:
    pipeline = worlds.judging(table, baseline)
    for batch in batches:
        pipeline.process(batch)
    end = batches[-1].time
    verdict, _ = pipeline.finish_run(worlds.run(RunState.FINISHED, stopped_at=end), end)
    return verdict.outcome


def recording(table: SignalTable, baseline: Baseline, windows: int) -> list[Batch]:
    """Every tick; between windows the values of the last one are seen again."""
    good = worlds.GoodRun(table, worlds.baseline(table))
    return [
        replace(batch, time=batch.time + tick * STEP)
        for batch in (good.batch(START + i * WINDOW) for i in range(windows))
        for tick in range(TICKS_PER_WINDOW)
    ]


def fitted(table: SignalTable, hours: int) -> Baseline:
    """What `baseline fit` makes of some hours of the same system."""
    windows = round(hours * 3600 / WINDOW)
    good = worlds.GoodRun(table, worlds.baseline(table), seed=12)
    batches = [good.batch(START - (windows - i) * WINDOW) for i in range(windows)]
    values = np.array([batch.values for batch in batches]).T
    counts = np.array([batch.counts for batch in batches]).T
    inputs = []
    for index, signal in enumerate(table.signals[1:], start=1):
        rows = np.flatnonzero(table.signal_index == index)
        keys = [table.keys[row] for row in rows]
        inputs.append(FitInput(signal, keys, values[rows], counts[rows]))
    times = np.array([batch.time for batch in batches])
    return fit(times, np.full(windows, LOAD), inputs, step=WINDOW, window=WINDOW, meta={})
