"""Production's rows, kept locally, so that a baseline outlives production's retention.

One folder per query, one file per stretch of time: `history/<hash>/<start>-<end>.npz` (unix
seconds, half-open), with `keys` (JSON as bytes) and `values` float32[S, T] at start, start + step,
…. A file appears whole or not at all. Nothing is unpickled.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anomalyd.model import Batch, Floats
from anomalyd.signals.table import SignalTable

log = logging.getLogger(__name__)

Span = tuple[float, float]
COMPACT_SECONDS = 86_400.0
COMPACT_CELLS = 4_000_000
_NAME = re.compile(r"(\d+\.\d{3})-(\d+\.\d{3})\.npz\Z")
_BROKEN = (
    *(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error),
    *(NotImplementedError, RuntimeError),  # zipfile's, of flags that damage has set
)


@dataclass(frozen=True, slots=True)
class Stored:
    """What rows are of: one query text over `window` at every `step` (seconds).

    origin: `prometheus` or another server, labels as it gave them; `scrape`, labels already
    canonical.
    """

    query: str
    window: float
    step: float
    origin: str = "prometheus"

    @property
    def folder(self) -> str:
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:20]


@dataclass(frozen=True, slots=True)
class Rows:
    """times: float64[T], by step; keys: S label sets as JSON objects; values: float32[S, T].

    NaN where a series had no value. answered: bool[T], whether the server was asked and answered.
    """

    times: Floats
    keys: list[str]
    values: NDArray[np.float32]
    answered: NDArray[np.bool_]


class RowStore:
    """Rows under `root`; one writer at a time. `corrupt` counts chunks put aside as unreadable."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.corrupt = 0

    def covered(self, stored: Stored) -> list[Span]:
        """Disjoint spans that are stored, ascending."""
        spans: list[Span] = []
        for start, end, _ in self._chunks(stored):
            if spans and start <= spans[-1][1]:
                spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
            else:
                spans.append((start, end))
        return spans

    def missing(self, stored: Stored, start: float, end: float) -> list[Span]:
        """The spans of [start, end) that are not stored, ascending."""
        gaps: list[Span] = []
        for low, high in self.covered(stored):
            if low > start:
                gaps.append((start, min(low, end)))
            start = max(start, high)
            if start >= end:
                break
        if start < end:
            gaps.append((start, end))
        return [gap for gap in gaps if gap[0] < gap[1]]

    def write(
        self,
        stored: Stored,
        start: float,
        end: float,
        keys: Sequence[str],
        values: NDArray[np.float32],
    ) -> None:
        """Store values float32[S, T] of [start, end). Raises OSError (a full disk)."""
        expected = (len(keys), round((end - start) / stored.step))
        if values.shape != expected:
            raise ValueError(f"rows have shape {values.shape}, {expected} was expected")
        folder = self.root / stored.folder
        if not folder.exists():
            folder.mkdir(parents=True, exist_ok=True)
            _replace(folder / "query.json", json.dumps(asdict(stored), indent=1).encode())
        text = np.frombuffer(json.dumps(list(keys)).encode(), dtype=np.uint8)
        path = folder / f"{start:.3f}-{end:.3f}.npz"
        descriptor, temporary = tempfile.mkstemp(dir=folder, suffix=".tmp")
        try:
            with os.fdopen(descriptor, "wb") as file:
                np.savez(file, keys=text, values=values.astype(np.float32, copy=False))
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def read(self, stored: Stored, start: float, end: float) -> Rows:
        """All rows of [start, end), both multiples of the step, from whichever chunks hold them.

        A chunk that cannot be read is named, put aside as `.corrupt` and asked for again.
        """
        step = stored.step
        count = max(0, round((end - start) / step))
        places: dict[str, int] = {}
        parts: list[tuple[int, list[str], NDArray[np.float32]]] = []
        for low, high, path in self._chunks(stored):
            if high <= start or low >= end:
                continue
            chunk = self._load(path, round((high - low) / step))
            if chunk is not None:
                parts.append((round((low - start) / step), *chunk))
                for key in chunk[0]:
                    places.setdefault(key, len(places))
        values = np.full((len(places), count), np.nan, dtype=np.float32)
        answered = np.zeros(count, dtype=np.bool_)
        for offset, keys, block in parts:
            first, last = max(0, offset), min(count, offset + block.shape[1])
            rows = [places[key] for key in keys]
            values[rows, first:last] = block[:, first - offset : last - offset]
            answered[first:last] = True
        times: Floats = start + step * np.arange(count, dtype=np.float64)
        return Rows(times, list(places), values, answered)

    def compact(self, stored: Stored) -> None:
        """Join neighbouring chunks into stretches of at most a day."""
        group: list[tuple[float, float, Path]] = []
        for chunk in [*self._chunks(stored), (np.inf, np.inf, Path())]:
            if group and (chunk[0] != group[-1][1] or chunk[1] - group[0][0] > COMPACT_SECONDS):
                self._join(stored, group)
                group = []
            group.append(chunk)

    def expire(self, before: float) -> int:
        """Delete chunks that end before that time; returns how many."""
        expired = 0
        for path in self.root.glob("*/*.npz"):
            found = _NAME.search(path.name)
            if found and float(found[2]) < before:
                path.unlink(missing_ok=True)
                expired += 1
        return expired

    def _join(self, stored: Stored, group: Sequence[tuple[float, float, Path]]) -> None:
        if len(group) < 2:
            return
        start, end = group[0][0], group[-1][1]
        rows = self.read(stored, start, end)
        if not rows.answered.all() or rows.values.size > COMPACT_CELLS:
            return
        self.write(stored, start, end, rows.keys, rows.values)
        for _, _, path in group:
            path.unlink(missing_ok=True)

    def _chunks(self, stored: Stored) -> Iterator[tuple[float, float, Path]]:
        folder = self.root / stored.folder
        found = ((_NAME.match(path.name), path) for path in folder.glob("*.npz"))
        yield from sorted((float(n[1]), float(n[2]), path) for n, path in found if n)

    def _load(self, path: Path, points: int) -> tuple[list[str], NDArray[np.float32]] | None:
        try:
            with path.open("rb") as file:
                if not zipfile.is_zipfile(file):
                    raise ValueError("not an archive")
                file.seek(0)
                with np.load(file, allow_pickle=False) as archive:
                    keys = json.loads(archive["keys"].tobytes())
                    values = archive["values"]
            if (
                not isinstance(keys, list)
                or values.shape != (len(keys), points)
                or values.dtype != np.float32
            ):
                raise ValueError(f"shape {values.shape} does not fit its name")
        except FileNotFoundError:
            return None
        except _BROKEN as error:
            self.corrupt += 1
            log.warning("%s cannot be read (%s); it is put aside and asked for again", path, error)
            path.replace(path.with_suffix(".corrupt"))
            return None
        return keys, values


