"""The shape of traces while a session lasts: of each run, and of production, which is kept."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import msgspec
import numpy as np

from anomalyd.keeping import Disk
from anomalyd.model import Run, ShapeChange
from anomalyd.signals.traces.changes import changes
from anomalyd.signals.traces.shape import OfEdge, OfEntry, OfService, Shape, Sums
from anomalyd.signals.traces.shapes import Shapes, Tally
from anomalyd.sources.combined import Combined
from anomalyd.sources.otlp.source import shapes_of

log = logging.getLogger(__name__)

KEEP_SECONDS = 300.0
HALF_LIFE_SECONDS = 86400.0
"""What production did a day ago counts half."""

_VERSION = 1


class _File(msgspec.Struct):
    version: int
    entries: list[tuple[list[str], list[float]]]
    edges: list[tuple[list[str], list[float]]]
    services: list[tuple[list[str], list[float]]]


class Shaping:
    """Compares a run's traces with production's; without spans of both it has nothing to say.

    directory: where production's shape is kept. What staging showed before a restart of the daemon
    is not kept.
    """

    def __init__(
        self, staging: Combined, directory: Path, disk: Disk, run_label: str | None
    ) -> None:
        path = directory / "shape.json"
        self._staging = shapes_of(staging)
        self._production: Shapes | None = None
        self._path, self._disk, self._run_label = path, disk, run_label
        self._runs: dict[str, Tally] = {}
        self._known = read(path)
        self._tally: Tally | None = None
        self._kept_at: float | None = None

    def follow(self, production: Combined) -> None:
        """Learn from its traces from here on."""
        self._production = shapes_of(production)
        self._tally = self._production.open() if self._production is not None else None

    def begin(self, run: Run) -> None:
        if self._staging is not None:
            self._runs[run.id] = self._staging.open()

    def end(self, run: Run) -> tuple[ShapeChange, ...]:
        """What the run's traces do otherwise than production's."""
        tally = self._runs.pop(run.id, None)
        if tally is None or self._staging is None:
            return ()
        self._staging.close(tally)
        return self._changed(run, tally)

    def so_far(self, run: Run) -> tuple[ShapeChange, ...]:
        """As `end`, of a run that goes on."""
        tally = self._runs.get(run.id)
        return self._changed(run, tally) if tally is not None else ()

    def _changed(self, run: Run, tally: Tally) -> tuple[ShapeChange, ...]:
        if self._staging is None:
            return ()
        of_run = (self._run_label, run.selector) if self._run_label else None
        return tuple(changes(self._staging.shape(tally, of_run), self._of_production()))

    def keep_if_due(self, now: float) -> None:
        """Write production's shape every so often; the older part of it fades."""
        self._kept_at = now if self._kept_at is None else self._kept_at
        if now - self._kept_at >= KEEP_SECONDS:
            self._known = self._known.faded(0.5 ** ((now - self._kept_at) / HALF_LIFE_SECONDS))
            self._kept_at = now
            self.keep()

    def keep(self) -> None:
        """Write production's shape as it is."""
        if self._production is None or self._tally is None:
            return
        self._known = self._of_production()
        self._production.close(self._tally)
        self._tally = self._production.open()
        self._disk.write("shape of production's traces", write, self._path, self._known)

    def _of_production(self) -> Shape:
        if self._production is None or self._tally is None:
            return self._known
        return self._known.plus(self._production.shape(self._tally))


def write(path: Path, shape: Shape) -> None:
    """In one step. Raises OSError."""
    parts = {
        name: [(list(key), found.tolist()) for key, found in getattr(shape, name).items()]
        for name in ("entries", "edges", "services")
    }
    fresh = path.with_suffix(".new")
    fresh.write_bytes(msgspec.json.encode({"version": _VERSION, **parts}))
    os.replace(fresh, path)


def read(path: Path) -> Shape:
    """What was written; nothing where there is none or it does not fit, which the log then says."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_File)
        if found.version != _VERSION:
            raise ValueError(f"version {found.version}")
        return Shape(
            _sums(found.entries, 2, len(OfEntry)),
            _sums(found.edges, 4, len(OfEdge)),
            _sums(found.services, 3, len(OfService)),
        )
    except FileNotFoundError:
        return Shape()
    except (OSError, ValueError) as error:
        log.warning("%s: the shape of production's traces is learned anew: %s", path, error)
        return Shape()


def _sums(rows: list[tuple[list[str], list[float]]], names: int, columns: int) -> Sums:
    if any(len(key) != names or len(found) != columns for key, found in rows):
        raise ValueError("a row is of another length")
    return {tuple(key): np.array(found) for key, found in rows}
