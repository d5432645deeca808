"""What accepted runs taught, as arrays and as a file beside its baseline: npz, no pickle."""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomalyd.baseline.transfer import Golden, Learned, Transfer

FORMAT = 2
_ABOUT = "about"
_GOLDEN = "golden_"
_BETWEEN, _RUN = "between", "run"
_NUMBERS: Mapping[str, type] = {"runs": int, "centre": float, "most_load": float}
_UNREADABLE = (
    KeyError,
    TypeError,
    ValueError,
    EOFError,
    RuntimeError,  # zipfile, of archives that are encrypted or compressed otherwise
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True, slots=True)
class Origin:
    """What was learned from: baseline: its digest; runs: ids, the first accepted first; setting:
    digest of the signals and settings by which the recordings were read; golden: id of the pinned
    run, '' without one."""

    baseline: str
    runs: tuple[str, ...]
    setting: str
    golden: str = ""


def arrays_of(transfer: Transfer) -> dict[str, NDArray[Any]]:
    """Every field by its name, numbers as arrays of no dimension."""
    return {one.name: np.asarray(getattr(transfer, one.name)) for one in fields(Transfer)}


def transfer_of(arrays: Mapping[str, NDArray[Any]]) -> Transfer:
    """What `arrays_of` gave. Raises KeyError, TypeError, ValueError for anything else."""
    known: dict[str, Any] = {name: kind(arrays[name]) for name, kind in _NUMBERS.items()}
    for one in fields(Transfer):
        if one.name in _NUMBERS:
            continue
        array = known[one.name] = np.asarray(arrays[one.name], dtype=np.float64)
        if array.shape != np.shape(arrays["mean"]) or array.ndim != 1:
            raise ValueError(f"{one.name} has not one number per profile")
    return Transfer(**known)


def golden_arrays(golden: Golden) -> dict[str, NDArray[Any]]:
    """As `arrays_of`, with the rest."""
    run = np.frombuffer(golden.run.encode(), dtype=np.uint8)
    return {**arrays_of(golden.transfer), _BETWEEN: golden.between, _RUN: run}


def golden_of(arrays: Mapping[str, NDArray[Any]]) -> Golden:
    """What `golden_arrays` gave. Raises KeyError, TypeError, ValueError for anything else."""
    transfer = transfer_of(arrays)
    between = np.asarray(arrays[_BETWEEN], dtype=np.float64)
    if between.shape != transfer.mean.shape:
        raise ValueError(f"{_BETWEEN} has not one number per profile")
    return Golden(np.asarray(arrays[_RUN], dtype=np.uint8).tobytes().decode(), transfer, between)


def save(learned: Learned, origin: Origin, path: Path) -> None:
    """Write and replace `path` in one step. Raises OSError."""
    about = {
        "format": FORMAT,
        "baseline": origin.baseline,
        "runs": list(origin.runs),
        "setting": origin.setting,
        "golden": origin.golden,
    }
    arrays = arrays_of(learned.transfer) if learned.transfer is not None else {}
    if learned.golden is not None:
        told = golden_arrays(learned.golden)
        arrays |= {f"{_GOLDEN}{name}": array for name, array in told.items()}
    text = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
    temporary = path.with_name(f".{path.name}.new")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with temporary.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays, **{_ABOUT: text})
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def load(path: Path) -> tuple[Learned, Origin] | None:
    """None where there is none, or it is damaged or of another version: it can be learned again.

    Raises OSError where it cannot be read.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        about = json.loads(arrays[_ABOUT].tobytes())
        if about["format"] != FORMAT:
            return None
        runs = tuple(map(str, about["runs"]))
        origin = Origin(str(about["baseline"]), runs, str(about["setting"]), str(about["golden"]))
        return _learned(arrays), origin
    except (FileNotFoundError, *_UNREADABLE):
        return None


def _learned(arrays: Mapping[str, NDArray[Any]]) -> Learned:
    golden = {n.removeprefix(_GOLDEN): a for n, a in arrays.items() if n.startswith(_GOLDEN)}
    return Learned(
        transfer_of(arrays) if "runs" in arrays else None,
        golden_of(golden) if golden else None,
    )
