"""Is there a place for the state: tries to write there, and leaves nothing behind."""

from __future__ import annotations

import tempfile
from pathlib import Path

from anomalyd.checks import Check, Status

MEND = "let the user that runs anomalyd write there, free some space, or set state_dir elsewhere"


def kept_in(directory: Path) -> Check:
    """Whether `directory`, or the nearest above it that is there, takes a file."""
    place = directory.absolute()
    try:
        while not place.exists() and place != place.parent:
            place = place.parent
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b"anomalyd")
            file.flush()
    except OSError as error:
        detail = f"{place} cannot be written: {error.strerror or error}"
        return Check("state_dir", Status.FAIL, detail, MEND)
    new = "" if place == directory.absolute() else f", where {directory} will be made"
    return Check("state_dir", Status.OK, f"{place} can be written{new}")
