"""Faults of telemetry, reported as such and never taken for faults of the system."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from anomalyd.model import Integrity
from anomalyd.units import format_duration

BROKEN_SHARE = 0.5
"""A run in which more than half of the windows brought nothing at all proves nothing: invalid."""


class IntegrityLog:
    """Collects faults of a run; adjoining windows of one kind and place become one entry."""

    def __init__(self, window: float) -> None:
        self._window = window
        self._open: dict[tuple[str, str], Integrity] = {}
        self._closed: list[Integrity] = []
        self.windows = 0
        self.empty = 0
        self.last_empty = 0

    def window(
        self,
        time: float,
        present: int,
        unanswered: Iterable[str],
        load: float | None,
        vanished: Iterable[str] = (),
    ) -> None:
        """Note one window: rows that had a value, signals not evaluated, load (None: not set),
        signals evaluated of which no series has a value."""
        self.windows += 1
        self.last_empty = 0 if present else self.last_empty + 1
        if present == 0:
            self.empty += 1
            self._note("no-data", "staging", time, "no signal had a value")
        for signal in unanswered:
            self._note("query-failed", signal, time, "the signal could not be evaluated")
        for signal in vanished:
            self._note("stale", signal, time, "no series of the signal had a value")
        if present and load is not None and not load > 0:
            self._note("no-load", "load", time, "no load was seen at the entry")

    def missed(self, since: float, until: float) -> None:
        """Note that nothing was looked at in (since, until]: the daemon was away or too slow."""
        windows = round((until - since) / self._window)
        if windows > 0:
            self.windows += windows
            self.empty += windows
            self.last_empty += windows
            detail = f"anomalyd itself saw nothing for {format_duration(until - since)}"
            self._closed.append(Integrity("gap", "anomalyd", since, until, detail))

    def rebased(self, since: float, until: float) -> None:
        """Note that the windows of (since, until] were judged by a baseline that is no more."""
        detail = (
            "the baseline was replaced during the run: what came before was judged by another than "
            "what came after; run the test again"
        )
        self._closed.append(Integrity("baseline", "production", since, until, detail))

    def duplicate(self, time: float, where: str, detail: str) -> None:
        self._note("duplicate", where, time, detail)

    def dump(self) -> dict[str, Any]:
        """As JSON, for a snapshot."""
        return {
            "windows": self.windows,
            "empty": self.empty,
            "last_empty": self.last_empty,
            "open": [asdict(entry) for entry in self._open.values()],
            "closed": [asdict(entry) for entry in self._closed],
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Raises KeyError or TypeError where it is not what `dump` gave."""
        entries = [Integrity(**entry) for entry in state["open"]]
        self._open = {(entry.kind, entry.where): entry for entry in entries}
        self._closed = [Integrity(**entry) for entry in state["closed"]]
        self.windows, self.empty = int(state["windows"]), int(state["empty"])
        self.last_empty = int(state["last_empty"])

    def entries(self) -> tuple[Integrity, ...]:
        found = [*self._closed, *self._open.values()]
        if self.broken:
            detail = f"{self.empty} of {self.windows} windows brought no data at all"
            first = min((entry.start for entry in found), default=0.0)
            last = max((entry.end for entry in found), default=0.0)
            found.append(Integrity("gap", "staging", first, last, detail, breaks_run=True))
        return tuple(sorted(found, key=lambda entry: (entry.start, entry.kind, entry.where)))

    @property
    def broken(self) -> bool:
        return self.windows > 0 and self.empty > BROKEN_SHARE * self.windows

    def _note(self, kind: str, where: str, time: float, detail: str) -> None:
        key, start = (kind, where), time - self._window
        before = self._open.get(key)
        if before is not None and start <= before.end + self._window / 2:
            self._open[key] = Integrity(kind, where, before.start, time, detail)
            return
        if before is not None:
            self._closed.append(before)
        self._open[key] = Integrity(kind, where, start, time, detail)
