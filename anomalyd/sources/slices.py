"""A WriteRequest of remote_write 1.0 cut into label bytes, times and values, without parsing it.

Almost every series on the wire is its labels and then one sample, of 18 bytes (9 where its value is
0, which protobuf leaves out). What is not so cut is handed on whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
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
_PLACES = 128 ** np.arange(6, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Slices:
    """keys: what stands before the sample, n of them. times: int64[n], ms. values: float64[n].

    odd: series that are something else, as they came. text: the body, if all of it is series that
    were cut.
    """

    keys: Sequence[bytes]
    times: Times
    values: Floats
    odd: list[bytes]
    text: Text | None = None


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
    heads = sliding_window_view(raw, 3)[begins].astype(np.intp)
    short = heads[:, 1] < 0x80
    said = np.where(short, heads[:, 1], heads[:, 1] & 0x7F | heads[:, 2] << 7)
    starts = begins + 3 - short
    sound = (heads[:, 0] == 0x0A) & (short | (heads[:, 2] < 0x80))
    if not sound.all() or (starts + said != ends).any() or (said < _SAMPLE).any():
        return None
    tails = sliding_window_view(raw, _SAMPLE)[ends - _SAMPLE]
    is_sample, is_zero = _shapes(tails)
    if (is_sample == is_zero).any():
        return None
    stops = ends - np.where(is_zero, _ZERO, _SAMPLE)
    text = Text(_timeless(raw, ends, is_zero), np.append(begins, ends[-1]))
    keys = _Keys(body, starts, stops)
    return Slices(keys, _times(tails), _values(tails, is_zero), [], text)


def _cut_one_by_one(body: bytes) -> Slices:
    series: list[bytes] = list(WRITE_1["Slices"].FromString(body).timeseries)
    tails = np.frombuffer(b"".join([_tail(one) for one in series]), np.uint8).reshape(-1, _SAMPLE)
    is_sample, is_zero = _shapes(tails)
    timed = (tails[:, -6:-1] >= 0x80).all(axis=1) & (tails[:, -1] < 0x80)
    simple = (is_sample != is_zero) & timed
    sizes = np.where(is_zero, _ZERO, _SAMPLE)
    kept = tails[simple]
    return Slices(
        [series[i][: -sizes[i]] for i in np.flatnonzero(simple).tolist()],
        _times(kept),
        _values(kept, is_zero[simple]),
        [series[i] for i in np.flatnonzero(~simple).tolist()],
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


def _shapes(tails: Bytes) -> tuple[Mask, Mask]:
    """Of uint8[n, 18]: whether each may be a sample, and whether one of value 0."""
    tagged = tails[:, -7] == 0x10
    is_sample = tagged & (tails[:, 0] == 0x12) & (tails[:, 1] == 16) & (tails[:, 2] == 0x09)
    return is_sample, tagged & (tails[:, 9] == 0x12) & (tails[:, 10] == 7)


def _timeless(raw: Bytes, ends: Rows, is_zero: Mask) -> Bytes:
    """A copy in which times are 0, and values that there are. Bodies of which these are the same
    are of the same series: what is left of a sample, 12 10 09 or 12, says which form it had."""
    copy = raw.copy()
    words = np.ndarray((len(copy) - 7,), "<u8", copy, strides=(1,))
    words[ends - 8] = 0
    words[ends[~is_zero] - 15] = 0
    return copy


def _times(tails: Bytes) -> Times:
    return (tails[:, -6:] & 0x7F).astype(np.int64) @ _PLACES


def _values(tails: Bytes, is_zero: Mask) -> Floats:
    values = np.ascontiguousarray(tails[:, 3:11]).view("<f8")[:, 0].astype(np.float64)
    values[is_zero] = 0.0
    return values
