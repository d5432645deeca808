"""What is known of every row before its run: nothing of it changes from window to window."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from anomalyd.baseline import transfer
from anomalyd.baseline.lines import GoesOn
from anomalyd.baseline.lookup import Lookup
from anomalyd.baseline.rates import MOST_BURST
from anomalyd.baseline.transfer import Transfer
from anomalyd.detectors.base import Mask
from anomalyd.model import Floats, Gauge, Kind, Rows, Signal, Worse
from anomalyd.signals.table import SignalTable

BLIPS = frozenset({Kind.LATENCY, Kind.SATURATION})
"""Kinds that are briefly far off when nothing is wrong: a pause, a neighbour, a lost connection."""

SIGN = {Worse.UP: 1.0, Worse.DOWN: -1.0, Worse.BOTH: 0.0}


@dataclass(frozen=True, slots=True)
class Fixed:
    """One entry per row each.

    Of its signal: sign; relative, absolute, what is tolerated; ratio (of counts), rate (of
    requests), per_request (a number of things for each), held (a number of things under way), blips
    (see `BLIPS`): bool; overload: what a unit of log load beyond all that is known may bring;
    stretch: how often it counts for a slope; noisier: by what share it makes the noise grow.
    Of production's profile, NaN without one: noise, sampling, median; logarithmic: bool; usual
    (bool), gap: see `Context`.
    Of `Transfer`, or what is assumed before any run was accepted: mean, steepness (at which that
    is), slope, shift, offset, slope_sd, shift_sd, both (covariance of the two before), factor (of
    the noise), phi, wander, sure, burst; known_ratio: NaN before; shown: they had it; busier: log
    load that would make production as busy as staging is, where requests queue; beyond: see
    `GoesOn`. What changes add that a person accepted is in mean and, of ratios of counts, in
    more_bad.
    """

    sign: Floats
    relative: Floats
    absolute: Floats
    ratio: Mask
    rate: Mask
    per_request: Mask
    held: Mask
    blips: Mask
    overload: Floats
    stretch: Floats
    noisier: Floats
    noise: Floats
    sampling: Floats
    median: Floats
    logarithmic: Mask
    usual: Mask
    gap: Floats
    mean: Floats
    steepness: Floats
    slope: Floats
    shift: Floats
    offset: Floats
    slope_sd: Floats
    shift_sd: Floats
    both: Floats
    factor: Floats
    phi: Floats
    wander: Floats
    sure: Floats
    burst: Floats
    known_ratio: Floats
    more_bad: Floats
    busier: Floats
    shown: Mask
    beyond: Rows

    def take(self, rows: Rows) -> Fixed:
        return Fixed(*(getattr(self, name)[rows] for name in _NAMES))

    @property
    def size(self) -> Floats:
        """What 100% is in the residual's scale."""
        return np.where(self.logarithmic, 1.0, np.maximum(np.abs(self.median), self.noise))

    def largest(self, log: float) -> Floats:
        """The largest shift worth searching, in the residual's scale: `log`, or its like."""
        plain = np.where(self.logarithmic, log, np.expm1(log) * self.size)
        return np.where(self.ratio, 1.0, plain)

    def as_effect(self, row: int, shift: float) -> float:
        """A shift in the residual's scale as the effect that people read."""
        if self.absolute[row] or self.ratio[row]:
            return float(shift)
        if self.logarithmic[row]:
            return float(np.expm1(shift))
        median = abs(float(self.median[row]))
        return float(shift / median) if median else float("inf")

    def passing(self, observed: float, expected: float, row: int, share: float) -> float:
        """The value whose deviation is `share` of the one observed; NaN if that is not known."""
        if self.logarithmic[row] and observed > 0 and expected > 0:
            return float(expected * (observed / expected) ** share)
        if self.ratio[row]:
            return float(observed * share)
        return float(expected + (observed - expected) * share)


_NAMES = [field.name for field in fields(Fixed)]


