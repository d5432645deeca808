"""Native histograms as a sender writes them, byte by byte, and as a target exposes them."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.fakes import sender
from tests.fakes.sender import double, held, varint

RESET, NOT_RESET, GAUGE = 1, 2, 3
CUSTOM = -53


@dataclass(frozen=True)
class Native:
    """One sample. positive, negative: index to count. count: of all, None for what is in buckets.

    bounds: of its own, with schema -53.
    """

    schema: int = 3
    positive: Mapping[int, float] = field(default_factory=dict)
    negative: Mapping[int, float] = field(default_factory=dict)
    zero: float = 0
    threshold: float = 1e-9
    sum: float = 1.0
    count: float | None = None
    floats: bool = False
    hint: int = 0
    bounds: Sequence[float] = ()

    @property
    def total(self) -> float:
        if self.count is not None:
            return self.count
        return sum(self.positive.values()) + sum(self.negative.values()) + self.zero


def signed(number: int) -> int:
    """Zigzag."""
    return (number << 1) ^ (number >> 63)


def always(number: int, value: float) -> bytes:
    """A double that is written even if it is 0, as one of a oneof is."""
    return varint(number << 3 | 1) + struct.pack("<d", value)


def spans(buckets: Mapping[int, float]) -> list[tuple[int, list[float]]]:
    """(offset, counts) of consecutive buckets."""
    found: list[tuple[int, list[float]]] = []
    end = 0
    for index in sorted(buckets):
        if found and index == end:
            found[-1][1].append(buckets[index])
        else:
            found.append((index - end, [buckets[index]]))
        end = index + 1
    return found


def packed(number: int, values: Iterable[bytes]) -> bytes:
    inside = b"".join(values)
    return held(number, inside) if inside else b""


def _side(buckets: Mapping[int, float], floats: bool, first: int) -> bytes:
    """Fields first (spans), first + 1 (deltas), first + 2 (counts)."""
    found = spans(buckets)
    out = b"".join(
        held(first, sender.integer(1, signed(offset)) + sender.integer(2, len(counts)))
        for offset, counts in found
    )
    flat = [count for _, counts in found for count in counts]
    if floats:
        return out + packed(first + 2, (struct.pack("<d", count) for count in flat))
    deltas = [int(b - a) for a, b in zip([0, *flat], flat, strict=False)]
    return out + packed(first + 1, (varint(signed(delta)) for delta in deltas))


def message(one: Native, time: int) -> bytes:
    """A prometheus.Histogram, without its field in the series; both versions have the same."""
    if one.floats:
        counted = always(2, one.total)
        zero = always(7, one.zero)
    else:
        counted = varint(1 << 3) + varint(int(one.total))
        zero = varint(6 << 3) + varint(int(one.zero))
    return (
        counted
        + double(3, one.sum)
        + sender.integer(4, signed(one.schema))
        + double(5, one.threshold)
        + zero
        + _side(one.negative, one.floats, 8)
        + _side(one.positive, one.floats, 11)
        + sender.integer(14, one.hint)
        + sender.integer(15, time)
        + packed(16, (struct.pack("<d", bound) for bound in one.bounds))
    )


def series(labels: Mapping[str, str], samples: Iterable[tuple[Native, int]]) -> bytes:
    """A prometheus.TimeSeries, without its field in the request."""
    named = sender.series(labels, [])
    return named + b"".join(held(4, message(one, time)) for one, time in samples)


def series_2(references: Iterable[int], samples: Iterable[tuple[Native, int]]) -> bytes:
    """The same of 2.0."""
    named = sender.references(references)
    return named + b"".join(held(3, message(one, time)) for one, time in samples)


EXPOSED = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily"
EXPOSED += "; encoding=delimited"
_HISTOGRAM_FAMILY = 4


def exposed(
    name: str, metrics: Iterable[tuple[Mapping[str, str], Native, Mapping[str, str]]], now: float
) -> bytes:
    """A page of io.prometheus.client.MetricFamily: one family of (labels, sample, labels of its
    exemplar)."""
    family = held(1, name.encode()) + sender.integer(3, _HISTOGRAM_FAMILY) + held(5, b"seconds")
    for labels, one, exemplar in metrics:
        pairs = b"".join(sender.label(key, value) for key, value in labels.items())
        family += held(4, pairs + held(7, _shown(one, exemplar, now)))
    return varint(len(family)) + family


def _shown(one: Native, exemplar: Mapping[str, str], now: float) -> bytes:
    """An io.prometheus.client.Histogram; proto2, so that zeros are written."""
    traced = b"".join(sender.label(key, value) for key, value in exemplar.items())
    time = sender.integer(1, int(now)) + sender.integer(2, int(now % 1 * 1e9))
    found = spans(one.positive)
    flat = [count for _, counts in found for count in counts]
    deltas = [int(b - a) for a, b in zip([0, *flat], flat, strict=False)]
    return (
        sender.integer(1, int(one.total))
        + double(2, one.sum)
        + varint(5 << 3)
        + varint(signed(one.schema))
        + double(6, one.threshold)
        + varint(7 << 3)
        + varint(int(one.zero))
        + b"".join(
            held(12, sender.integer(1, signed(offset)) + sender.integer(2, len(counts)))
            for offset, counts in found
        )
        + b"".join(varint(13 << 3) + varint(signed(delta)) for delta in deltas)
        + held(16, traced + double(2, 0.25) + held(3, time))
    )
