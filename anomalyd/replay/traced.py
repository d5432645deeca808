"""Columns of a recorded window, and what traces told of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomalyd.model import Floats, Told, Traced, TracedKey


@dataclass(frozen=True, slots=True)
class Columns:
    """Of one window: rows int32[k], values and counts float64[k]. traced: the same of what traces
    told, rows in the order of their keys, rates in place of counts; None where they told nothing.
    """

    rows: NDArray[np.int32]
    values: Floats
    counts: Floats
    traced: Columns | None = None


def told(
    window: Traced, known: Mapping[TracedKey, int]
) -> tuple[dict[str, Any], dict[TracedKey, int]]:
    """What a frame says of a window beside its columns, and the keys that are known from there on,
    with their rows."""
    new = [key for key in window.keys if key not in known]
    meta: dict[str, Any] = {"until": window.until}
    if new:
        meta["keys"] = [[k.told.value, k.service, k.peer, k.operation, k.run] for k in new]
    return meta, {**known, **{key: len(known) + i for i, key in enumerate(new)}}


def columns(window: Traced, known: Mapping[TracedKey, int]) -> Columns:
    rows = np.array([known[key] for key in window.keys], dtype=np.int32)
    return Columns(rows, window.values, window.rates)


def read(meta: Mapping[str, Any], columns: Columns | None, known: list[TracedKey]) -> Traced | None:
    """What `told` and `columns` said; adds to the keys that are known. Raises ValueError where a
    row has no key, and what else is no window of traces."""
    if "traced" not in meta or columns is None:
        return None
    about = meta["traced"]
    known += [TracedKey(Told(what), *map(str, names)) for what, *names in about.get("keys", ())]
    rows = columns.rows.tolist()
    if any(not 0 <= row < len(known) for row in rows):
        raise ValueError(f"the window at {meta['time']:g} has traces that nothing names")
    if not len(rows) == len(columns.values) == len(columns.counts):
        raise ValueError(f"the window at {meta['time']:g} lacks numbers of traces")
    keys = tuple(known[row] for row in rows)
    return Traced(float(about["until"]), keys, columns.values, columns.counts)
