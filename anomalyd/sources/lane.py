"""One path that samples are pushed to: what came to whom, and how much of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
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
        timely, counted = _timely(columns, limit)
        counts = Counts(counted, exemplars=len(columns.exemplars))
        native = nothing()
        if columns.histograms:
            native = _sound(columns, limit, counts.histograms)
        newest = max(timely.times.max(initial=0), native.times.max(initial=0)) / 1000
        for number, inlet in enumerate(self._inlets):
            samples = self._of(number, timely)
            _count(counts.samples, len(samples.rows), inlet.take(samples, received_at, newest))
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
        return counts

    def _of(self, number: int, timely: Columns) -> Samples:
        """Those samples that are an inlet's."""
        many, codes = len(self._inlets), timely.codes
        own = codes >= 0 if many == 1 else (codes >= 0) & (codes % many == number)
        rows = codes[own] if many == 1 else codes[own] // many
        return Samples(rows, timely.times[own] / 1000, timely.values[own])

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


def _timely(columns: Columns, limit: int) -> tuple[Columns, Counter[str]]:
    """The samples that are not ahead, and how many of all come to nobody, by what they are."""
    late = columns.times > limit
    timely, ahead = columns, 0
    invalid = int(np.count_nonzero(columns.codes == INVALID))
    if late.any():
        ahead = int(np.count_nonzero(late & (columns.codes != INVALID)))
        kept = ~late
        timely = replace(
            columns,
            codes=columns.codes[kept],
            times=columns.times[kept],
            values=columns.values[kept],
        )
    nobody = timely.codes[timely.codes < 0]
    return timely, Counter(
        ahead=ahead,
        invalid=invalid,
        over_limit=int(np.count_nonzero(nobody == OVER)),
        ignored=int(np.count_nonzero(nobody == IGNORED)),
    )


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
