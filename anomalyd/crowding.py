"""Whether rows of runs that are over are in the way of those to come."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from anomalyd.model import Run
from anomalyd.pipeline import Pipeline

CROWDED, CROWDED_IN_A_RUN = 0.5, 0.75
"""Shares of `limits.series` from which rows are let go of, if that frees `WORTH_FREEING` of it."""
WORTH_FREEING = 0.25


def crowded(pipeline: Pipeline, under_way: Sequence[Run]) -> bool:
    """Whether the table fills up with rows that are of no run under way and have no value."""
    table = pipeline.table
    if len(table) < (CROWDED_IN_A_RUN if under_way else CROWDED) * table.limit:
        return False
    held = np.zeros(len(table), dtype=bool)
    held[np.flatnonzero(np.isfinite(pipeline.board.observed))] = True
    for run in under_way:
        held[pipeline.courses[run.id].rows] = True
    return int((~held).sum()) >= WORTH_FREEING * table.limit
