"""`anomalyd score`: a CSV of one stream, row by row, with a score beside every value."""

from __future__ import annotations

import csv
import math
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import click

from anomalyd.commands import shell
from anomalyd.streams.score import THRESHOLD, Stream

TIME_COLUMNS = ("timestamp", "time")
MISSING = frozenset({"", "nan", "na", "n/a", "null", "none"})
LATEST_SECONDS = 1e11
"""The year 5138: a larger number is not meant in seconds."""

LINES_PER_STEP = 2000


class ScoreError(Exception):
    """One sentence: which place of the file cannot be read, and how to mend it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: what was written, and what it means (unix seconds; NaN for a missing value)."""

    when: str
    what: str
    time: float
    value: float


@dataclass(slots=True)
class Told:
    """What is said at the end."""

    rows: int = 0
    anomalies: int = 0


def main(source: str, output: str) -> None:
    """Score a file, say of an output file what is in it; what a user can mend is one sentence."""
    try:
        told = run(source, output)
    except ScoreError as error:
        shell.fail(error)
    if output != "-":
        click.echo(f"{output}: {told.rows} rows, {told.anomalies} score at least {THRESHOLD}")


def run(source: str, output: str) -> Told:
    """Score the file `source` ("-": stdin) into the file `output` ("-": stdout).

    Rows are written as they are read, so that a pipe can be followed. Raises ScoreError, OSError.
    """
    told = Told()
    with _lines(source) as lines, _writer(output) as out:
        table = csv.writer(out, lineterminator="\n")
        for row, score in scored(read(lines, "stdin" if source == "-" else source)):
            if not told.rows:
                table.writerow(("timestamp", "value", "score"))
            table.writerow((row.when, row.what, f"{score:.6f}"))
            told.rows += 1
            told.anomalies += score >= THRESHOLD
            if source == "-":
                out.flush()
    return told


def scored(rows: Iterable[Row]) -> Iterator[tuple[Row, float]]:
    """Each row with its score, from it and the rows before it."""
    stream = Stream()
    for row in rows:
        yield row, stream.score(row.time, row.value)


def read(lines: Iterable[str], name: str) -> Iterator[Row]:
    """Rows of a CSV whose header names `timestamp` (or `time`) and `value`. Raises ScoreError."""
    table = csv.reader(lines)
    try:
        header = [cell.strip().lower() for cell in next(table, [])]
        when, what = _column(header, TIME_COLUMNS, name), _column(header, ("value",), name)
        for cells in table:
            if cells:
                yield _row(cells, when, what, f"{name}, line {table.line_num}")
        if table.line_num < 2:
            raise ScoreError(f"{name}: has no rows below its header; write one per measurement")
    except csv.Error as error:
        raise ScoreError(f"{name}, line {table.line_num}: {error}; write it as CSV") from error
    except UnicodeDecodeError as error:
        raise ScoreError(f"{name}: is not UTF-8 text ({error.reason}); write it as CSV") from error


def _column(header: list[str], names: tuple[str, ...], place: str) -> int:
    for name in names:
        if name in header:
            return header.index(name)
    raise ScoreError(f"{place}: has no column {names[0]}; its first line must be: timestamp,value")


def _row(cells: list[str], when: int, what: int, place: str) -> Row:
    if max(when, what) >= len(cells):
        raise ScoreError(f"{place}: has {len(cells)} of the header's columns; write all of them")
    return Row(cells[when], cells[what], _time(cells[when], place), _value(cells[what], place))


def _time(text: str, place: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        return _iso(text, place)
    if not abs(seconds) <= LATEST_SECONDS:
        raise ScoreError(f"{place}: {text} is no time in unix seconds; divide milliseconds by 1000")
    return seconds


def _iso(text: str, place: str) -> float:
    try:
        return moment(text)
    except ValueError:
        raise ScoreError(f"{place}: {text!r} is no time; write ISO 8601 or unix seconds") from None


def moment(text: str) -> float:
    """Unix seconds of an ISO 8601 time, UTC where it names no zone. Raises ValueError."""
    found = datetime.fromisoformat(text.strip())
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _value(text: str, place: str) -> float:
    if text.strip().lower() in MISSING:
        return math.nan
    try:
        return float(text)
    except ValueError:
        raise ScoreError(
            f"{place}: {text!r} is no number; leave it empty if the value is missing"
        ) from None


@contextmanager
def _lines(source: str) -> Iterator[Iterable[str]]:
    """The lines of the source, with progress on a terminal where the length is known."""
    if source == "-":
        yield sys.stdin
        return
    with open(source, encoding="utf-8-sig", newline="") as file:
        yield _watched(file, os.fstat(file.fileno()).st_size) if sys.stderr.isatty() else file


def _watched(file: IO[str], size: int) -> Iterator[str]:
    with click.progressbar(length=size, label="scoring", file=sys.stderr) as bar:
        waiting = 0
        for number, line in enumerate(file, 1):
            waiting += len(line)
            if number % LINES_PER_STEP == 0:
                bar.update(waiting)
                waiting = 0
            yield line
        bar.update(waiting)


@contextmanager
def _writer(output: str) -> Iterator[IO[str]]:
    """Stdout or a device as it is; a file is there only when it is whole."""
    path = Path(output)
    if output == "-":
        yield sys.stdout
    elif path.exists() and not path.is_file():
        with path.open("w", encoding="utf-8", newline="") as file:
            yield file
    else:
        with _whole(path) as file:
            yield file


@contextmanager
def _whole(path: Path) -> Iterator[IO[str]]:
    if not path.parent.is_dir():
        raise ScoreError(f"{path}: its folder is not there; make it first")
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with part.open("w", encoding="utf-8", newline="") as file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
