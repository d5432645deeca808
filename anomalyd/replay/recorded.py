"""A run as it was given to a pipeline: everything that its verdict depends on, in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from anomalyd.facts import Fact
from anomalyd.judgement.silences import Silence
from anomalyd.model import (
    AcceptedChange,
    Batch,
    DeploymentCheck,
    Incident,
    Run,
    Signal,
    Verdict,
)
from anomalyd.pipeline import JudgedBy, Settings


@dataclass(frozen=True, slots=True)
class Conditions:
    """What holds while a window is judged: the run as it then stands, the silences, which of
    `RecordedRun.references` judges, who calls whom (caller to callees) as far as is known, what
    is so in the environments, what was found of the deployment, and which changes are expected."""

    run: Run
    silences: tuple[Silence, ...]
    reference: int
    graph: Mapping[str, Sequence[str]]
    facts: tuple[Fact, ...] = ()
    checks: tuple[DeploymentCheck, ...] = ()
    changes: tuple[AcceptedChange, ...] = ()


@dataclass(frozen=True, slots=True)
class Window:
    """`batch` ended a window; its rows are places in `Stretch.keys`, of which the first `known`
    had been seen by then."""

    batch: Batch
    known: int
    conditions: Conditions


@dataclass(frozen=True, slots=True)
class Resumed:
    """A stretch that goes on after another. until: the last window that the pipeline still had,
    None if it began anew. incidents: those that were open again, and those that had ended; None:
    as they stood at the end of the stretch before."""

    until: float | None
    incidents: tuple[Incident, ...] | None


@dataclass(frozen=True, slots=True)
class Stretch:
    """What one pipeline judged of a run: all of it, unless the daemon was restarted or reloaded.

    version: of anomalyd. keys: series as `signal{labels}`, in order of arrival; known: how many of
    them there were at the start. begun: the conditions there. graph: caller to callees; declared:
    the services of it that the configuration names, None where it names all.
    """

    version: str
    settings: Settings
    signals: tuple[Signal, ...]
    graph: Mapping[str, Sequence[str]]
    keys: tuple[str, ...]
    known: int
    begun: Conditions
    windows: tuple[Window, ...]
    resumed: Resumed | None = None
    declared: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """ended: the conditions of the verdict, its run finished. verdict: as it was given then, None
    where none was. config: the sections of the configuration that judge, as plain values. lost:
    windows that could not be written."""

    stretches: tuple[Stretch, ...]
    references: tuple[JudgedBy, ...]
    ended: Conditions
    verdict: Verdict | None = None
    config: Mapping[str, Any] | None = None
    lost: int = 0

    @property
    def run(self) -> Run:
        return self.ended.run

    @property
    def version(self) -> str:
        """Of the anomalyd that gave the verdict."""
        return self.stretches[-1].version

    @property
    def batches(self) -> list[Batch]:
        """One per window, in order; rows are places in the keys of its stretch."""
        return [window.batch for window in self._windows()]

    def with_batches(self, batches: Sequence[Batch]) -> RecordedRun:
        """The same run, had its windows been these. What was fired then is worked out anew.

        Raises ValueError unless there are as many, at the same times.
        """
        own = self.batches
        if [one.time for one in batches] != [one.time for one in own]:
            raise ValueError("as many batches are needed as there are windows, at the same times")
        left = iter(batches)
        stretches = tuple(_with(stretch, left) for stretch in self.stretches)
        return replace(self, stretches=stretches, verdict=None)

    def _windows(self) -> Iterator[Window]:
        for stretch in self.stretches:
            yield from stretch.windows


def _with(stretch: Stretch, batches: Iterator[Batch]) -> Stretch:
    windows: list[Window] = []
    known = stretch.known
    for window in stretch.windows:
        batch = next(batches)
        known = max(known, window.known, int(batch.rows.max(initial=-1)) + 1)
        windows.append(replace(window, batch=batch, known=known))
    resumed = replace(stretch.resumed, incidents=None) if stretch.resumed is not None else None
    return replace(stretch, windows=tuple(windows), resumed=resumed)
