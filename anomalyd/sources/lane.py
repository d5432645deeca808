"""One path that samples are pushed to: what came to whom, and how much of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from anomalyd.model import Labels, Rows, Samples
from anomalyd.signals.native.log import nothing
from anomalyd.signals.native.samples import Histograms
from anomalyd.sources.decode import IGNORED, INVALID, OVER, Columns, Identity, decode
from anomalyd.sources.decode_2 import decode_2
from anomalyd.sources.metadata import Metadata
from anomalyd.sources.native import read
from anomalyd.sources.pushed import PushedSource, Taken

AHEAD_SECONDS = 600.0
"""A sample this far ahead of our clock is refused, as Prometheus does; it would hide all others."""


@dataclass(slots=True)
class Counts:
    """Of one body: how many samples and native histograms came to what, by the results of
    anomalyd_pushed_samples; how many exemplars there were, and how many of them are kept."""

    samples: Counter[str] = field(default_factory=Counter)
    histograms: Counter[str] = field(default_factory=Counter)
    exemplars: int = 0
    kept: int = 0


class Lane:
    """What the senders' series of a path are called, and the inlets that they go to."""

    def __init__(self, inlets: Sequence[PushedSource]) -> None:
        self._inlets = inlets
        self._identities = {1: Identity(self._decide), 2: Identity(self._decide)}
        for number, inlet in enumerate(inlets):
            inlet.on_forget(partial(self._forget, number))

    def read(self, body: bytes, version: int) -> Columns:
        """Raises DecodeError and BodyError."""
        return {1: decode, 2: decode_2}[version](body, self._identities[version])

    def take(self, columns: Columns, received_at: float) -> Counts:
        """Hand samples to their inlets."""
        limit = round((received_at + AHEAD_SECONDS) * 1000)
        counts = Counts(exemplars=len(columns.exemplars))
        late = columns.times > limit
        invalid = columns.codes == INVALID
        over = columns.codes == OVER
        good = (columns.codes >= 0) & ~late
        codes, times, values = columns.codes[good], columns.times[good], columns.values[good]
        native = nothing()
        if columns.histograms:
            native = _sound(columns, limit, counts.histograms)
        timely = columns.times[~late]
        newest = max(timely.max(initial=0), native.times.max(initial=0)) / 1000
        for number, inlet in enumerate(self._inlets):
            own = codes % len(self._inlets) == number
            rows = codes[own] // len(self._inlets)
            samples = Samples(rows, times[own] / 1000, values[own])
            _count(counts.samples, len(rows), inlet.take(samples, received_at, newest))
            if len(native):
                mine = native.at(np.flatnonzero(native.rows % len(self._inlets) == number))
                mine = mine.of(mine.rows // len(self._inlets))
                _count(counts.histograms, len(mine), inlet.take_histograms(mine, received_at))
            if columns.exemplars:
                counts.kept += inlet.beside.take_exemplars(
                    (
                        (code // len(self._inlets), one)
                        for code, one in columns.exemplars
                        if code >= 0 and code % len(self._inlets) == number
                    ),
                    received_at,
                )
        for who, told in columns.metadata:
            self._describe(who, told)
        counts.samples["ahead"] += int(np.count_nonzero(late & ~invalid))
        counts.samples["invalid"] += int(np.count_nonzero(invalid))
        counts.samples["over_limit"] += int(np.count_nonzero(over & ~late))
        counts.samples["ignored"] += int(np.count_nonzero((columns.codes == IGNORED) & ~late))
        return counts

    def _describe(self, who: str | int, told: Metadata) -> None:
        if isinstance(who, str):
            for inlet in self._inlets:
                inlet.beside.take_family(who, told)
        else:
            row, number = divmod(who, len(self._inlets))
            self._inlets[number].beside.take_series(row, told)

    def _forget(self, number: int, rows: Rows) -> None:
        codes = (rows * len(self._inlets) + number).tolist()
        for identity in self._identities.values():
            identity.forget(codes)

    def _decide(self, labels: Labels) -> int:
        """Row and inlet of a new series in one number; `IGNORED` where nobody needs it, `OVER`
        where somebody has no room for it."""
        found = IGNORED
        for number, inlet in enumerate(self._inlets):
            row = inlet.row(labels)
            if row is not None and row >= 0:
                return row * len(self._inlets) + number
            found = OVER if row is None else found
        return found


def _sound(columns: Columns, limit: int, counted: Counter[str]) -> Histograms:
    """The native histograms that some inlet takes, their codes as rows."""
    kept = []
    for code, message in columns.histograms:
        if code == INVALID:
            counted["invalid"] += 1
        elif message.timestamp > limit:
            counted["ahead"] += 1
        elif code < 0:
            counted["over_limit" if code == OVER else "ignored"] += 1
        else:
            kept.append((code, message))
    if not kept:
        return nothing()
    found, sound = read(kept)
    counted["broken"] += len(kept) - int(np.count_nonzero(sound))
    return found


def _count(counted: Counter[str], came: int, taken: Taken) -> None:
    counted["repeated"] += taken.repeated
    counted["out_of_order"] += taken.out_of_order
    counted["taken"] += came - taken.repeated - taken.out_of_order
