"""A recorded run as a folder that can be given away: `run.json`, `windows.npz`, what judges it.

`run.json` has everything but numbers, for people too; nothing in it is secret, and no file is a
pickle. `pack` and `unpack` make one archive of the folder, and the folder of it.
"""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from anomalyd.baseline.file import BaselineError
from anomalyd.replay import references
from anomalyd.replay.frames import DAMAGED, Columns, Frame, decode, told
from anomalyd.replay.limits import MOST_BYTES, check_archive
from anomalyd.replay.recorded import RecordedRun
from anomalyd.replay.recording import RecordingError

FORMAT = 1
ABOUT, WINDOWS = "run.json", "windows.npz"
TRACED = "traced_"
"""Begins the names of the columns of what traces told."""
MOST_ABOUT = 512 * 2**20
MOST_REFERENCES = 100


def write(recorded: RecordedRun, folder: Path) -> None:
    """Into a folder that is new or empty. Raises RecordingError, BaselineError, OSError."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RecordingError(f"{folder}: is there already; name a new folder, or remove it")
    folder.mkdir(parents=True, exist_ok=True)
    for place, one in enumerate(recorded.references):
        references.write(one, folder, place)
    frames = [*map(references.frame, recorded.references), *told(recorded)]
    _write_columns([f.columns for f in frames if f.columns is not None], folder / WINDOWS)
    text = json.dumps(_about(recorded, frames), indent=1, allow_nan=False)
    (folder / ABOUT).write_text(text + "\n", encoding="utf-8")


def _about(recorded: RecordedRun, frames: Sequence[Frame]) -> dict[str, Any]:
    verdict = recorded.verdict
    return {
        "format": FORMAT,
        "anomalyd": recorded.version,
        "run": recorded.run.id,
        "name": recorded.run.name,
        "outcome": verdict.outcome.value if verdict is not None else None,
        "reasons": list(verdict.reasons) if verdict is not None else [],
        "frames": [frame.meta for frame in frames],
    }


def _write_columns(columns: Sequence[Columns], path: Path) -> None:
    told = [one.traced for one in columns if one.traced is not None]
    extra = {f"{TRACED}{name}": found for name, found in _joined(told).items()} if told else {}
    np.savez_compressed(path, **_joined(columns), **extra)


def _joined(columns: Sequence[Columns]) -> dict[str, Any]:
    def joined(name: str, kind: Any) -> Any:
        empty = np.zeros(0, dtype=kind)
        return np.concatenate([empty, *(getattr(one, name) for one in columns)]).astype(kind)

    return {
        "lengths": np.array([len(one.rows) for one in columns], dtype=np.int64),
        "rows": joined("rows", np.int32),
        "values": joined("values", np.float64),
        "counts": joined("counts", np.float64),
    }


def read(folder: Path, name: str = "") -> RecordedRun:
    """Raises RecordingError: one sentence, on `name`, of what is not as `write` wrote it."""
    where = name or str(folder)
    try:
        about = _read_about(folder / ABOUT)
        columns, told = map(iter, _read_columns(folder / WINDOWS))
        frames = [_frame(meta, columns, told) for meta in about["frames"]]
        if sum(frame.meta["kind"] == "reference" for frame in frames) > MOST_REFERENCES:
            raise ValueError("it names too many references")
        return decode(frames, references.read_all(frames, folder))
    except FileNotFoundError as error:
        missing = Path(str(error.filename)).name
        raise RecordingError(
            f"{where}: is not a recording of `anomalyd record`: {missing} is missing"
        ) from error
    except OSError as error:
        raise RecordingError(f"{where}: cannot be read: {error.strerror or error}") from error
    except (BaselineError, RecordingError) as error:
        raise RecordingError(f"{where}: {error}") from error
    except (*DAMAGED, RecursionError) as error:
        raise RecordingError(
            f"{where}: is damaged ({_said(error)}); record the run again"
        ) from error


def _read_about(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        text = file.read(MOST_ABOUT + 1)
    if len(text) > MOST_ABOUT:
        raise ValueError(f"{ABOUT} is larger than {MOST_ABOUT} bytes")
    about = json.loads(text)
    version = about.get("format") if isinstance(about, dict) else None
    if version != FORMAT:
        raise RecordingError(
            f"{ABOUT} has format {version!r}, this anomalyd reads format {FORMAT}; replay it with "
            "the version that recorded it"
        )
    return dict(about)


def _frame(meta: dict[str, Any], columns: Iterator[Columns], told: Iterator[Columns]) -> Frame:
    found = next(columns, None) if meta["kind"] == "window" else None
    if found is not None and "traced" in meta:
        found = replace(found, traced=next(told, None))
    return Frame(meta, found)


def _read_columns(path: Path) -> tuple[list[Columns], list[Columns]]:
    """Of each window, and of each of which traces told anything."""
    check_archive(path, WINDOWS)
    with np.load(path, allow_pickle=False) as archive:
        told = _split(archive, TRACED) if f"{TRACED}lengths" in archive else []
        return _split(archive, ""), told


def _split(archive: Mapping[str, Any], prefix: str) -> list[Columns]:
    lengths, rows, values, counts = (
        archive[prefix + name] for name in ("lengths", "rows", "values", "counts")
    )
    whole = len(rows) == len(values) == len(counts) == int(lengths.sum()) and (lengths >= 0).all()
    if not whole or rows.dtype != np.int32 or {values.dtype, counts.dtype} != {np.dtype("f8")}:
        raise ValueError(f"the columns of {WINDOWS} do not belong together")
    ends = np.cumsum(lengths)[:-1]
    parts = (np.split(one, ends) for one in (rows, values, counts))
    return [Columns(*one) for one in zip(*parts, strict=True)] if len(lengths) else []


def _said(error: BaseException) -> str:
    what = " ".join(str(error).split())
    return f"{what} is not there" if isinstance(error, KeyError) else what or type(error).__name__


def pack(recorded: RecordedRun) -> bytes:
    """The folder as one zip archive. Raises BaselineError, OSError."""
    out = io.BytesIO()
    with tempfile.TemporaryDirectory() as directory, zipfile.ZipFile(out, "w") as archive:
        write(recorded, Path(directory))
        for path in sorted(Path(directory).iterdir()):
            stored = path.suffix == ".npz"
            method = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
            archive.write(path, path.name, method)
    return out.getvalue()


def unpack(data: bytes, where: str) -> RecordedRun:
    """What `pack` packed. Raises RecordingError."""
    known = {
        ABOUT,
        WINDOWS,
        *(n for place in range(MOST_REFERENCES) for n in references.names(place)),
    }
    try:
        check_archive(io.BytesIO(data), where, MOST_BYTES + MOST_ABOUT)
        with tempfile.TemporaryDirectory() as directory, zipfile.ZipFile(io.BytesIO(data)) as found:
            strange = sorted(set(found.namelist()) - known)
            if strange:
                raise RecordingError(f"{where}: is not a recording: it holds {strange[0]}")
            for name in found.namelist():
                (Path(directory) / name).write_bytes(found.read(name))
            return read(Path(directory), where)
    except RecordingError:
        raise
    except (ValueError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise RecordingError(f"{where}: is not a recording: {error}") from error
