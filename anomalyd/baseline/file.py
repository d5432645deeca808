"""The baseline as a file: arrays and JSON in one npz, no pickle, replaced in one step."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from anomalyd.baseline.profile import FORMAT, LOAD_BINS, QUANTILES, Baseline, Profiles
from anomalyd.baseline.seasons import HOURS, SLOTS
from anomalyd.units import format_duration

_ZIP = b"PK\x03\x04"
"""What every npz begins with (APPNOTE.TXT 4.3.7)."""

_REFIT = "run `anomalyd baseline fit` again"

_DTYPES: dict[str, Any] = {
    "logarithmic": np.bool_,
    "load_bins": np.float64,
    "quantiles": np.float16,
    "spread": np.float16,
    "hours": np.float16,
    "recurs": np.float16,
}
_SHAPES: dict[str, tuple[int, ...]] = {
    "quantiles": (len(QUANTILES), LOAD_BINS),
    "support": (LOAD_BINS,),
    "rate": (LOAD_BINS,),
    "events": (LOAD_BINS,),
    "spread": (LOAD_BINS,),
    "hours": (SLOTS,),
    "recurs": (HOURS,),
}
_ARRAYS = tuple(field.name for field in dataclasses.fields(Profiles) if field.name != "keys")
_OPTIONAL = frozenset({"floor", "rate", "events", "spread", "burst", "hours", "recurs"})
_ADDED = frozenset({"hours", "recurs"})
"""Arrays that files of this format lack where an earlier anomalyd wrote them."""

_MAY_BE_NAN = frozenset({"rate"})
_DAMAGED = (
    ValueError,
    EOFError,
    KeyError,
    RuntimeError,  # zipfile's for a damaged header that asks for a method or password
    zipfile.BadZipFile,
    zlib.error,
)


class BaselineError(Exception):
    """One sentence: which baseline, what is wrong with it, how to mend it."""


def save(baseline: Baseline, path: Path) -> None:
    """Write and replace `path` in one step. Raises BaselineError if it cannot be written."""
    p = baseline.profiles
    keys = np.frombuffer(json.dumps(p.keys).encode(), dtype=np.uint8)
    meta = json.dumps({**baseline.meta, "version": FORMAT}, allow_nan=False)
    arrays: dict[str, Any] = {name: getattr(p, name) for name in _ARRAYS}
    arrays |= {"keys": keys, "meta": np.frombuffer(meta.encode(), dtype=np.uint8)}
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            np.savez_compressed(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise BaselineError(f"{path}: cannot be written: {error.strerror}") from error
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def load(path: Path) -> Baseline:
    """Read and check a baseline. Raises BaselineError."""
    try:
        with path.open("rb") as file:
            _check_kind(file, path)
            arrays = _arrays(file)
    except FileNotFoundError:
        raise BaselineError(
            f"{path}: there is no baseline yet; run `anomalyd baseline fit`"
        ) from None
    except OSError as error:
        raise BaselineError(
            f"{path}: cannot be read ({error.strerror or error}); {_REFIT}"
        ) from None
    except _DAMAGED as error:
        # numpy would have the user unpickle a file that it does not know.
        reason = "it holds what no baseline does" if "pickle" in str(error) else str(error)
        raise BaselineError(f"{path}: is not a whole baseline ({reason}); {_REFIT}") from None
    meta = _json(arrays, "meta", path)
    if not isinstance(meta, dict) or meta.get("version") != FORMAT:
        version = meta.get("version") if isinstance(meta, dict) else None
        raise BaselineError(
            f"{path}: has format {version}, this anomalyd reads format {FORMAT}; {_REFIT}"
        )
    keys = _json(arrays, "keys", path)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise BaselineError(f"{path}: its keys are damaged; {_REFIT}")
    if not keys:
        raise BaselineError(f"{path}: holds no series; see `anomalyd signals list`, then {_REFIT}")
    there = [name for name in _ARRAYS if name in arrays or name not in _ADDED]
    checked = {name: _checked(arrays, name, len(keys), path) for name in there}
    return Baseline(Profiles(keys=tuple(keys), **checked), meta)


def digest(baseline: Baseline) -> str:
    """Names what judges: the same for the same profiles, whenever and wherever they were fitted."""
    found = hashlib.blake2b(json.dumps(baseline.profiles.keys).encode(), digest_size=8)
    for name in _ARRAYS:
        found.update(np.ascontiguousarray(getattr(baseline.profiles, name)).tobytes())
    return found.hexdigest()


def check_fits(baseline: Baseline, window: float) -> None:
    """Raises BaselineError unless the baseline's windows are as long as the judge's (seconds)."""
    own = float(baseline.meta.get("window", math.nan))
    if not math.isclose(own, window, rel_tol=1e-6):
        said = format_duration(own) if math.isfinite(own) else "unknown length"
        raise BaselineError(
            f"the baseline was taken with windows of {said}, staging is judged with "
            f"{format_duration(window)}; set `window` to match or {_REFIT}"
        )


def _check_kind(file: BinaryIO, path: Path) -> None:
    """Raises BaselineError for what never was an npz; a truncated one is told as such later."""
    head = file.read(len(_ZIP))
    file.seek(0)
    if not _ZIP.startswith(head):
        raise BaselineError(f"{path}: is not a baseline file; fit one with `anomalyd baseline fit`")


def _arrays(file: BinaryIO) -> dict[str, NDArray[Any]]:
    with np.load(file, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _json(arrays: dict[str, NDArray[Any]], name: str, path: Path) -> Any:
    try:
        return json.loads(arrays[name].tobytes())
    except (KeyError, ValueError) as error:
        raise BaselineError(f"{path}: its {name} cannot be read ({error}); {_REFIT}") from None


def _checked(arrays: dict[str, NDArray[Any]], name: str, n: int, path: Path) -> NDArray[Any]:
    array = arrays.get(name)
    shape = (LOAD_BINS,) if name == "load_bins" else (*_SHAPES.get(name, ()), n)
    dtype = np.dtype(_DTYPES.get(name, np.float32))
    empty = name in _OPTIONAL and array is not None and array.shape[-1:] == (0,)
    if array is None or array.dtype != dtype or (array.shape != shape and not empty):
        found = "missing" if array is None else f"{array.dtype}{array.shape}"
        raise BaselineError(f"{path}: {name} should be {dtype}{shape}, is {found}; {_REFIT}")
    if name not in _MAY_BE_NAN and not np.isfinite(array).all():
        raise BaselineError(f"{path}: {name} has values that are not numbers; {_REFIT}")
    return array
