"""A WriteRequest of remote_write 1.0 cut into label bytes, times and values, without parsing it.

Almost every series on the wire is its labels and then one sample, of 18 bytes (9 where its value is
0, which protobuf leaves out). What is not so cut is handed on whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import NDArray

from anomalyd.model import Floats, Rows
from anomalyd.signals.window import Mask
from anomalyd.sources.sequence import Text
from anomalyd.sources.wire import WRITE_1

Bytes = NDArray[np.uint8]
Times = NDArray[np.int64]

_SAMPLE = 18
"""Bytes of a sample with the tag and length it has in a series: 12 10, 09 and a double, a time.

A time is 10 and a varint; six bytes of it hold every ms from 1971 to 2109.
"""
_ZERO = 9
"""The same of one whose value is 0: 12 07, a time."""


@dataclass(frozen=True, slots=True)
class Slices:
    """keys: what stands before the sample, n of them. times: int64[n], ms. values: float64[n].

    odd: series that are something else, as they came. text: the body, if all of it is series that
    were cut. metadata: messages of it, as they came.
    """

    keys: Sequence[bytes]
    times: Times
    values: Floats
    odd: list[bytes]
    text: Text | None = None
    metadata: Sequence[bytes] = ()


class _Keys(Sequence[bytes]):
    """Parts of a body, made when they are asked for."""

    def __init__(self, body: bytes, starts: Rows, stops: Rows) -> None:
        self._body, self._starts, self._stops = body, starts, stops

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, which: int) -> bytes: ...
    @overload
    def __getitem__(self, which: slice) -> list[bytes]: ...
    def __getitem__(self, which: int | slice) -> bytes | list[bytes]:
        if isinstance(which, slice):
            starts, stops = self._starts[which].tolist(), self._stops[which].tolist()
            return [self._body[a:b] for a, b in zip(starts, stops, strict=True)]
        return self._body[self._starts[which] : self._stops[which]]


def cut(body: bytes) -> Slices:
    """Raises google.protobuf.message.DecodeError where the body is no message."""
    return _cut_at_once(body) or _cut_one_by_one(body)


def _cut_at_once(body: bytes) -> Slices | None:
    """Where every series ends is guessed from what timestamps look like; that each guess is as long
    as the series before it says, from the first byte to the last, proves them all. None if not."""
    raw = np.frombuffer(body, np.uint8)
    ends = _ends(raw)
    if not len(ends) or ends[-1] != len(raw):
        return None
    begins = np.append(0, ends[:-1])
    low, high = (raw.take(begins + place).astype(np.intp) for place in (1, 2))
    short = low < 0x80
    said = np.where(short, low, low & 0x7F | high << 7)
    starts = begins + 3 - short
    sound = (raw.take(begins) == 0x0A) & (short | (high < 0x80)) & (said >= _SAMPLE)
    if not sound.all() or (starts + said != ends).any():
        return None
    tails = _tails(raw, ends)
    if (tails.is_sample == tails.is_zero).any():
        return None
    stops = ends - np.where(tails.is_zero, _ZERO, _SAMPLE)
    text = Text(_timeless(raw, ends, tails.is_zero), np.append(begins, ends[-1]))
    return Slices(_Keys(body, starts, stops), tails.times, tails.values, [], text)


def _cut_one_by_one(body: bytes) -> Slices:
    whole = WRITE_1["Slices"].FromString(body)
    series: list[bytes] = list(whole.timeseries)
    raw = np.frombuffer(b"".join([_tail(one) for one in series]), np.uint8)
    tails = _tails(raw, np.arange(1, len(series) + 1) * _SAMPLE)
    last = raw.reshape(-1, _SAMPLE)[:, -6:]
    timed = (last[:, :-1] >= 0x80).all(axis=1) & (last[:, -1] < 0x80)
    simple = (tails.is_sample != tails.is_zero) & timed
    sizes = np.where(tails.is_zero, _ZERO, _SAMPLE)
    return Slices(
        [series[i][: -sizes[i]] for i in np.flatnonzero(simple).tolist()],
        tails.times[simple],
        tails.values[simple],
        [series[i] for i in np.flatnonzero(~simple).tolist()],
        metadata=list(whole.metadata),
    )


def _tail(series: bytes) -> bytes:
    """The last bytes, whatever they are; zeros before what is shorter."""
    return series[-_SAMPLE:] if len(series) >= _SAMPLE else series.rjust(_SAMPLE, b"\0")


def _ends(raw: Bytes) -> Rows:
    """intp[n], ascending: where a timestamp ends and the next series, or nothing, follows.

    The first five of its six bytes have the high bit set, which text has not.
    """
    high = np.flatnonzero(raw.view(np.int8) < 0)
    runs = high[:-4][high[4:] - high[:-4] == 4]
    runs = runs[(runs >= _SAMPLE - 6) & (runs < len(raw) - 5)]
    runs = runs[(raw[runs - 1] == 0x10) & (raw[runs + 5] < 0x80)]
    ends = runs + 6
    last = ends == len(raw)
    return ends[last | (raw[np.where(last, 0, ends)] == 0x0A)]


@dataclass(frozen=True, slots=True)
class _Tails:
    """The last 18 bytes of n series as samples: whether each may be one, and whether one of value
    0; what time and value are in them if so."""

    is_sample: Mask
    is_zero: Mask
    times: Times
    values: Floats


def _tails(raw: Bytes, ends: Rows) -> _Tails:
    """Of series that end there, none within the first 18 bytes."""
    words = _words(raw)
    begin, last = words[ends - _SAMPLE], words[ends - 8]
    tagged = last & 0xFF00 == 0x1000
    is_sample = tagged & (begin & 0xFFFFFF == 0x091012)
    is_zero = tagged & (last & 0xFF == 7) & (raw.take(ends - _ZERO) == 0x12)
    times = last >> 16 & 0x7F
    for place in range(1, 6):
        times |= last >> 16 + place & 0x7F << 7 * place
    values = words[ends - 15].view("<f8").astype(np.float64, copy=False)
    values[is_zero] = 0.0
    return _Tails(is_sample, is_zero, times.view(np.int64), values)


def _words(raw: Bytes) -> NDArray[np.uint64]:
    """Eight bytes from each place on, the first one lowest: a view."""
    return np.ndarray((max(len(raw) - 7, 0),), "<u8", raw, strides=(1,))


def _timeless(raw: Bytes, ends: Rows, is_zero: Mask) -> Bytes:
    """A copy in which times are 0, and values that there are. Bodies of which these are the same
    are of the same series: what is left of a sample, 12 10 09 or 12, says which form it had."""
    copy = raw.copy()
    words = _words(copy)
    words[ends - 8] = 0
    words[ends[~is_zero] - 15] = 0
    return copy
