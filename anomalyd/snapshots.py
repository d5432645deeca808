"""The pipeline's arrays on disk, so that a restart goes on where it was.

A snapshot is read back only by the version that wrote it, and without pickle; a row keeps its
place by its key. `window_end` is kept, so no window is counted twice.
"""

from __future__ import annotations

import json
import logging
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from anomalyd.explain.witness import Witness
from anomalyd.judgement.anomalies import Anomalies
from anomalyd.judgement.course import Course
from anomalyd.judgement.evidence import Bank
from anomalyd.judgement.record import Record
from anomalyd.judgement.still import Still
from anomalyd.model import Rows
from anomalyd.pipeline import Pipeline
from anomalyd.signals.selector import parse_series

log = logging.getLogger(__name__)

_BROKEN = (
    OSError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    EOFError,
    RuntimeError,  # zipfile's for a damaged header that asks for a method or password
    zipfile.BadZipFile,
)


@dataclass(frozen=True, slots=True)
class Taken:
    """Which series and runs a snapshot is of, and what they are by now that are no arrays."""

    about: dict[str, Any]
    courses: dict[str, Course]
    witnesses: dict[str, Witness]


def take(pipeline: Pipeline, version: str) -> Taken:
    """What must not change while `write` is at work; takes milliseconds."""
    courses = dict(pipeline.courses)
    about = {
        "version": version,
        "window": pipeline.settings.window,
        "window_end": pipeline.window_end,
        "loads": pipeline.board.recent,
        "keys": pipeline.table.keys[: len(pipeline.board)],
        "runs": {run_id: course.integrity.dump() for run_id, course in courses.items()},
        "baselines": {run_id: course.baseline for run_id, course in courses.items()},
    }
    return Taken(about, courses, dict(pipeline.incidents.witnesses))


def write(taken: Taken, pipeline: Pipeline, path: Path) -> None:
    """Write atomically. Raises OSError where the disk refuses.

    May be called from a thread while series and runs are added, but not while a window is judged.
    Of what is new since it was taken nothing is kept: rows of a run that begins meanwhile may be in
    any state, and `load` gives them none of it.
    """
    arrays: dict[str, Any] = {f"bank/{k}": v for k, v in pipeline.bank.dump().items()}
    arrays |= {f"anomalies/{k}": v for k, v in pipeline.anomalies.dump().items()}
    arrays |= {f"still/{k}": v for k, v in pipeline.still.dump().items()}
    for run_id, course in taken.courses.items():
        arrays |= {f"run/{run_id}/{k}": v for k, v in course.record.dump().items()}
    for run_id, witness in taken.witnesses.items():
        arrays |= {f"traced/{run_id}/{k}": v for k, v in witness.dump().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    try:
        with temporary.open("wb") as file:
            np.savez(file, about=np.array(json.dumps(taken.about)), **arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def save(pipeline: Pipeline, path: Path, version: str) -> None:
    """Take and write. Raises OSError where the disk refuses."""
    write(take(pipeline, version), pipeline, path)


def load(pipeline: Pipeline, path: Path, version: str) -> bool:
    """Put a snapshot back into a pipeline that knows its runs and has no row yet.

    A series whose signal is no more is left out. Whether there was a snapshot that fits.
    """
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        about = json.loads(str(arrays.pop("about")[()]))
        if about["version"] != version or about["window"] != pipeline.settings.window:
            log.info("%s is of another version or window; detectors begin anew", path)
            return False
        _put(pipeline, about, arrays)
    except FileNotFoundError:
        return False
    except _BROKEN as error:
        log.warning("%s cannot be read (%s); detectors begin anew", path, error)
        return False
    return True


def _put(pipeline: Pipeline, about: dict[str, Any], arrays: dict[str, Any]) -> None:
    """All or, where something is amiss, nothing but the rows. Raises one of _BROKEN."""
    kept = _rows_again(pipeline, about["keys"])
    bank, anomalies = Bank(len(kept)), Anomalies(pipeline.settings.keep_firing_for)
    still = Still()
    still.load({k: v[..., kept] for k, v in _below(arrays, "still/").items()})
    bank.load({k: v[..., kept] for k, v in _below(arrays, "bank/").items()})
    anomalies.load({k: v[..., kept] for k, v in _below(arrays, "anomalies/").items()})
    records = {
        run_id: Record.load(_below(arrays, f"run/{run_id}/")).only(kept)
        for run_id in pipeline.courses.keys() & about["runs"].keys()
    }
    for run_id in records:
        if told := _below(arrays, f"traced/{run_id}/"):
            witness = Witness(pipeline.courses[run_id].run.selector)
            witness.load(told)
            pipeline.incidents.witnesses[run_id] = witness
    for run_id, record in records.items():
        course = pipeline.courses[run_id]
        course.integrity.load(about["runs"][run_id])
        course.record, course.baseline = record, str(about["baselines"][run_id])
        pipeline.judge_anew(course)
    pipeline.board.recall(about["loads"])
    for run_id, course in pipeline.courses.items():
        if run_id not in records:  # what the arrays hold of its rows is another run's
            pipeline.board.begin(course.run.selector)
            bank.reset(course.rows)
            anomalies.reset(course.rows)
            still.reset(course.rows)
    pipeline.bank, pipeline.anomalies, pipeline.still = bank, anomalies, still
    pipeline.window_end = about["window_end"]


def _rows_again(pipeline: Pipeline, keys: list[str]) -> Rows:
    """Rows for the keys whose signals are still there, in their order; the places they had.

    Rows of runs that are over are left behind: they would fill the table up.
    """
    if len(pipeline.table):
        raise ValueError("the table has rows already")
    label = pipeline.settings.run_label
    selectors = {course.run.selector for course in pipeline.courses.values()}
    kept = []
    for place, key in enumerate(keys):
        signal, labels = parse_series(key)
        wanted = not label or "" in selectors or labels.get(label) in selectors
        if wanted and pipeline.table.add(signal, labels) >= 0:
            kept.append(place)
    pipeline.grow()
    return np.array(kept, dtype=np.intp)


def _below(arrays: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
