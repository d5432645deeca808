"""Wide CSV, the exchange format of recordings: a column of times and one column per series."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import numpy as np

from anomalyd.model import Floats

TIME_COLUMNS = ("time", "timestamp")

MOST_CELLS = 200_000_000
"""1.6 GB of numbers: beyond it a file is refused rather than the machine brought down."""


class RecordingError(ValueError):
    """Why a recording cannot be read: one sentence for a person."""


@dataclass(frozen=True, slots=True)
class Recording:
    """times: float64[t], unix seconds, ascending and unique. headers: one per series, in Prometheus
    notation, unique. values: float64[t, len(headers)], NaN where absent."""

    times: Floats
    headers: tuple[str, ...]
    values: Floats

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.times), len(self.headers)):
            raise RecordingError(
                f"values {self.values.shape} do not belong to {len(self.times)} times and "
                f"{len(self.headers)} series"
            )

    @property
    def step(self) -> float:
        """Seconds between samples as a rule; NaN for fewer than two."""
        return float(np.median(np.diff(self.times))) if len(self.times) > 1 else math.nan


def read_csv(path: Path) -> Recording:
    """A recording from a wide CSV file. Raises RecordingError, which names file and line."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _read(file, str(path))
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise RecordingError(f"{path}: is not UTF-8 text") from error


LARGEST = 1e30
"""Of a value: what is worked out of it, squares and float32 among it, stays finite."""


def write_csv(recording: Recording, path: Path) -> None:
    """The recording as a wide CSV file, times as unix seconds, absent values empty."""
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(["time", *recording.headers])
        for time, row in zip(recording.times, recording.values, strict=True):
            out.writerow(
                [repr(float(time)), *("" if math.isnan(v) else repr(v) for v in row.tolist())]
            )


def _read(file: TextIO, name: str) -> Recording:
    rows = csv.reader(file)
    try:
        header = [cell.strip() for cell in next(rows)]
    except StopIteration:
        raise RecordingError(f"{name}: is empty; its first line must name the columns") from None
    except csv.Error as error:
        raise RecordingError(f"{name}: is not CSV: {error}") from error
    at = _time_column(header, name)
    headers = tuple(h for i, h in enumerate(header) if i != at)
    twice = sorted(h for h, times in Counter(headers).items() if times > 1)
    if twice:
        raise RecordingError(f"{name}: column {twice[0]} is there twice")
    times, values = _cells(rows, at, len(header), name)
    order = np.argsort(times, kind="stable")
    times, values = times[order], values[order]
    if len(times) > 1 and (np.diff(times) <= 0).any():
        again = times[1:][np.diff(times) <= 0][0]
        raise RecordingError(f"{name}: time {again:g} is there twice")
    _check_sizes(times, headers, values, name)
    return Recording(times, headers, values)


def _check_sizes(times: Floats, headers: Sequence[str], values: Floats, name: str) -> None:
    beyond = np.argwhere(np.isfinite(values) & (np.abs(values) > LARGEST))
    if len(beyond):
        row, column = beyond[0]
        raise RecordingError(
            f"{name}: {headers[column]} is {values[row, column]:g} at time {times[row]:.15g}, and "
            f"beyond {LARGEST:g} nothing is measured; leave that cell empty"
        )


def _time_column(header: Sequence[str], name: str) -> int:
    found = [i for i, cell in enumerate(header) if cell.lower() in TIME_COLUMNS]
    if len(found) != 1:
        raise RecordingError(f"{name}: needs one column named time or timestamp in its first line")
    return found[0]


def _cells(rows: Iterable[list[str]], at: int, width: int, name: str) -> tuple[Floats, Floats]:
    times: list[float] = []
    values: list[list[float]] = []
    try:
        for line, row in enumerate(rows, start=2):
            if not row:
                continue
            if len(row) != width:
                raise RecordingError(
                    f"{name}: line {line} has {len(row)} columns, the first line has {width}"
                )
            if len(values) * width > MOST_CELLS:
                raise RecordingError(f"{name}: has more than {MOST_CELLS} values; use fewer")
            times.append(parse_time(row.pop(at), f"{name}: line {line}"))
            values.append(_numbers(row, name, line))
    except csv.Error as error:
        raise RecordingError(f"{name}: is not CSV: {error}") from error
    return np.array(times, dtype=np.float64), np.array(values).reshape(len(times), width - 1)


def _numbers(row: Sequence[str], name: str, line: int) -> list[float]:
    try:
        return [float(cell) if cell else math.nan for cell in row]
    except ValueError:
        return [_number(cell, name, line) for cell in row]


def _number(cell: str, name: str, line: int) -> float:
    text = cell.strip()
    if text.lower() in ("", "null", "none", "na", "n/a"):
        return math.nan
    try:
        return float(text)
    except ValueError:
        raise RecordingError(f"{name}: line {line}: {cell!r} is not a number") from None


def parse_time(text: str, where: str) -> float:
    """Unix seconds of a number or an ISO 8601 time (without a zone: UTC)."""
    try:
        time = float(text)
    except ValueError:
        try:
            moment = datetime.fromisoformat(text.strip())
        except ValueError:
            raise RecordingError(
                f"{where}: {text!r} is neither unix seconds nor an ISO 8601 time"
            ) from None
        time = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if not math.isfinite(time):
        raise RecordingError(f"{where}: {text!r} is not a time")
    return time
