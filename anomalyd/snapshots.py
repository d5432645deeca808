"""The pipeline's arrays on disk, so that a restart goes on where it was.

A snapshot is read back only by the version that wrote it, and without pickle; a row keeps its
place by its key. `window_end` is kept, so no window is counted twice.
"""

from __future__ import annotations

import json
import logging
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from anomalyd.judgement.record import Record
from anomalyd.model import Labels
from anomalyd.pipeline import Pipeline
from anomalyd.signals.selector import parse_selector

log = logging.getLogger(__name__)

_BROKEN = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


def save(pipeline: Pipeline, path: Path, version: str) -> None:
    """Write atomically. Raises OSError where the disk refuses."""
    about = {
        "version": version,
        "window": pipeline.settings.window,
        "window_end": pipeline.window_end,
        "keys": pipeline.table.keys,
        "runs": list(pipeline.courses),
    }
    arrays: dict[str, Any] = {f"bank/{k}": v for k, v in pipeline.bank.dump().items()}
    arrays |= {f"anomalies/{k}": v for k, v in pipeline.anomalies.dump().items()}
    for run_id, course in pipeline.courses.items():
        arrays |= {f"run/{run_id}/{k}": v for k, v in course.record.dump().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        np.savez(file, about=np.array(json.dumps(about)), **arrays)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def load(pipeline: Pipeline, path: Path, version: str) -> bool:
    """Put a snapshot back into a pipeline that knows its runs; whether there was one that fits."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        about = json.loads(str(arrays.pop("about")[()]))
    except FileNotFoundError:
        return False
    except _BROKEN as error:
        log.warning("%s cannot be read (%s); detectors begin anew", path, error)
        return False
    if about["version"] != version or about["window"] != pipeline.settings.window:
        log.info("%s is of another version or window; detectors begin anew", path)
        return False
    if not _rows_again(pipeline, about["keys"]):
        log.info("%s is of other signals; detectors begin anew", path)
        return False
    pipeline.bank.load(_below(arrays, "bank/"))
    pipeline.anomalies.load(_below(arrays, "anomalies/"))
    pipeline.window_end = about["window_end"]
    for run_id, course in pipeline.courses.items():
        if run_id in about["runs"]:
            course.record = Record.load(_below(arrays, f"run/{run_id}/"))
    return True


def _rows_again(pipeline: Pipeline, keys: list[str]) -> bool:
    """Give every key the row it had; False if the table cannot."""
    known = list(pipeline.table.keys)
    if known != keys[: len(known)]:
        return False
    for key in keys:
        selector = parse_selector(key)
        labels = Labels.of({m.label: m.value for m in selector.matchers})
        if pipeline.table.add(selector.metric, labels) < 0:
            return False
    pipeline.grow()
    return len(pipeline.table) == len(keys)


def _below(arrays: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
