"""What a recorded run is judged by, as files beside its frames: baselines, and what was learned."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from anomalyd.baseline import file, taught
from anomalyd.baseline.transfer import Transfer
from anomalyd.pipeline import JudgedBy
from anomalyd.replay.frames import Frame, Meta
from anomalyd.replay.limits import check_archive


def names(place: int) -> tuple[str, str]:
    """Of the files of a reference: baseline and transfer."""
    number = f"-{place + 1}" if place else ""
    return f"baseline{number}.npz", f"transfer{number}.npz"


def frame(judged_by: JudgedBy) -> Frame:
    """What the frames say of a reference, in the order of their places."""
    baseline = judged_by.baseline
    meta = {
        "kind": "reference",
        "baseline": file.digest(baseline) if baseline is not None else None,
        "transfer": judged_by.transfer is not None,
        "smear": judged_by.smear,
    }
    return Frame(meta)


def write(judged_by: JudgedBy, folder: Path, place: int) -> None:
    """Raises BaselineError, OSError."""
    baseline, transfer = names(place)
    if judged_by.baseline is not None:
        file.save(judged_by.baseline, folder / baseline)
    write_transfer(judged_by.transfer, folder / transfer)


def write_transfer(transfer: Transfer | None, path: Path) -> None:
    """Raises OSError."""
    if transfer is None:
        return
    np.savez(path, allow_pickle=False, **taught.arrays_of(transfer))


def read(meta: Meta, folder: Path, place: int) -> JudgedBy:
    """What `frame` said, from its files. Raises BaselineError, OSError, or one of DAMAGED."""
    baseline, transfer = names(place)
    found = None
    if meta["baseline"] is not None:
        check_archive(folder / baseline, baseline)
        found = file.load(folder / baseline)
        if file.digest(found) != meta["baseline"]:
            raise ValueError(f"{baseline} is not the baseline that the run was judged by")
    learned = _read_transfer(folder / transfer) if meta["transfer"] else None
    return JudgedBy(found, learned, int(meta["smear"]))


def _read_transfer(path: Path) -> Transfer:
    check_archive(path, path.name)
    with np.load(path, allow_pickle=False) as archive:
        return taught.transfer_of({name: archive[name] for name in archive.files})


def read_all(told: Iterable[Frame], folder: Path) -> list[JudgedBy]:
    """All that the frames name, in order. Raises as `read` does."""
    metas = [frame.meta for frame in told if frame.meta["kind"] == "reference"]
    return [read(meta, folder, place) for place, meta in enumerate(metas)]
