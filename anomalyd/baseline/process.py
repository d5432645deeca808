"""From stored rows to a baseline file; the daemon has it done by `anomalyd baseline fit` in a
process of its own, so that judging never waits for it nor pays its memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from anomalyd.baseline.file import BaselineError, save
from anomalyd.baseline.history import Request, load_history
from anomalyd.baseline.rows import RowStore, Stored
from anomalyd.signals.identity import Canonical
from anomalyd.units import rfc3339

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class FitRequest:
    """What to fit: stored rows under `rows`, of [start, end), to a baseline at `output`.

    The identity fields are those of `Canonical`, `rename` as pairs. capacity: units of capacity,
    or the rows of an expression that yields it. meta: a JSON object to keep with the baseline
    (created_at, source).
    """

    rows: str
    output: str
    requests: tuple[Request, ...]
    start: float
    end: float
    service_labels: tuple[str, ...]
    rewrite: tuple[tuple[str, ...], ...] = ()
    drop: tuple[str, ...] = ()
    rename: tuple[tuple[str, ...], ...] = ()
    capacity: float = 1.0
    capacity_rows: Stored | None = None
    meta: str = "{}"

    def canonical(self) -> Canonical:
        return Canonical(
            self.service_labels,
            [(match, to) for match, to in self.rewrite],
            self.drop,
            {pair[0]: pair[1] for pair in self.rename},
        )


def fit_stored(request: FitRequest, progress: Progress | None = None) -> int:
    """Fit and save; how many series the baseline holds. Raises BaselineError."""
    from anomalyd.baseline.fit import FitInput, fit

    capacity = request.capacity_rows or request.capacity
    try:
        history = load_history(
            RowStore(Path(request.rows)),
            request.requests,
            request.start,
            request.end,
            request.canonical(),
            capacity,
        )
    except ValueError as error:
        raise BaselineError(f"the history cannot be fitted: {error}") from None
    baseline = fit(
        history.times,
        history.load,
        [
            FitInput(one.signal, one.keys, one.values, one.counts, one.answered)
            for one in history.signals.values()
        ],
        step=history.meta["step"],
        window=history.meta["window"],
        meta={**history.meta, **json.loads(request.meta)},
        progress=progress,
    )
    series = len(baseline.profiles.keys)
    if not series:
        raise BaselineError(
            f"no series has 8 windows or more between {rfc3339(request.start)} and "
            f"{rfc3339(request.end)} ({len(history.times)} windows were answered); fit a longer "
            "range"
        )
    save(baseline, Path(request.output))
    return series
