"""How large a recording may be that is read: it may come from anywhere."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import IO

MOST_BYTES = 4 * 2**30
"""That a part of a recording unpacks to; beyond it the machine would be brought down."""


def check_archive(place: Path | IO[bytes], name: str, most: int = MOST_BYTES) -> None:
    """Raises ValueError where an archive unpacks to more than `most` bytes, or is none."""
    try:
        with zipfile.ZipFile(place) as archive:
            size = sum(one.file_size for one in archive.infolist())
    except zipfile.BadZipFile as error:
        raise ValueError(f"{name} is not whole: {error}") from error
    if size > most:
        raise ValueError(f"{name} unpacks to {size} bytes, more than {most}")
