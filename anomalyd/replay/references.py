"""What a recorded run is judged by, as files beside its frames: baselines, and what was learned."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomalyd.baseline import file, taught
from anomalyd.pipeline import JudgedBy
from anomalyd.replay.frames import Frame, Meta
from anomalyd.replay.limits import check_archive


def names(place: int) -> tuple[str, str, str]:
    """Of the files of a reference: baseline, transfer and the golden run's."""
    number = f"-{place + 1}" if place else ""
    return f"baseline{number}.npz", f"transfer{number}.npz", f"golden{number}.npz"


def frame(judged_by: JudgedBy) -> Frame:
    """What the frames say of a reference, in the order of their places."""
    baseline = judged_by.baseline
    meta = {
        "kind": "reference",
        "baseline": file.digest(baseline) if baseline is not None else None,
        "transfer": judged_by.transfer is not None,
        "smear": judged_by.smear,
    }
    return Frame(meta | ({"golden": judged_by.golden.run} if judged_by.golden else {}))


def write(judged_by: JudgedBy, folder: Path, place: int) -> None:
    """Raises BaselineError, OSError."""
    if judged_by.baseline is not None:
        file.save(judged_by.baseline, folder / names(place)[0])
    write_learned(judged_by, folder, place)


def write_learned(judged_by: JudgedBy, folder: Path, place: int) -> None:
    """All but the baseline. Raises OSError."""
    _, transfer, pinned = names(place)
    if judged_by.transfer is not None:
        arrays = taught.arrays_of(judged_by.transfer)
        np.savez(folder / transfer, allow_pickle=False, **arrays)
    if judged_by.golden is not None:
        arrays = taught.golden_arrays(judged_by.golden)
        np.savez(folder / pinned, allow_pickle=False, **arrays)


def read(meta: Meta, folder: Path, place: int) -> JudgedBy:
    """What `frame` said, from its files. Raises BaselineError, OSError, or one of DAMAGED."""
    baseline, transfer, pinned = names(place)
    found = None
    if meta["baseline"] is not None:
        check_archive(folder / baseline, baseline)
        found = file.load(folder / baseline)
        if file.digest(found) != meta["baseline"]:
            raise ValueError(f"{baseline} is not the baseline that the run was judged by")
    learned = taught.transfer_of(_arrays(folder / transfer)) if meta["transfer"] else None
    far = taught.golden_of(_arrays(folder / pinned)) if meta.get("golden") else None
    return JudgedBy(found, learned, int(meta["smear"]), far)


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    check_archive(path, path.name)
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def read_all(told: Iterable[Frame], folder: Path) -> list[JudgedBy]:
    """All that the frames name, in order. Raises as `read` does."""
    metas = [frame.meta for frame in told if frame.meta["kind"] == "reference"]
    return [read(meta, folder, place) for place, meta in enumerate(metas)]
