"""Sends a recording again and again as a Prometheus does that scrapes its pods one after another.

`python -m bench.live_sender <address> <file> <begin> <scrape> <scrapes>`: the bodies of one scrape
are spread over `scrape` seconds, the first of all is due at `begin` (unix seconds). Prints, per
body, seconds from sending it to its answer, as JSON. A body is made before it is due.
"""

from __future__ import annotations

import http.client
import json
import sys
import time
from pathlib import Path

from bench import live_bodies
from bench.sending import REMOTE_WRITE

PATH = "/api/v1/write/staging"


def send(address: str, file: Path, begin: float, scrape: float, scrapes: int) -> list[float]:
    bodies = live_bodies.load(file).bodies()
    connection = http.client.HTTPConnection(address)
    taken = []
    for nth in range(scrapes):
        for place, body in enumerate(bodies):
            due = begin + scrape * (nth + place / len(bodies))
            made = body.stamped(due, nth)
            time.sleep(max(0.0, due - time.time()))
            sent = time.perf_counter()
            connection.request("POST", PATH, made, REMOTE_WRITE)
            answer = connection.getresponse()
            said = answer.read()
            taken.append(time.perf_counter() - sent)
            if answer.status != 204:
                sys.exit(f"HTTP {answer.status}: {said[:200]!r}")
    return taken


if __name__ == "__main__":
    address, file, begin, scrape, scrapes = sys.argv[1:]
    print(json.dumps(send(address, Path(file), float(begin), float(scrape), int(scrapes))))
