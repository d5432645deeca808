"""What a staging showed, second by second, as the checks see it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from anomalyd.deployment.timeline import History, Track, Watched
from anomalyd.deployment.told import Names, Span
from anomalyd.model import Labels
from anomalyd.signals.identity import Canonical

START, STEP = 1_800_000_000.0, 15.0
NAMES = Names(Canonical(["service", "job"]))
SPAN = Span(START + 60, START + 600, STEP)

Given = Mapping[float, float]
"""Value by second of the run: from that second on, until the next; NaN: not there."""


def labels(service: str, instance: str = "a", **more: str) -> Labels:
    return Labels.of({"job": service, "instance": instance, **more})


def pod(name: str, container: str = "app", **more: str) -> Labels:
    return Labels.of({"pod": name, "container": container, "namespace": "shop", **more})


def track(of: Labels, given: Given, end: float = 615.0) -> Track:
    """As a range query answers, one value every `STEP` seconds."""
    seconds = np.arange(-STEP, end + 1, STEP)
    values = [
        next((value for begin, value in sorted(given.items(), reverse=True) if at >= begin), np.nan)
        for at in seconds
    ]
    return Track(of, START + seconds, np.array(values))


def history(kind: Watched, tracks: Mapping[Labels, Given]) -> History:
    made = History()
    made.take(kind, [track(of, given) for of, given in tracks.items()])
    return made


def up(tracks: Mapping[Labels, Given], every: float = STEP) -> History:
    """`up`, and of what is down the times of the scrapes, `every` seconds apart."""
    made = history(Watched.UP, tracks)
    found = []
    for of, given in tracks.items():
        seen = track(of, given)
        scraped = START + np.floor((seen.times - START) / every) * every
        found.append(Track(of, seen.times, np.where(seen.values == 0, scraped, math.nan)))
    made.take(Watched.DOWN, found)
    return made
