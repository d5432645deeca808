"""Where the daemon's time goes while it is pushed to: `python -m bench.live_profile [series]`.

By cProfile, from the first series on, on the wall's clock without what it waits for; without
snapshots, which are written in a thread of their own.
"""

from __future__ import annotations

import asyncio
import pstats
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench import live, live_bodies, profile

STAGES = {
    ("remote_write", "receive"): "reading bodies and storing their samples",
    ("slices", "cut"): "of this: where series end, times, values",
    ("decode", "codes"): "of this: whom they are of, when they are known",
    ("decode", "learn"): "of this: series that are new",
    ("lane", "take"): "of this: storing",
    ("evaluate", "evaluate"): "evaluating signals",
    ("evaluate", "ahead"): "evaluating signals ahead of ticks",
    ("pipeline", "process"): "judging",
    ("recorder", "window"): "recording the windows of the run",
    ("arrivals", "complete"): "looking whether all has come up to a tick",
    ("telemetry_export", "render"): "answering /metrics",
    ("control", "bands"): "choosing what /metrics shows",
    ("frozen importlib", "_find_and_load"): "importing, once",
}
"""(file, function): what it is; with all that it calls."""
IDLE = "<method 'poll' of 'select.epoll' objects>"


def main(series: int) -> None:
    recording = asyncio.run(live_bodies.recorded(series))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "profile"
        live.measured(recording, live.Pace(), path)
        found: Any = pstats.Stats(str(path))
    stats = found.stats
    total = sum(own for function, (_, _, own, _, _) in stats.items() if function[2] != IDLE)
    print("| stage | share |\n|---|---|")
    for (stem, name), what in STAGES.items():
        spent = sum(
            cumulative
            for (file, _, function), (_, _, _, cumulative, _) in stats.items()
            if (Path(file.strip("<>")).stem, function) == (stem, name)
        )
        print(f"| {what} | {spent / total:.0%} |")
    own = {f: seconds for f, (_, _, seconds, _, _) in stats.items() if f[2] != IDLE}
    profile.table("function, without what it calls", own, total)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
