"""The frames of a run under way on disk: appended one by one, each with its length and checksum.

A folder per run holds `frames` and the files of `references`. What was torn when the machine
stopped is left out.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np

from anomalyd.baseline.file import BaselineError
from anomalyd.model import Floats
from anomalyd.replay import references
from anomalyd.replay.frames import DAMAGED, Columns, Frame, Meta, decode
from anomalyd.replay.recorded import RecordedRun
from anomalyd.replay.recording import RecordingError

FORMAT = 1
FRAMES = "frames"
_HEAD = struct.Struct("<II")
_FIRST = b"anomalyd recording %d\n" % FORMAT

ROW, NUMBER = np.dtype("<i4"), np.dtype("<f8")


def begin(folder: Path) -> None:
    """An empty tape. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FRAMES).write_bytes(_FIRST)


def append(folder: Path, frame: Frame) -> int:
    """Write one frame, whole or not at all; how many bytes it took. Raises OSError."""
    body = _packed(frame)
    head = _HEAD.pack(len(body), zlib.crc32(body))
    with (folder / FRAMES).open("r+b", buffering=0) as tape:
        end = tape.seek(0, os.SEEK_END)
        try:
            for part in (head, body):
                if tape.write(part) != len(part):
                    raise OSError(None, "the disk is full")
        except OSError:
            tape.truncate(end)
            raise
        return len(head) + len(body)


def mend(folder: Path) -> list[Meta]:
    """Cut off what is torn at the end, so that more can be appended; what is there. Raises OSError,
    and one of DAMAGED where it is no tape."""
    path = folder / FRAMES
    data = path.read_bytes()
    if not data.startswith(_FIRST):
        raise ValueError("it is of another format")
    found = list(_frames(data))
    whole = found[-1][1] if found else len(_FIRST)
    if whole < len(data):
        os.truncate(path, whole)
    return [frame.meta for frame, _ in found]


def read(folder: Path) -> RecordedRun:
    """The run on a tape. Raises RecordingError."""
    try:
        data = (folder / FRAMES).read_bytes()
        if not data.startswith(_FIRST):
            raise RecordingError(f"{folder}: was written by another version of anomalyd")
        told = [frame for frame, _ in _frames(data)]
        return decode(told, references.read_all(told, folder))
    except FileNotFoundError as error:
        raise RecordingError(f"{error.filename}: is not there") from error
    except OSError as error:
        raise RecordingError(f"{folder}: cannot be read: {error.strerror}") from error
    except BaselineError as error:
        raise RecordingError(str(error)) from error
    except DAMAGED as error:
        raise RecordingError(f"{folder}: is damaged: {error}") from error


def _packed(frame: Frame) -> bytes:
    columns = frame.columns
    arrays = _arrays(columns) if columns is not None else []
    if columns is not None and columns.traced is not None:
        arrays += _arrays(columns.traced)
    return msgspec.msgpack.encode([frame.meta, *arrays])


def _arrays(columns: Columns) -> list[bytes]:
    counts = columns.counts if np.isfinite(columns.counts).any() else np.zeros(0)
    return [
        columns.rows.astype(ROW).tobytes(),
        columns.values.astype(NUMBER).tobytes(),
        counts.astype(NUMBER).tobytes(),
    ]


def _frames(data: bytes) -> Iterator[tuple[Frame, int]]:
    """Every whole frame, and where it ends."""
    at = len(_FIRST)
    while at + _HEAD.size <= len(data):
        length, checksum = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        body = memoryview(data)[at : at + length]
        if len(body) < length or zlib.crc32(body) != checksum:
            return
        at += length
        yield _unpacked(body), at


def _unpacked(body: memoryview) -> Frame:
    meta, *arrays = msgspec.msgpack.decode(body)
    if not arrays:
        return Frame(meta)
    told = _columns(arrays[3:]) if len(arrays) > 3 else None
    return Frame(meta, replace(_columns(arrays[:3]), traced=told))


def _columns(arrays: list[bytes]) -> Columns:
    rows = np.frombuffer(arrays[0], dtype=ROW)
    values, counts = (_numbers(each) for each in arrays[1:])
    return Columns(rows, values, counts if len(counts) else np.full(len(rows), np.nan))


def _numbers(raw: bytes) -> Floats:
    return np.frombuffer(raw, dtype=NUMBER).astype(np.float64)
