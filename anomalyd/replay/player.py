"""A recorded run judged window by window, up to the first thing that fires."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Protocol, Self

from anomalyd.baseline.profile import Baseline
from anomalyd.model import Batch, Verdict
from anomalyd.pipeline import Pipeline
from anomalyd.replay import again
from anomalyd.replay.judge import Started, finish
from anomalyd.replay.recorded import RecordedRun


@dataclass(frozen=True, slots=True)
class Fired:
    """time: unix seconds, the end of the window. series: those that fired then. suspect: the
    service that comes first in the incident, '' where none does."""

    time: float
    series: tuple[str, ...]
    suspect: str


class Player(Protocol):
    """Judges one run: windows are fed in order; `finish` comes last."""

    def feed(self, batch: Batch) -> None: ...

    def fired(self) -> Fired | None:
        """What has fired first so far."""

    def judged(self) -> list[float]:
        """Ends of the windows so far whose values counted."""

    def finish(self) -> Verdict: ...

    def fork(self) -> Self:
        """Another one that goes on from here, and leaves this one as it is."""


class StartedPlayer:
    """Plays what `judge.start` started by a baseline."""

    def __init__(self, started: Started, baseline: Baseline) -> None:
        self._started, self._baseline = started, baseline
        self._end = started.run.started_at

    def feed(self, batch: Batch) -> None:
        self._started.pipeline.process(batch)
        self._end = batch.time

    def fired(self) -> Fired | None:
        return _first_fired(self._started.pipeline, self._started.run.id)

    def judged(self) -> list[float]:
        return _judged(self._started.pipeline, self._started.run.id)

    def finish(self) -> Verdict:
        return finish(self._started, self._end).verdict

    def fork(self) -> Self:
        return copy.deepcopy(self, {id(self._baseline): self._baseline})


class RecordedPlayer:
    """Plays a run that one pipeline judged from its first window to its last, window by window.

    Raises ValueError for one that several did.
    """

    def __init__(self, recorded: RecordedRun) -> None:
        (stretch,) = recorded.stretches
        self._recorded, self._stretch, self._fed = recorded, stretch, 0
        self._playing = again.Player(recorded)
        self._playing.begin(stretch)

    def feed(self, batch: Batch) -> None:
        self._playing.feed(replace(self._stretch.windows[self._fed], batch=batch))
        self._fed += 1

    def fired(self) -> Fired | None:
        return _first_fired(self._playing.pipeline, self._recorded.run.id)

    def judged(self) -> list[float]:
        return _judged(self._playing.pipeline, self._recorded.run.id)

    def finish(self) -> Verdict:
        return self._playing.finish(self._recorded.ended).verdict

    def fork(self) -> Self:
        baselines = (one.baseline for one in self._recorded.references)
        kept = (self._recorded, self._stretch, *baselines)
        return copy.deepcopy(self, {id(one): one for one in kept})


def _first_fired(pipeline: Pipeline, run_id: str) -> Fired | None:
    anomalies = pipeline.courses[run_id].anomalies.values()
    if not anomalies:
        return None
    first = min(one.fired_at for one in anomalies)
    series = sorted(one.series for one in anomalies if one.fired_at == first)
    incident = min(pipeline.incidents.of_run(run_id), key=lambda one: (one.started_at, one.id))
    suspects = incident.suspects
    return Fired(first, tuple(series), suspects[0].service if suspects else "")


def _judged(pipeline: Pipeline, run_id: str) -> list[float]:
    record = pipeline.courses[run_id].record
    return [time for time, judged in zip(record.times, record.judged, strict=True) if judged]
