"""A load generator as a command: `python -m tests.e2e.load URL --rate 45 --seconds 60`.

Requests come from `anomalyd.demo.load`, open loop. It exits with 1 if it could not keep up.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

from anomalyd.demo.load import Load, Steady

MOST_DROPPED = 0.01


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.load", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--rate", type=float, required=True, help="requests per second")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pid-file", type=Path, help="tells others whom to wait for")
    given = parser.parse_args()
    if given.pid_file:
        given.pid_file.write_text(str(os.getpid()), encoding="utf-8")
    load = Load(given.url, Steady(given.rate, given.seconds), given.seed)
    counts = asyncio.run(load.run())
    print(f"sent {counts.sent}, failed {counts.failed}, dropped {counts.dropped}", flush=True)
    return int(counts.dropped > MOST_DROPPED * counts.sent)


if __name__ == "__main__":
    sys.exit(main())