class RowsWriter:
    """Keeps the rows of a production that is scraped, so that a baseline can be fitted from them.

    stored: per signal of the table, where its values and its counts go. `append` takes every
    Batch; those at multiples of the step are kept, and written every `flush_every` seconds.
    """

    def __init__(
        self,
        store: RowStore,
        table: SignalTable,
        stored: Sequence[tuple[Stored, Stored | None]],
        *,
        flush_every: float = 3600.0,
    ) -> None:
        self._store = store
        self._table = table
        self._stored = stored
        self._flush_every = flush_every
        self._batches: list[Batch] = []

    def append(self, batch: Batch) -> None:
        """Raises OSError where a flush is due and the disk refuses it."""
        step = self._stored[0][0].step if self._stored else 1.0
        if abs(batch.time / step - round(batch.time / step)) * step > 1e-3:
            return
        if self._batches and batch.time <= self._batches[-1].time:
            return
        self._batches.append(batch)
        if batch.time - self._batches[0].time >= self._flush_every:
            self.flush()

    def flush(self) -> None:
        batches, self._batches = self._batches, []
        for index, (values, counts) in enumerate(self._stored):
            name = self._table.signals[index].name
            answered = [batch for batch in batches if name in batch.answered]
            for stretch in _stretches(answered, values.step):
                self._write(index, values, [(b, b.values) for b in stretch])
                if counts:
                    self._write(index, counts, [(b, b.counts) for b in stretch])
            for stored in (values, counts):
                if stored and answered:
                    self._store.compact(stored)

    def _write(self, index: int, stored: Stored, stretch: Sequence[tuple[Batch, Floats]]) -> None:
        mine = [batch.rows[self._table.signal_index[batch.rows] == index] for batch, _ in stretch]
        rows = np.unique(np.concatenate(mine))
        block = np.full((len(rows), len(stretch)), np.nan, dtype=np.float32)
        for column, (batch, values) in enumerate(stretch):
            chosen = self._table.signal_index[batch.rows] == index
            block[np.searchsorted(rows, batch.rows[chosen]), column] = values[chosen]
        keys = [json.dumps(dict(self._table.labels[row])) for row in rows.tolist()]
        start = stretch[0][0].time
        self._store.write(stored, start, start + len(stretch) * stored.step, keys, block)


def _stretches(batches: Sequence[Batch], step: float) -> Iterator[list[Batch]]:
    """Runs of batches without a missing step between them."""
    run: list[Batch] = []
    for batch in batches:
        if run and abs(batch.time - run[-1].time - step) > step / 2:
            yield run
            run = []
        run.append(batch)
    if run:
        yield run


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(content)
    temporary.replace(path)
