"""Spans made by hand."""

from __future__ import annotations

import numpy as np

from anomalyd.model import Labels
from anomalyd.spans import SpanKind, Spans

MS = 1_000_000


def spans(*rows, kind=None):
    """rows: (id, parent, service, operation, start, end) in ms; of one trace, ids from 1."""
    services = sorted({row[2] for row in rows})
    operations = sorted({row[3] for row in rows})
    n = len(rows)
    made = Spans(
        trace=np.full((n, 2), 7, dtype=np.uint64),
        span=np.array([row[0] for row in rows], dtype=np.uint64),
        parent=np.array([row[1] for row in rows], dtype=np.uint64),
        start=np.array([int(row[4] * MS) for row in rows], dtype=np.int64),
        duration=np.array([int((row[5] - row[4]) * MS) for row in rows], dtype=np.int64),
        kind=np.full(n, SpanKind.UNSPECIFIED, dtype=np.uint8)
        if kind is None
        else np.array(kind, dtype=np.uint8),
        failed=np.zeros(n, dtype=bool),
        weight=np.ones(n),
        resource=np.array([services.index(row[2]) for row in rows], dtype=np.intp),
        operation=np.array([operations.index(row[3]) for row in rows], dtype=np.intp),
        peer=np.zeros(n, dtype=np.intp),
        resources=tuple(Labels.of({"service_name": name}) for name in services),
        operations=tuple(operations),
    )
    return made, services
