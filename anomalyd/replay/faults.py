"""Synthetic faults of graded sizes in a recorded run: each changes the series it would show in.

What is changed is what was measured, not the system: a fault here is seen in no other series than
those that are named, nor before the window after its onset, and at its full size from then on.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from anomalyd.detectors.base import Mask
from anomalyd.model import Batch, Floats, Kind, Labels, Rows, Signal
from anomalyd.signals.identity import SERVICE

MEMORY = re.compile(r"memory|heap|rss|resident")
SHARE = re.compile(r"utili[sz]ation|saturation|share|ratio")
CALLS = re.compile(r"calls_per_request|fan_?out")
OWN_TIME = re.compile(r"own_time")


class FaultKind(StrEnum):
    LATENCY = "latency"
    ERRORS = "errors"
    LEAK = "leak"
    SATURATION = "saturation"
    LOST = "lost-series"
    FAN_OUT = "fan-out"


GRADES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""More by so much."""

SIZES: Mapping[FaultKind, tuple[float, ...]] = dict.fromkeys(FaultKind, GRADES) | {
    FaultKind.ERRORS: (0.005, 0.01, 0.02, 0.04, 0.08, 0.16),
    FaultKind.LOST: (1.0,),
}
"""Ascending. Of errors: what is added to the ratio; of lost series: all of a service's."""


@dataclass(frozen=True, slots=True)
class Fault:
    """onset: unix seconds, the end of the last window without the fault; -inf: there is none."""

    kind: FaultKind
    service: str
    size: float
    onset: float


@dataclass(frozen=True, slots=True)
class Subject:
    """A recorded run as its judge got it.

    name: of the run. series: signal and labels by row. callees: by caller.
    load: rows of the offered load. entries: services whose requests it is made of, with which it
    vanishes.
    """

    name: str
    series: Sequence[tuple[Signal, Labels]]
    batches: Sequence[Batch]
    load: Sequence[int]
    callees: Mapping[str, Sequence[str]]
    entries: frozenset[str] = frozenset()

    @property
    def services(self) -> list[str]:
        """In order of their first series."""
        named = [labels.get(SERVICE) for _, labels in self.series]
        return [service for service in dict.fromkeys(named) if service]


def touched(subject: Subject, kind: FaultKind, service: str, propagate: bool = False) -> Rows:
    """The rows that such a fault shows in, intp; none where the run has no such series."""
    return np.flatnonzero(_touched(subject, kind, service, propagate))


def inject(subject: Subject, fault: Fault, propagate: bool = False) -> list[Batch]:
    """The run's batches, had it had the fault; the same ones up to the onset.

    propagate: a slow service keeps its callers waiting, for as long as it takes longer. The same
    on every machine: chance is drawn by when the run was and by the fault, whatever its size.
    """
    last = float(subject.batches[-1].time)
    changed = [batch for batch in subject.batches if batch.time > fault.onset]
    run = _Run.of(changed, len(subject.series))
    begun = max(fault.onset, float(subject.batches[0].time))
    run.elapsed[:] = (run.times - begun) / max(last - begun, 1e-9)
    rows = _touched(subject, fault.kind, fault.service, propagate)
    CHANGES[fault.kind](subject, run, fault, rows)
    kept = subject.batches[: len(subject.batches) - len(changed)]
    return [*kept, *(run.batch(at, batch) for at, batch in enumerate(changed))]


@dataclass(frozen=True, slots=True)
class _Run:
    """times, elapsed (from the onset, of what is left of the run): float64[t]; values, counts:
    float64[t, rows], NaN where absent; lost: bool[rows]."""

    times: Floats
    elapsed: Floats
    values: Floats
    counts: Floats
    lost: Mask

    @classmethod
    def of(cls, batches: Sequence[Batch], rows: int) -> _Run:
        times = np.array([batch.time for batch in batches])
        values, counts = np.full((2, len(batches), rows), np.nan)
        for at, batch in enumerate(batches):
            values[at, batch.rows], counts[at, batch.rows] = batch.values, batch.counts
        return cls(times, np.zeros(len(times)), values, counts, np.zeros(rows, dtype=bool))

    def batch(self, at: int, batch: Batch) -> Batch:
        rows = batch.rows[~self.lost[batch.rows]]
        return replace(batch, rows=rows, values=self.values[at, rows], counts=self.counts[at, rows])


def _touched(subject: Subject, kind: FaultKind, service: str, propagate: bool) -> Mask:
    own = _mask(subject, lambda signal, owner: owner == service)
    if kind is FaultKind.LATENCY:
        of = _waiting(subject, service) | {service} if propagate else {service}
        return _mask(subject, lambda s, owner: s.kind is Kind.LATENCY and owner in of)
    if kind is FaultKind.ERRORS:
        return own & _mask(subject, _is_error_ratio)
    if kind is FaultKind.LEAK:
        resources = own & _mask(subject, lambda s, _: s.kind is Kind.RESOURCE)
        memory = resources & _mask(subject, lambda s, _: bool(MEMORY.search(s.name)))
        return memory if memory.any() else resources
    if kind is FaultKind.SATURATION:
        return own & _mask(subject, lambda s, _: s.kind is Kind.SATURATION)
    if kind is FaultKind.FAN_OUT:
        called = set(subject.callees.get(service, ()))
        rates = _mask(subject, lambda s, owner: s.kind is Kind.TRAFFIC and owner in called)
        return rates | own & _mask(subject, lambda s, _: bool(CALLS.search(s.name)))
    if service in subject.entries:
        own[list(subject.load)] = True
    return own


