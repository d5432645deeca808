"""Which metrics were pushed, kept across restarts: nobody can be asked what a sender has."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from anomalyd.model import Labels
from anomalyd.signals.native.names import expanded, natively
from anomalyd.sources.metadata import Metadata

log = logging.getLogger(__name__)

FORGET_SECONDS = 86400.0
"""A metric that was not pushed for so long, while others were, is no longer there."""
REFRESH_SECONDS = 600.0
"""A metric that is there is noted again this often."""


class _Metric(msgspec.Struct):
    labels: set[str]
    at: float


class _File(msgspec.Struct):
    metrics: dict[str, _Metric] = {}
    described: dict[str, Metadata] = {}
    interval: float | None = None


class Seen:
    """The metrics of `wanted` names that one receiver was sent, with the names of their labels.

    path: the file that keeps them. changed_at: when a metric or label was new, unix seconds.
    """

    def __init__(self, path: Path, wanted: Callable[[str], bool]) -> None:
        self.changed_at = float("-inf")
        self._path, self._wanted, self._natively = path, wanted, natively(wanted)
        self._file = _read(path)
        self._saved_at = float("-inf")
        self._fresh = False
        self._refused = False

    @property
    def interval(self) -> float | None:
        """Seconds between samples of the slowest metric, if known."""
        return self._file.interval

    def metrics(self) -> dict[str, frozenset[str]]:
        """Name → names of the labels on it, `__name__` left out; see `expanded` for natives."""
        found = self._file.metrics.items()
        newest = max((one.at for _, one in found), default=0.0)
        there = {
            name: frozenset(one.labels)
            for name, one in found
            if self._may_be(name) and one.at > newest - FORGET_SECONDS
        }
        return expanded(there, self._wanted)

    def add(self, labels: Labels, now: float) -> None:
        """A series is there that was not."""
        name = labels.get("__name__")
        names = {label for label, _ in labels} - {"__name__"}
        known = self._file.metrics.get(name)
        if known is None or not names <= known.labels:
            self.changed_at, self._fresh = now, True
            names |= known.labels if known is not None else set()
        self._file.metrics[name] = _Metric(names, now)

    def described(self) -> dict[str, Metadata]:
        """What senders say of metrics that were seen, by name."""
        return {name: told for name, told in self._file.described.items() if self._may_be(name)}

    def describe(self, name: str, told: Metadata) -> None:
        """A sender says it of the metric `name`, whether it was seen or not."""
        if self._may_be(name) and self._file.described.get(name) != told:
            self._file.described[name], self._fresh = told, True

    def _may_be(self, name: str) -> bool:
        return self._wanted(name) or self._natively(name)

    def still(self, name: str, now: float) -> None:
        """A metric is still being pushed."""
        if name in self._file.metrics:
            self._file.metrics[name].at = now

    def comes_every(self, interval: float | None) -> None:
        """Seconds, None where that is not known yet."""
        if interval is not None and interval != self._file.interval:
            self._file.interval, self._fresh = interval, True

    def save_if_due(self, now: float) -> bool:
        """Whether the file has all that is known, but for when it was seen last."""
        old = now - self._saved_at > REFRESH_SECONDS
        if not self._file.metrics or not (self._fresh or old):
            return not self._fresh
        try:
            self._write()
        except OSError as error:
            if not self._refused:
                log.warning("%s: cannot be written: %s", self._path, error.strerror)
            self._refused = True
            return False
        self._saved_at, self._fresh, self._refused = now, False, False
        return True

    def _write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_suffix(".part")
        with temporary.open("wb") as file:
            file.write(msgspec.json.encode(self._file))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path)


def _read(path: Path) -> _File:
    """Empty where there is none; what cannot be read is said, and learned again."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=_File)
    except (FileNotFoundError, NotADirectoryError):
        return _File()
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        log.warning("%s: cannot be read, what is pushed is learned again: %s", path, error)
        return _File()
