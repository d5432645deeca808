"""Where the time goes, by function: `python -m bench.profile [tick|replay|scrape|push|spans]`."""

from __future__ import annotations

import asyncio
import cProfile
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from anomalyd.push import Post
from anomalyd.signals.table import SignalTable
from bench import push, replay, spans, whole, worlds
from bench.span_bodies import LATEST, bodies
from bench.tick import READY
from bench.worlds import WINDOW

ROWS, LEAST = 10, 0.015
PROTOBUF = {"content-type": "application/x-protobuf"}

Function = tuple[str, int, str]
"""File, line and name, as cProfile has them."""


def tick() -> Callable[[], object]:
    """Windows of 10k signal series."""
    table = worlds.table(10_000)
    baseline = worlds.baseline(table)
    pipeline = worlds.judging(table, baseline)
    batches = list(worlds.windows(table, baseline, READY + 20))
    for batch in batches[:READY]:
        pipeline.process(batch)
    return lambda: [pipeline.process(batch) for batch in batches[READY:]]


def recorded_run() -> Callable[[], object]:
    """The 30-minute run of 100 signal series."""
    table: SignalTable = worlds.table(replay.SERIES)
    baseline = replay.fitted(table, hours=2)
    batches = replay.recording(table, baseline, round(replay.MINUTES * 60 / WINDOW))
    return lambda: replay.replay(table, baseline, batches)


def scrape() -> Callable[[], object]:
    """A minute of 100k raw series, scraped every 15 s and ticked every 5."""
    daemon = whole.Daemon(2_000)
    daemon.window()
    bodies = [daemon.scraped() for _ in range(round(whole.WINDOW / whole.SCRAPE))]

    def minute() -> None:
        for body in bodies:
            daemon.take(body)
            for step in np.arange(0, whole.SCRAPE, worlds.STEP):
                daemon.pipeline.process(daemon.evaluator.evaluate(daemon.now + step))
            daemon.now += whole.SCRAPE

    return minute


def pushed() -> Callable[[], object]:
    """The same of 25k raw series, pushed."""
    daemon = push.Pushed(500)
    daemon.window()
    bodies = []
    for _ in range(round(whole.WINDOW / whole.SCRAPE)):
        bodies.append((daemon.now, daemon.bodies()))
        daemon.now += whole.SCRAPE

    def minute() -> None:
        for daemon.now, sent in bodies:
            daemon.push(sent)
            for step in np.arange(0, whole.SCRAPE, worlds.STEP):
                daemon.pipeline.process(daemon.evaluator.evaluate(daemon.now + step))

    return minute


def received() -> Callable[[], object]:
    """Twelve requests of 8,192 spans in protobuf, without the network, and their ticks."""
    listening = spans.Listening()
    receiver, sent = listening.receiver(""), bodies(12, 1024)

    async def requests() -> None:
        for nth, body in enumerate(sent):
            receiver.receive(Post("staging", PROTOBUF, body, LATEST + nth))
        for tick in np.arange(0, len(sent) + spans.TICK_LATE, spans.STEP):
            await listening.source.collect(LATEST + tick)

    return lambda: asyncio.run(requests())


WHAT = {
    "tick": (tick, "process"),
    "replay": (recorded_run, "replay"),
    "scrape": (scrape, "minute"),
    "push": (pushed, "minute"),
    "spans": (received, "requests"),
}
"""Each with the function whose parts are the stages."""


def main(names: list[str]) -> None:
    for name in names or WHAT:
        prepare, whose = WHAT[name]
        work = prepare()
        profile = cProfile.Profile()
        profile.runcall(work)
        profile.create_stats()
        print(f"\n### {name}: {prepare.__doc__}")
        report(profile.stats, whose)


def report(stats: Mapping[Function, Any], whose: str) -> None:
    """Two Markdown tables: the parts of `whose` with what they call, and functions alone."""
    total = sum(own for _, _, own, _, _ in stats.values())
    parts = {
        function: sum(c[3] for caller, c in callers.items() if caller[2] == whose)
        for function, (*_, callers) in stats.items()
    }
    table("stage", parts, total)
    table(
        "function, without what it calls", {f: own for f, (_, _, own, _, _) in stats.items()}, total
    )


def table(head: str, seconds: Mapping[Function, float], total: float) -> None:
    print(f"\n| {head} | share |\n|---|---|")
    for function in sorted(seconds, key=seconds.__getitem__, reverse=True)[:ROWS]:
        if seconds[function] > LEAST * total:
            print(f"| {shown(function)} | {seconds[function] / total:.0%} |")


def shown(function: Function) -> str:
    path, line, name = function
    if line:
        return f"`{Path(path).stem}.{name}`"
    return f"`{name.strip('<>').removeprefix('built-in ').removeprefix('method ')}`"


if __name__ == "__main__":
    main(sys.argv[1:])
