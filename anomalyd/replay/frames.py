"""A recorded run as frames: a plain JSON object each, the windows with three columns of numbers.

A frame says only what changed since the one before: `session` when a pipeline begins, `window`,
`verdict`. What judges is named by its place among the `reference` frames, and has files of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from anomalyd import codec
from anomalyd.facts import Fact
from anomalyd.judgement.silences import Silence
from anomalyd.model import (
    AcceptedChange,
    Batch,
    DeploymentCheck,
    Incident,
    Run,
    Signal,
    TracedKey,
    Verdict,
)
from anomalyd.pipeline import JudgedBy, Settings
from anomalyd.replay import traced
from anomalyd.replay.recorded import Conditions, RecordedRun, Resumed, Stretch, Window
from anomalyd.replay.traced import Columns as Columns

Meta = dict[str, Any]

DAMAGED = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What reading raises where something else than frames was read."""


@dataclass(frozen=True, slots=True)
class Frame:
    meta: Meta
    columns: Columns | None = None


@dataclass(slots=True)
class Teller:
    """Makes the frames of one run, each with what changed since the one before."""

    known: int = 0
    _last: Conditions | None = None
    _traced: Mapping[TracedKey, int] = field(default_factory=dict)

    def session(self, stretch: Stretch, config: Mapping[str, Any] | None) -> Frame:
        """A stretch begins; its windows follow."""
        self._last, self.known, self._traced = stretch.begun, stretch.known, {}
        resumed = None
        if stretch.resumed is not None:
            opened = stretch.resumed.incidents
            resumed = {
                "until": stretch.resumed.until,
                "incidents": None if opened is None else [codec.to_dict(one) for one in opened],
            }
        meta = {
            "kind": "session",
            "version": stretch.version,
            "settings": codec.to_dict(stretch.settings),
            "signals": [codec.to_dict(signal) for signal in stretch.signals],
            "declared": None if stretch.declared is None else sorted(stretch.declared),
            "keys": list(stretch.keys[: stretch.known]),
            "resumed": resumed,
            "config": config,
        }
        return Frame(meta | _conditions(stretch.begun, None))

    def window(
        self,
        window: Window,
        new: Sequence[str],
        signals: Iterable[Signal],
        lost: int = 0,
    ) -> Frame:
        """new: keys from `known` on to the window's own."""
        batch = window.batch
        unanswered = sorted({signal.name for signal in signals} - batch.answered)
        meta: Meta = {"kind": "window", "time": batch.time}
        meta |= {"keys": list(new)} if new else {}
        meta |= {"unanswered": unanswered} if unanswered else {}
        meta |= {"duplicates": [list(one) for one in batch.duplicates]} if batch.duplicates else {}
        meta |= {"lost": lost} if lost else {}
        meta |= _conditions(window.conditions, self._last)
        self._last, self.known = window.conditions, max(window.known, self.known)
        told = None
        if batch.traced is not None:
            meta["traced"], self._traced = traced.told(batch.traced, self._traced)
            told = traced.columns(batch.traced, self._traced)
        return Frame(meta, Columns(batch.rows.astype(np.int32), batch.values, batch.counts, told))

    def verdict(self, ended: Conditions, verdict: Verdict | None, lost: int = 0) -> Frame:
        given = codec.to_dict(verdict) if verdict is not None else None
        meta: Meta = {"kind": "verdict", "verdict": given} | ({"lost": lost} if lost else {})
        return Frame(meta | _conditions(ended, self._last))


def told(recorded: RecordedRun) -> Iterator[Frame]:
    """All frames of a run but its references'. `decode` makes the same run of them."""
    teller = Teller()
    for stretch in recorded.stretches:
        yield teller.session(stretch, recorded.config)
        for window in stretch.windows:
            new = stretch.keys[teller.known : window.known]
            yield teller.window(window, new, stretch.signals)
    yield teller.verdict(recorded.ended, recorded.verdict, recorded.lost)


def _conditions(now: Conditions, before: Conditions | None) -> Meta:
    changed: Meta = {}
    if before is None or now.run != before.run:
        changed["run"] = codec.to_dict(now.run)
    if before is None or now.silences != before.silences:
        changed["silences"] = [codec.to_dict(one) for one in now.silences]
    if before is None or now.reference != before.reference:
        changed["reference"] = now.reference
    if before is None or now.graph != before.graph:
        changed["graph"] = {caller: list(callees) for caller, callees in now.graph.items()}
    if now.facts != (before.facts if before is not None else ()):
        changed["facts"] = [codec.to_dict(one) for one in now.facts]
    if now.checks != (before.checks if before is not None else ()):
        changed["checks"] = [codec.to_dict(one) for one in now.checks]
    if now.changes != (before.changes if before is not None else ()):
        changed["changes"] = [codec.to_dict(one) for one in now.changes]
    return changed


def decode(frames: Iterable[Frame], references: Sequence[JudgedBy]) -> RecordedRun:
    """The run that they tell of, judged or not. Raises one of DAMAGED."""
    reading = _Reading(len(references))
    for frame in frames:
        reading.take(frame)
    return reading.run(tuple(references))


