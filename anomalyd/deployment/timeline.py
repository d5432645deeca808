"""What series said over time, as stretches of one value: small, however long a run is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from anomalyd.model import Floats, Labels

MOST_SERIES = 20_000
MOST_STRETCHES = 200

JITTER_SECONDS = 2.0
"""The start of one and the same process is worked out anew by some with every scrape."""


class Watched(StrEnum):
    """What is followed of staging."""

    UP = "up"
    DOWN = "down"  # the times of scrapes that failed
    STARTED = "started"  # when a process began
    RESTARTED = "restarted"  # how often a container was restarted
    WAITING = "waiting"  # why a container does not run
    BUILD = "build_info"
    RESOURCE = "target_info"
    IMAGE = "image"


@dataclass(frozen=True, slots=True)
class Track:
    """Of one series: times float64[k], unix seconds, ascending; values float64[k], NaN where it
    was not there."""

    labels: Labels
    times: Floats
    values: Floats


@dataclass(slots=True)
class Stretch:
    """One value from `first` to `last`, when it was seen. count: values that it had, where they
    are followed as one. gone: the series was not there afterwards."""

    value: float
    first: float
    last: float
    count: int = 1
    gone: bool = False

    def within(self, since: float, until: float) -> bool:
        return self.last > since and self.first <= until


class Timeline:
    """The stretches of every series of one kind. together: values that follow on one another are
    one stretch, whatever they are. skipped: series for which there was no room, at most at once;
    forgotten: stretches for which there was none and that none beside them is like."""

    def __init__(self, together: bool = False) -> None:
        self._together = together
        self._stretches: dict[Labels, list[Stretch]] = {}
        self._until: dict[Labels, float] = {}
        self.skipped = self.forgotten = 0

    def take(self, tracks: Iterable[Track], whole: bool) -> None:
        """What was seen next; what was taken before is left out. whole: series that are not among
        the tracks were not there."""
        seen, skipped = set(), 0
        for track in tracks:
            known = track.labels in self._stretches
            if not known and len(self._stretches) >= MOST_SERIES:
                skipped += 1
                continue
            seen.add(track.labels)
            self._extend(track)
        self.skipped = max(self.skipped, skipped)
        if whole:
            for labels in self._stretches.keys() - seen:
                self._stretches[labels][-1].gone = True

    def __iter__(self) -> Iterator[tuple[Labels, list[Stretch]]]:
        """Every series that ever had a value, by labels."""
        return iter(sorted(self._stretches.items()))

    def __len__(self) -> int:
        return len(self._stretches)

    def of(self, labels: Labels) -> list[Stretch]:
        return self._stretches.get(labels, [])

    def _extend(self, track: Track) -> None:
        until = self._until.get(track.labels, -math.inf)
        for time, value in zip(track.times.tolist(), track.values.tolist(), strict=True):
            if time > until:
                self._point(track.labels, time, value)
                self._until[track.labels] = time

    def _point(self, labels: Labels, time: float, value: float) -> None:
        stretches = self._stretches.get(labels)
        last = stretches[-1] if stretches else None
        if math.isnan(value):
            if last is not None:
                last.gone = True
            return
        if last is not None and not last.gone and (self._together or last.value == value):
            last.count += last.value != value
            last.value, last.last = value, time
            return
        stretches = self._stretches.setdefault(labels, [])
        stretches.append(Stretch(value, time, time))
        if len(stretches) > MOST_STRETCHES:
            before, one, after = stretches[:3]
            beside = min(abs(one.value - before.value), abs(one.value - after.value))
            self.forgotten += beside > JITTER_SECONDS
            del stretches[1]


class History:
    """All that was seen of staging since a run began. until: what was looked at, unix seconds."""

    def __init__(self) -> None:
        self.until: float | None = None
        self._timelines = {kind: Timeline(together=kind is Watched.DOWN) for kind in Watched}

    def __getitem__(self, kind: Watched) -> Timeline:
        return self._timelines[kind]

    def take(self, kind: Watched, tracks: Iterable[Track], whole: bool = True) -> None:
        self._timelines[kind].take(tracks, whole)
