"""A load test: `python -m tests.e2e_deployment.load SECONDS URL…`; what is down is gone around."""

from __future__ import annotations

import sys
import time
import urllib.request
from contextlib import suppress

PAUSE_SECONDS = 0.05


def main(seconds: float, urls: list[str]) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for url in urls:
            with suppress(OSError), urllib.request.urlopen(url, timeout=1) as answer:
                answer.read()
        time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    main(float(sys.argv[1]), sys.argv[2:])