def fixed(
    table: SignalTable, lookup: Lookup | None, known: Transfer | None, partner: Rows
) -> Fixed:
    """Of all rows of the table; partner: intp[n], the row's profile, -1 without one."""
    of_signal = _of_signals(table)
    profile = _of_profiles(lookup, partner)
    usual, gap = np.zeros(len(partner), dtype=bool), np.zeros(len(partner))
    has = partner >= 0
    if lookup is not None and has.any():
        usual[has], gap[has] = lookup.expected_present(partner[has])
    logarithmic, median, noise = profile["logarithmic"] == 1.0, profile["median"], profile["noise"]
    size = np.where(logarithmic, 1.0, np.maximum(np.abs(median), noise))
    return Fixed(
        sign=of_signal["sign"],
        relative=of_signal["relative"],
        absolute=of_signal["absolute"],
        ratio=of_signal["ratio"] == 1.0,
        rate=of_signal["rate"] == 1.0,
        per_request=of_signal["per_request"] == 1.0,
        held=of_signal["held"] == 1.0,
        blips=of_signal["blips"] == 1.0,
        overload=of_signal["overload"] * size,
        stretch=of_signal["stretch"],
        beyond=of_signal["beyond"].astype(np.intp),
        busier=_busier(table, of_signal["queues"] == 1.0, known, partner),
        noisier=np.where(of_signal["queues"] == 1.0, transfer.NOISIER, 0.0),
        noise=noise,
        sampling=profile["sampling"],
        more_bad=np.zeros(len(partner)),
        median=median,
        logarithmic=logarithmic,
        usual=usual,
        gap=gap,
        **_transferred(of_signal, profile["phi"], size, lookup, known, partner),
    )


def _of_signals(table: SignalTable) -> dict[str, Floats]:
    signals = table.signals
    queues = [s.kind is Kind.LATENCY or _is_held(s) for s in signals]
    found = {
        "offset": [transfer.OFFSET[s.kind] for s in signals],
        "sign": [SIGN[s.worse] for s in signals],
        "relative": [s.tolerate.relative for s in signals],
        "absolute": [s.tolerate.absolute for s in signals],
        "ratio": [s.is_ratio for s in signals],
        "rate": [s.is_rate and s.kind is Kind.TRAFFIC for s in signals],
        "per_request": [s.kind is Kind.OTHER for s in signals],
        "held": [_is_held(s) for s in signals],
        "blips": [s.kind in BLIPS for s in signals],
        "shift": [
            transfer.SHIFT_OF_CPU
            if s.kind is Kind.SATURATION and not _is_held(s)
            else transfer.SHIFT
            for s in signals
        ],
        "queues": queues,
        "beyond": [_goes_on(s) for s in signals],
        "overload": [_overload(s) for s in signals],
        "stretch": [
            transfer.STRETCH_OF_CALLS if _is_calls(s) else transfer.STRETCH for s in signals
        ],
    }
    index = table.signal_index
    return {name: np.array(values, dtype=np.float64)[index] for name, values in found.items()}


def _of_profiles(lookup: Lookup | None, partner: Rows) -> dict[str, Floats]:
    has = partner >= 0
    out = {}
    for name in ("noise", "phi", "sampling", "median", "logarithmic"):
        out[name] = np.full(len(partner), np.nan)
        if lookup is not None:
            out[name][has] = getattr(lookup.baseline.profiles, name)[partner[has]]
    return out


