"""A set that comes as `*.tar.xz`: unpacked once, with limits, into a folder of the cache."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from bench.rca.cases import DataError

MOST_BYTES = 20 * 2**30
MOST_FILES = 100_000


def unpacked(archive: Path, cache: Path, most_bytes: int = MOST_BYTES) -> Path:
    """The folder with the archive's regular files. Raises DataError.

    A member that leads outside, is neither file nor folder, or exceeds the limits is refused, and
    nothing of the archive is kept.
    """
    known = archive.stat()
    named = f"{archive.resolve()}|{known.st_size}|{known.st_mtime_ns}"
    folder = cache / hashlib.sha256(named.encode()).hexdigest()[:16]
    cache.mkdir(parents=True, exist_ok=True)
    with _alone_in(cache):
        if not folder.is_dir():
            _unpack(archive, folder, most_bytes)
    return folder


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Processes of several hash seeds want the same archive at once."""
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def _unpack(archive: Path, folder: Path, most_bytes: int) -> None:
    fresh = Path(tempfile.mkdtemp(dir=folder.parent, prefix="unpacking-"))
    try:
        _extract(archive, fresh, most_bytes)
        fresh.rename(folder)
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise DataError(f"{archive}: cannot be unpacked: {error}") from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _extract(archive: Path, folder: Path, most_bytes: int) -> None:
    files, size = 0, 0
    with tarfile.open(archive, "r:xz") as members:
        for member in members:
            path = PurePosixPath(member.name)
            if path.is_absolute() or ".." in path.parts:
                raise ValueError(f"{member.name} leads outside of it")
            if member.isdir():
                continue
            if not member.isfile():
                raise ValueError(f"{member.name} is neither a file nor a folder")
            files, size = files + 1, size + member.size
            if files > MOST_FILES or size > most_bytes:
                raise ValueError(f"it holds more than {MOST_FILES} files or {most_bytes} bytes")
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            source = members.extractfile(member)
            if source is None:
                raise ValueError(f"{member.name} has no content")
            with source, target.open("wb") as file:
                shutil.copyfileobj(source, file)