def _mask(subject: Subject, test: Callable[[Signal, str], bool]) -> Mask:
    """bool[rows]: of the signal and the service of each."""
    found = [test(signal, labels.get(SERVICE)) for signal, labels in subject.series]
    return np.array(found, dtype=bool)


def _is_error_ratio(signal: Signal, _: str) -> bool:
    return signal.kind is Kind.ERRORS and signal.is_ratio


def _waiting(subject: Subject, service: str) -> set[str]:
    """Whoever calls it, and whoever calls those."""
    found: set[str] = set()
    ahead = [service]
    while ahead:
        one = ahead.pop()
        more = {caller for caller, callees in subject.callees.items() if one in callees}
        ahead += sorted(more - found - {service})
        found |= more
    return found - {service}


def _slow_down(subject: Subject, run: _Run, fault: Fault, rows: Mask) -> None:
    own = rows & _mask(subject, lambda _, owner: owner == fault.service)
    names = np.array([signal.name for signal, _ in subject.series])
    for name in sorted(set(names[own])):
        slower = own & (names == name)
        longer = fault.size * run.values[:, slower]
        waiting = rows & ~own & (names == name)
        run.values[:, slower] += longer
        if waiting.any() and not OWN_TIME.search(name):
            known = np.isfinite(longer)
            more = np.where(known, longer, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
            run.values[:, waiting] += more[:, np.newaxis]


def _fail_more(subject: Subject, run: _Run, fault: Fault, rows: Mask) -> None:
    for row in np.flatnonzero(rows).tolist():
        signal, labels = subject.series[row]
        ratio, total = run.values[:, row], np.round(run.counts[:, row])
        known = np.isfinite(ratio) & (total > 0)
        each = np.clip(fault.size / np.maximum(1 - ratio[known], 1e-9), 0.0, 1.0)
        good = np.round(total[known] * (1 - np.clip(ratio[known], 0.0, 1.0))).astype(np.int64)
        begun = float(subject.batches[0].time)
        what = (begun, fault.kind, fault.service, f"{signal.name}{labels}", fault.onset)
        ratio[known] += _chance(*what).binomial(good, each) / total[known]
        ratio[~np.isfinite(total)] += fault.size
        np.clip(ratio, 0.0, 1.0, out=ratio)


def _chance(*what: object) -> np.random.Generator:
    name = "\0".join(map(str, what)).encode()
    return np.random.default_rng(int.from_bytes(hashlib.sha256(name).digest()[:16], "big"))


def _leak(subject: Subject, run: _Run, fault: Fault, rows: Mask) -> None:
    run.values[:, rows] *= 1 + fault.size * run.elapsed[:, np.newaxis]


def _saturate(subject: Subject, run: _Run, fault: Fault, rows: Mask) -> None:
    for row in np.flatnonzero(rows).tolist():
        signal, _ = subject.series[row]
        seen = run.values[:, row]
        share = signal.unit == "ratio" or SHARE.search(signal.name) is not None
        full = 1.0 if share and np.nanmax(seen, initial=0.0) <= 1.0 else np.inf
        run.values[:, row] = np.minimum(seen * (1 + fault.size), full)


def _lose(subject: Subject, run: _Run, fault: Fault, rows: Mask) -> None:
    run.lost[rows] = True


def _call_more(subject: Subject, run: _Run, fault: Fault, rows: Mask) -> None:
    """Of what a callee is asked, this caller's part: an equal one of all that call it."""
    for row in np.flatnonzero(rows).tolist():
        _, labels = subject.series[row]
        owner = labels.get(SERVICE)
        part = 1.0 if owner == fault.service else _part(subject, owner)
        run.values[:, row] *= 1 + fault.size * part
    called = set(subject.callees.get(fault.service, ()))
    for row in np.flatnonzero(_mask(subject, lambda _, owner: owner in called)).tolist():
        run.counts[:, row] *= 1 + fault.size * _part(subject, subject.series[row][1].get(SERVICE))


def _part(subject: Subject, callee: str) -> float:
    return 1 / max(sum(callee in callees for callees in subject.callees.values()), 1)


Change = Callable[[Subject, _Run, Fault, Mask], None]

CHANGES: Mapping[FaultKind, Change] = {
    FaultKind.LATENCY: _slow_down,
    FaultKind.ERRORS: _fail_more,
    FaultKind.LEAK: _leak,
    FaultKind.SATURATION: _saturate,
    FaultKind.LOST: _lose,
    FaultKind.FAN_OUT: _call_more,
}