def _transferred(
    of_signal: Mapping[str, Floats],
    phi: Floats,
    size: Floats,
    lookup: Lookup | None,
    known: Transfer | None,
    partner: Rows,
) -> dict[str, Any]:
    """What accepted runs taught, or what is assumed before any: float64[n] each."""
    has, n = partner >= 0, len(partner)
    found = {
        "mean": np.zeros(n),
        "steepness": np.zeros(n),
        "slope": np.zeros(n),
        "shift": np.zeros(n),
        "offset": of_signal["offset"] * size,
        "slope_sd": transfer.SLOPE * size,
        "shift_sd": of_signal["shift"],
        "both": np.zeros(n),
        "factor": np.ones(n),
        "phi": phi,
        "wander": np.full(n, transfer.WANDER),
        "sure": np.full(n, transfer.SURE),
        "burst": np.full(n, MOST_BURST),
        "known_ratio": np.full(n, np.nan),
    }
    if lookup is not None:
        found["burst"][has] = lookup.burst[partner[has]]
    for name, ours in _LEARNED.items() if known is not None else ():
        learned = getattr(known, name)[partner[has]]
        found[ours][has] = np.where(np.isfinite(learned), learned, found[ours][has])
    shown = np.zeros(n, dtype=bool)
    if known is not None:
        seen = np.isfinite(np.fmax(known.mean, known.bad_ratio))
        shown[has] = seen[partner[has]] & (known.runs > 0)
    return {**found, "shown": shown}


def _busier(table: SignalTable, queues: Mask, known: Transfer | None, partner: Rows) -> Floats:
    """By how much the cpu of the row's service is busier than production's at the same load, as
    accepted runs showed it: float64[n], 0 where they did not, or nothing queues.

    What is read off the run itself would let a fault excuse its own consequences.
    """
    found = np.zeros(len(partner))
    if known is None or not known.runs:
        return found
    of_service: dict[str, float] = {}
    for row in np.flatnonzero(partner >= 0):
        signal, mean = table.signals[table.signal_index[row]], known.mean[partner[row]]
        if signal.kind is Kind.SATURATION and not _is_held(signal) and np.isfinite(mean):
            before = of_service.get(table.services[row], 0.0)
            of_service[table.services[row]] = max(before, float(mean))
    for row in np.flatnonzero(queues):
        found[row] = of_service.get(table.services[row], 0.0)
    return found


_LEARNED = {
    "mean": "mean",
    "steepness": "steepness",
    "slope": "slope",
    "shift": "shift",
    "offset": "offset",
    "slope_sd": "slope_sd",
    "shift_sd": "shift_sd",
    "slope_with_shift": "both",
    "noise": "factor",
    "phi": "phi",
    "wander": "wander",
    "sure": "sure",
    "burst": "burst",
    "bad_ratio": "known_ratio",
}
"""Arrays of `Transfer`, and what they are called here."""


def is_total(signal: Signal) -> bool:
    """Whether the signal grows with what serves it: a rate, or a sum over instances."""
    definition = signal.definition
    return signal.is_rate or (isinstance(definition, Gauge) and definition.agg == "sum")


def _goes_on(signal: Signal) -> GoesOn:
    """Beyond what production was seen at."""
    if signal.is_rate and signal.kind is Kind.TRAFFIC:
        return GoesOn.IN_PROPORTION
    of_cpu = signal.kind is Kind.SATURATION and not _is_held(signal)
    return GoesOn.ALONG_A_LINE if of_cpu else GoesOn.AS_THERE


def _is_calls(signal: Signal) -> bool:
    """Whether it says how many requests come of one: a rate of them, or a number for each."""
    return signal.kind is Kind.OTHER or (signal.is_rate and signal.kind is Kind.TRAFFIC)


def _stretch(signal: Signal) -> float:
    return transfer.STRETCH_OF_CALLS if _is_calls(signal) else transfer.STRETCH


def _overload(signal: Signal) -> float:
    if signal.kind is Kind.LATENCY or _is_held(signal):
        return transfer.OVERLOAD
    return transfer.OVERLOAD_OF_CALLS if _is_calls(signal) else transfer.OVERLOAD_ELSE


def _is_held(signal: Signal) -> bool:
    """Whether it counts what is under way at once; a rate of cpu seconds is no such number."""
    counts = isinstance(signal.definition, Gauge) and is_total(signal)
    return counts and signal.kind is Kind.SATURATION
