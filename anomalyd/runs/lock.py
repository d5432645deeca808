"""One daemon per state directory."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from anomalyd.runs.errors import StoreError


class Lock:
    """An advisory lock on `path`, held until `release` or the end of the process.

    Raises StoreError when another process holds it or the file cannot be made.
    """

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StoreError(
                f"the state directory {path.parent} cannot be written: {error.strerror}; set "
                "state_dir to a directory that can be written"
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._file)
            raise StoreError(
                f"the state directory {path.parent} is in use by another anomalyd; stop it or set "
                "another state_dir"
            ) from error

    def release(self) -> None:
        """Idempotent."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