@dataclass(slots=True)
class _Reading:
    references: int
    stretches: list[Stretch] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    traced: list[TracedKey] = field(default_factory=list)
    now: Conditions | None = None
    answered: frozenset[str] = frozenset()
    config: Mapping[str, Any] | None = None
    verdict: Verdict | None = None
    lost: int = 0

    def take(self, frame: Frame) -> None:
        meta = frame.meta
        self.lost += int(meta.get("lost", 0))
        if meta["kind"] == "session":
            self._close()
            self._begin(meta)
        elif meta["kind"] == "window" and frame.columns is not None:
            self._window(meta, frame.columns)
        elif meta["kind"] == "verdict":
            self.now = self._changed(meta)
            given = meta["verdict"]
            self.verdict = codec.from_dict(Verdict, given) if given is not None else None
        elif meta["kind"] != "reference":
            raise ValueError(f"{meta['kind']!r} is no frame")

    def run(self, references: tuple[JudgedBy, ...]) -> RecordedRun:
        self._close()
        if self.now is None or not self.stretches:
            raise ValueError("it tells of no run")
        stretches = tuple(self.stretches)
        return RecordedRun(stretches, references, self.now, self.verdict, self.config, self.lost)

    def _begin(self, meta: Meta) -> None:
        self.now, self.keys = self._changed(meta), list(map(str, meta["keys"]))
        signals = tuple(codec.from_dict(Signal, one) for one in meta["signals"])
        self.answered = frozenset(signal.name for signal in signals)
        self.config = meta["config"]
        resumed, declared = meta["resumed"], meta.get("declared")
        self.stretches.append(
            Stretch(
                version=str(meta["version"]),
                settings=codec.from_dict(Settings, meta["settings"]),
                signals=signals,
                graph=self.now.graph,
                keys=(),
                known=len(self.keys),
                begun=self.now,
                windows=(),
                resumed=None if resumed is None else _resumed(resumed),
                declared=None if declared is None else frozenset(map(str, declared)),
            )
        )

    def _window(self, meta: Meta, columns: Columns) -> None:
        self.now = self._changed(meta)
        self.keys += map(str, meta.get("keys", ()))
        time, rows = float(meta["time"]), columns.rows.astype(np.intp)
        if not np.isfinite(time) or (self.windows and time <= self.windows[-1].batch.time):
            raise ValueError(f"a window at {time:g} is out of order")
        if rows.size and not (rows.min() >= 0 and rows.max() < len(self.keys)):
            raise ValueError(f"the window at {time:g} has series that nothing names")
        if not len(rows) == len(columns.values) == len(columns.counts):
            raise ValueError(f"the window at {time:g} lacks numbers")
        answered = self.answered - set(meta.get("unanswered", ()))
        duplicates = tuple((int(row), str(what)) for row, what in meta.get("duplicates", ()))
        if any(not 0 <= row < len(self.keys) for row, _ in duplicates):
            raise ValueError(f"the window at {time:g} has series that nothing names")
        told = traced.read(meta, columns.traced, self.traced)
        batch = Batch(time, rows, columns.values, columns.counts, answered, duplicates, told)
        self.windows.append(Window(batch, len(self.keys), self.now))

    def _changed(self, meta: Meta) -> Conditions:
        before = self.now
        run = codec.from_dict(Run, meta["run"]) if before is None or "run" in meta else before.run
        silences = (
            tuple(codec.from_dict(Silence, one) for one in meta["silences"])
            if before is None or "silences" in meta
            else before.silences
        )
        reference = (
            int(meta["reference"]) if before is None or "reference" in meta else (before.reference)
        )
        if not 0 <= reference < self.references:
            raise ValueError(f"there is no reference {reference}")
        graph = _graph(meta) if before is None or "graph" in meta else before.graph
        known = before.facts if before is not None else ()
        if "facts" in meta:
            known = tuple(codec.from_dict(Fact, one) for one in meta["facts"])
        checks = before.checks if before is not None else ()
        if "checks" in meta:
            checks = tuple(codec.from_dict(DeploymentCheck, one) for one in meta["checks"])
        changes = before.changes if before is not None else ()
        if "changes" in meta:
            changes = tuple(codec.from_dict(AcceptedChange, one) for one in meta["changes"])
        return Conditions(run, silences, reference, graph, known, checks, changes)

    def _close(self) -> None:
        if self.stretches:
            done = replace(self.stretches[-1], keys=tuple(self.keys), windows=tuple(self.windows))
            self.stretches[-1] = done
        elif self.windows:
            raise ValueError("a window comes before its session")
        self.windows, self.keys, self.traced = [], [], []


def _graph(meta: Meta) -> dict[str, tuple[str, ...]]:
    return {str(caller): tuple(map(str, callees)) for caller, callees in meta["graph"].items()}


def _resumed(meta: Meta) -> Resumed:
    until, opened = meta["until"], meta["incidents"]
    return Resumed(
        None if until is None else float(until),
        None if opened is None else tuple(codec.from_dict(Incident, one) for one in opened),
    )
