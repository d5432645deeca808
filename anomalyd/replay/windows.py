"""Samples of a recording gathered into disjoint windows, one value per series each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anomalyd.baseline.curves import row_medians
from anomalyd.model import Batch, Floats, Kind, Rows
from anomalyd.replay.infer import Columns, parse_header
from anomalyd.replay.recording import Recording, RecordingError

WINDOW = 15.0
"""Seconds; longer where the samples are further apart."""

STILL = 2
"""Repetitions of a number that is not whole, from which on the load is taken to stand still: what
was counted hardly comes out the same so often, a sample that nobody took does."""


@dataclass(frozen=True, slots=True)
class Windows:
    """ends: float64[w], unix seconds, `width` apart with gaps. load: float64[w], offered load,
    1/s. values, counts: float64[w, n] over `Columns.series`; NaN where absent or not known."""

    width: float
    ends: Floats
    load: Floats
    values: Floats
    counts: Floats

    def taken(self, which: slice) -> Windows:
        return Windows(
            self.width, self.ends[which], self.load[which], self.values[which], self.counts[which]
        )


def width_of(step: float) -> float:
    """The window of a run sampled every `step` seconds: whole steps, WINDOW at least."""
    if not math.isfinite(step):
        raise RecordingError("a recording of a single sample cannot be judged")
    return step * math.ceil(WINDOW / step - 1e-6)


def gather(
    recording: Recording, columns: Columns, width: float, counted: float | None = None
) -> Windows:
    """Windows (end - width, end] of a recording; medians over their samples, means of ratios,
    of which no sample outside of [0, 1] counts.

    A median withstands the one absurd sample in it. Requests behind a ratio or a latency are those
    of the service's request rate, where the recording has it, in `counted` seconds (None: `width`):
    over what time a sample was taken is not known, only that it is the same in all recordings.
    """
    places = _places(recording)
    start = recording.times[0] - min(recording.step, width)
    slot = np.ceil((recording.times - start) / width - 1e-6).astype(np.intp)
    numbers, starts = np.unique(slot, return_index=True)
    matrix = _matrix(recording, places, [one.key for one in columns.series])
    kinds = {signal.name: signal.kind for signal in columns.signals}
    ratios = [kinds[one.signal] is Kind.ERRORS for one in columns.series]
    absurd = np.array(ratios, dtype=bool) & ((matrix < 0) | (matrix > 1))
    matrix = np.where(absurd, np.nan, matrix)
    medians = _by_window(matrix, starts, mean=False)
    means = _by_window(matrix, starts, mean=True)
    requests = [
        columns.requests.get(one.service, "")
        if kinds[one.signal] in (Kind.ERRORS, Kind.LATENCY, Kind.OTHER)
        else ""
        for one in columns.series
    ]
    rates = _by_window(_matrix(recording, places, requests), starts, mean=True)
    load = _by_window(_fresh(_matrix(recording, places, list(columns.load))), starts, mean=True)
    return Windows(
        width,
        start + numbers * width,
        np.where(np.isfinite(load).any(axis=1), np.nansum(load, axis=1), np.nan),
        np.where(np.array(ratios, dtype=bool), means, medians),
        rates * (width if counted is None else counted),
    )


def batches(windows: Windows, columns: Columns) -> list[Batch]:
    """One per window, in order, those of gaps without rows: row 0 is the load, then
    `columns.series`."""
    answered = frozenset(signal.name for signal in columns.signals)
    slots = np.round((windows.ends - windows.ends[0]) / windows.width).astype(np.intp)
    nothing = np.zeros(0)
    found = [
        Batch(float(windows.ends[0] + slot * windows.width), np.zeros(0, dtype=np.intp), nothing,
              nothing, answered)
        for slot in range(int(slots[-1]) + 1)
    ]  # fmt: skip
    for at, slot in enumerate(slots):
        values = np.append(windows.load[at], windows.values[at])
        counts = np.append(np.nan, windows.counts[at])
        rows = np.flatnonzero(np.isfinite(values))
        found[slot] = Batch(found[slot].time, rows, values[rows], counts[rows], answered)
    return found


def refilled(windows: Windows, fed: Sequence[Batch]) -> Windows:
    """The same windows with the values of these batches, of which there are as many and as wide as
    `batches` makes."""
    slots = np.round((windows.ends - windows.ends[0]) / windows.width).astype(np.intp)
    values, counts = np.full((2, len(slots), 1 + windows.values.shape[1]), np.nan)
    for at, slot in enumerate(slots):
        rows = fed[slot].rows
        values[at, rows], counts[at, rows] = fed[slot].values, fed[slot].counts
    return Windows(windows.width, windows.ends, values[:, 0], values[:, 1:], counts[:, 1:])


def _places(recording: Recording) -> dict[str, int]:
    found: dict[str, int] = {}
    for at, header in enumerate(recording.headers):
        metric, labels = parse_header(header)
        key = f"{metric}{labels}"
        if key in found:
            raise RecordingError(
                f"columns {recording.headers[found[key]]!r} and {header!r} are the same series"
            )
        found[key] = at
    return found


def _matrix(recording: Recording, places: dict[str, int], keys: list[str]) -> Floats:
    """float64[t, len(keys)], NaN for series that the recording does not have."""
    out = np.full((len(recording.times), len(keys)), np.nan)
    for at, key in enumerate(keys):
        if key in places:
            out[:, at] = recording.values[:, places[key]]
    return np.where(np.isfinite(out), out, np.nan)


def _fresh(matrix: Floats) -> Floats:
    """The samples without those that stand still: the same number, and not a whole one, for the
    third time and more is a sample nobody took."""
    repeated = matrix[1:] == matrix[:-1]
    stale = np.zeros(matrix.shape, dtype=bool)
    stale[STILL:] = np.all(
        [repeated[STILL - 1 - k : len(repeated) - k] for k in range(STILL)], axis=0
    )
    return np.where(stale & (matrix != np.round(matrix)), np.nan, matrix)


def _by_window(matrix: Floats, starts: Rows, *, mean: bool) -> Floats:
    """float64[w, n]: rows from each start to the next brought to one, absent values left out."""
    if len(starts) == len(matrix):
        return matrix
    sizes = np.diff(np.append(starts, len(matrix)))
    padded = np.full((len(starts), int(sizes.max()), matrix.shape[1]), np.nan)
    within = np.arange(len(matrix)) - np.repeat(starts, sizes)
    padded[np.repeat(np.arange(len(starts)), sizes), within] = matrix
    if mean:
        known = np.isfinite(padded).sum(axis=1)
        return np.where(known > 0, np.nansum(padded, axis=1) / np.maximum(known, 1), np.nan)
    turned = padded.transpose(0, 2, 1).reshape(-1, padded.shape[1])
    return np.asarray(row_medians(turned)).reshape(len(starts), matrix.shape[1])
