"""One tick of the whole pipeline, from Batch to Incidents: good runs, and one that breaks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

from bench import river_bank, worlds
from bench.measure import Figure, Spread, alternate
from bench.worlds import START, STEP, WINDOW

SIZES = {"1k": 1_000, "10k": 10_000, "100k": 100_000}
READY = 14
BROKEN = 100
"""Every so many-th series breaks at once in `tick.storm`."""


def run(quick: bool) -> Iterator[Figure]:
    for label, series in {"1k": 1_000}.items() if quick else SIZES.items():
        yield from ticks(label, series, repeats=3 if quick else 9, quick=quick)
    yield storm(*(("1k", 1_000, 1) if quick else ("10k", 10_000, 3)))


def ticks(label: str, series: int, repeats: int, quick: bool) -> Iterator[Figure]:
    table = worlds.table(series)
    baseline = worlds.baseline(table)
    pipeline = worlds.judging(table, baseline)
    good = worlds.GoodRun(table, baseline)
    batches = [good.batch(START + i * WINDOW) for i in range(READY + repeats)]
    feed = iter(batches)
    for _ in range(READY):
        pipeline.process(next(feed))
    repeated = replace(batches[READY], time=0.0)
    latest: dict[str, float] = {}

    def full() -> None:
        pipeline.process(next(feed))

    def between() -> None:
        pipeline.process(replace(repeated, time=pipeline.window_end + STEP))

    def by_name() -> None:
        latest.update(zip(table.keys, repeated.values.tolist(), strict=True))

    window, shown, named = alternate(repeats, full, between, by_name)
    if not pipeline.courses["bench"].record.judged[-1]:
        raise RuntimeError("the run was not judged: this measures nothing")
    yield Figure(
        f"tick.window.{label}",
        f"Pipeline.process of a tick that ends a window, {series} signal series judged",
        "ms",
        window.times(1e3),
        river_bank.PEER,
        river_bank.seconds_per_series(quick).times(series * 1e3),
    )
    yield Figure(
        f"tick.between.{label}",
        f"Pipeline.process of a tick between windows, {series} signal series shown",
        "ms",
        shown.times(1e3),
        "a dict of names updated",
        named.times(1e3),
    )


def storm(label: str, series: int, repeats: int) -> Figure:
    measured = [breaking(series) for _ in range(repeats)]
    return Figure(
        f"tick.storm.{label}",
        f"the dearest tick after {series // BROKEN} of {series} signal series broke at once",
        "ms",
        Spread.of([dearest for dearest, _ in measured], 1e3),
        "the same tick of a good run",
        Spread.of([good for _, good in measured], 1e3),
    )


def breaking(series: int) -> tuple[float, float]:
    """CPU seconds of (the dearest tick of five after the break, the last one before it)."""
    table = worlds.table(series)
    baseline = worlds.baseline(table)
    pipeline = worlds.judging(table, baseline)
    good = worlds.GoodRun(table, baseline)
    taken = []
    for i in range(READY + 5):
        batch = good.batch(START + i * WINDOW)
        if i >= READY:
            batch.values[BROKEN // 2 :: BROKEN] *= 20
        begun = time.process_time()
        pipeline.process(batch)
        taken.append(time.process_time() - begun)
    fired = int(pipeline.anomalies.firing.sum())
    if fired < series // BROKEN // 2:
        raise RuntimeError(f"only {fired} series fired: this measures nothing")
    return max(taken[READY:]), taken[READY - 1]
