"""Every labelled incident below a folder, whatever sets are in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench.rca import nezha, petshop
from bench.rca.archive import unpacked
from bench.rca.cases import Case, DataError

CACHE = Path(".cache/rca")


def cases(data: Path, cache: Path = CACHE) -> Iterator[Case]:
    """PetShop's sets, then Nezha's, in order of folder; each set's cases in order. Raises
    DataError."""
    if not data.is_dir():
        raise DataError(f"{data}: is not a folder; name the data with DATA=folder")
    found = False
    for folder in petshop.folders(data):
        for case in petshop.cases(folder):
            found = True
            yield case
    for folder in _faults(data, cache):
        for case in nezha.cases(folder):
            found = True
            yield case
    if not found:
        raise DataError(f"{data}: has neither petshop/*/noissue nor nezha/ with a fault list in it")


def _faults(data: Path, cache: Path) -> list[Path]:
    """Folders with faults, unpacked or not; of two with the same name the unpacked."""
    plain = nezha.folders(data)
    names = {folder.name for folder in plain}
    packed = [
        folder
        for archive in sorted(data.rglob("*.tar.xz"))
        for folder in nezha.folders(unpacked(archive, cache))
        if folder.name not in names
    ]
    return plain + packed
