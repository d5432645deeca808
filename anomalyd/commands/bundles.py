"""Runs that `anomalyd record` saved, as material for `calibrate` and `mutate`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from anomalyd.replay import bundle
from anomalyd.replay.frames import DAMAGED
from anomalyd.replay.recorded import RecordedRun
from anomalyd.replay.recording import RecordingError


def are_bundles(runs: Sequence[Path], of_csv: Mapping[str, Any]) -> bool:
    """Whether the runs are folders. Raises RecordingError where only some are, or where they are
    and options (by name) were given that are for CSVs."""
    folders = [path for path in runs if path.is_dir()]
    if not folders:
        return False
    if len(folders) < len(runs):
        other = next(path for path in runs if path not in folders)
        raise RecordingError(
            f"{folders[0]} is what `anomalyd record` made and {other} is not; name only one sort"
        )
    strange = sorted(name for name, value in of_csv.items() if value)
    if strange:
        raise RecordingError(f"--{strange[0]} is for CSVs; {folders[0]} has its own")
    return True


def read(folder: Path, false_fail: float | None) -> RecordedRun:
    """The run, with another budget if one is given. Raises RecordingError."""
    found = bundle.read(folder)
    if false_fail is None:
        return found
    stretches = [
        replace(one, settings=replace(one.settings, false_fail=false_fail))
        for one in found.stretches
    ]
    return replace(found, stretches=tuple(stretches), verdict=None)


@contextmanager
def told(folder: Path) -> Iterator[None]:
    """What damage raises, as RecordingError."""
    try:
        yield
    except RecordingError:
        raise
    except DAMAGED as error:
        raise RecordingError(f"{folder}: is damaged ({error}); record the run again") from error
