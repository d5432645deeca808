"""What a judged signal series holds: profile, names, detectors and the record of a short run.

Each measurement is a process of its own: `python -m bench.memory ours <series> <baseline>` or
`python -m bench.memory river <series>` prints the MB by which it grew. `python -m bench.memory`
alone tells what each part of ours takes.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from anomalyd.baseline import file
from anomalyd.baseline.profile import Baseline
from anomalyd.explain.suspects import Graph
from anomalyd.model import Batch, RunState
from anomalyd.pipeline import Pipeline, Settings
from bench import worlds
from bench.measure import Figure, Spread, Target, resident_mb
from bench.worlds import START, WINDOW

PER = 100_000
MOST_MB = 150
WINDOWS = 3


def run(quick: bool) -> Iterator[Figure]:
    series, repeats = (2_000, 1) if quick else (PER, 3)
    peers = 500 if quick else 3_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "baseline.npz"
        file.save(worlds.baseline(worlds.table(series)), path)
        ours = [grown("ours", str(series), str(path)) for _ in range(repeats)]
        theirs = [grown("river", str(peers)) for _ in range(repeats)]
    yield Figure(
        "memory.series",
        f"growth of the resident set per {PER} signal series with profile, after {WINDOWS} "
        f"windows of a run, from {series} series",
        "MB",
        Spread.of(ours, PER / series),
        f"river objects per series, scaled from {peers}",
        Spread.of(theirs, PER / peers),
        Target(MOST_MB),
    )


def grown(*what: str) -> float:
    command = [sys.executable, "-m", "bench.memory", *what]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def ours(series: int, baseline: Path) -> float:
    judged_from(worlds.baseline(worlds.table(50)), 50)
    before = settled()
    kept = judged_from(file.load(baseline), series)
    after = settled()
    if not kept.courses["bench"].record.judged[-1]:
        raise RuntimeError("the run was not judged: this measures nothing")
    return after - before


def judged_from(baseline: Baseline, series: int) -> Pipeline:
    """As a daemon has it: nothing of the making of its batches is kept."""
    table = worlds.table(series)
    pipeline = worlds.judging(table, baseline)
    for batch in batches(pipeline, baseline):
        pipeline.process(batch)
    return pipeline


def batches(pipeline: Pipeline, baseline: Baseline) -> Iterator[Batch]:
    good = worlds.GoodRun(pipeline.table, baseline)
    for i in range(WINDOWS):
        yield good.batch(START + i * WINDOW)


def river(series: int) -> float:
    from bench.river_bank import WARM_UP, RiverSeries, step, windows

    feed = list(windows(series, 1))
    step([RiverSeries()], feed[0][0][:1], known=False)
    before = settled()
    bank = [RiverSeries() for _ in range(series)]
    for values, known in feed[:WARM_UP]:
        step(bank, values, known)
    after = settled()
    return after - before


def stages(series: int, baseline: Path) -> None:
    """Print the growth of each step that a daemon takes, as rows of a Markdown table."""
    judged_from(worlds.baseline(worlds.table(50)), 50)
    held = settled()

    def tell(what: str) -> None:
        nonlocal held
        now = settled()
        print(f"| {what} | {now - held:.0f} |")
        held = now

    loaded = file.load(baseline)
    tell("profiles and their keys")
    table = worlds.table(series)
    tell("names and labels of the rows")
    pipeline = Pipeline(table, Settings(window=WINDOW), Graph({}))
    pipeline.use_baseline(loaded)
    tell("profiles decoded, rows matched with them")
    pipeline.start_run(worlds.run(RunState.ACTIVE))
    tell("state of the detectors and anomalies")
    good = worlds.GoodRun(table, loaded)
    settled()
    for i in range(WINDOWS):
        pipeline.process(good.batch(START + i * WINDOW))
    tell(f"{WINDOWS} windows: bands, the run's record, scratch")


def tell_stages() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "baseline.npz"
        file.save(worlds.baseline(worlds.table(PER)), path)
        print(f"| {PER} signal series | MB |\n|---|---|", flush=True)
        command = [sys.executable, "-m", "bench.memory", "stages", str(PER), str(path)]
        subprocess.run(command, check=True)


def settled() -> float:
    gc.collect()
    return resident_mb(os.getpid())


def main(arguments: list[str]) -> None:
    match arguments:
        case ["ours", series, baseline]:
            print(ours(int(series), Path(baseline)))
        case ["river", series]:
            print(river(int(series)))
        case ["stages", series, baseline]:
            stages(int(series), Path(baseline))
        case _:
            tell_stages()


if __name__ == "__main__":
    main(sys.argv[1:])
