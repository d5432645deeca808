"""Serialised spans to columns, all of them at once.

Senders write a span's fields in the order of their numbers. Then each field is where the one before
it ends, in every span, and numpy takes it from all spans in one step: three times as fast as
one message object per span. A span that is written in another way is left to `objects.py`, which
reads any, and gives the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomalyd.model import Rows
from anomalyd.sources.otlp.attributes import SLOTS, KnownFacts, may_be_asked_for
from anomalyd.sources.otlp.columns import Columns, Facts
from anomalyd.sources.otlp.cut import Buffer
from anomalyd.sources.otlp.texts import LONGEST, rows_of_texts, words_at
from anomalyd.spans import Flags

_HEAD = np.dtype(
    {
        "names": ["trace_tag", "trace", "span_tag", "span", "next", "parent_tag", "parent"],
        "formats": ["<u2", (">u8", 2), "<u2", ">u8", "u1", "<u2", ">u8"],
        "offsets": [0, 2, 18, 20, 28, 28, 30],
        "itemsize": 38,
    }
)
_IDS = 28
_PARENT = np.dtype({"names": ["tag", "id"], "formats": ["<u2", ">u8"], "offsets": [0, 2]})
_TIMES = np.dtype(
    {
        "names": ["kind_tag", "kind", "start_tag", "start", "end_tag", "end"],
        "formats": ["u1", "u1", "u1", "<u8", "u1", "<u8"],
        "offsets": [0, 1, 2, 3, 11, 12],
        "itemsize": 20,
    }
)
# Tags: number << 3 | wire type; with a length of one byte behind it where that is fixed.
_TRACE_ID, _SPAN_ID, _PARENT_ID = 0x100A, 0x0812, 0x0822
_STATE, _NAME, _KIND, _START, _END = 0x1A, 0x2A, 0x30, 0x39, 0x41
_ATTRIBUTE, _EVENT, _LINK, _STATUS, _FLAGS = 0x4A, 0x5A, 0x6A, 0x7A, (0x85, 0x01)
_KEY, _MESSAGE, _CODE, _ERROR = 0x0A, 0x12, 0x18, 2
_FLAGS_BYTES = 6

_LONG = -1
_FURTHER = np.zeros(1 << 16, dtype=np.intp)
"""By tag << 8 | length: how far to go from an attribute, event or link, `_LONG` where its length
has a second byte; 0 from what is none of these."""
for _tag in (_ATTRIBUTE, _EVENT, _LINK):
    _FURTHER[(_tag << 8) + np.arange(128)] = 2 + np.arange(128)
    _FURTHER[(_tag << 8) + np.arange(128, 256)] = _LONG

_KEYS = np.zeros(1 << 16, dtype=bool)
"""Of their keys: length << 8 | the second letter; lengths of two bytes, of which the first says
little."""
_KEYS[[len(key) << 8 | ord(key[1]) for key in SLOTS]] = True
_KEYS[128 << 8 :] = True

_MOST_FIELDS = 128
"""Attributes, events and links in a span; what has more is not read faster here."""

_MOSTLY = 0.75
"""While so many spans go on, those that do not are taken along, which is cheaper."""


@dataclass(frozen=True, slots=True)
class _Found:
    """Attributes that name what their span does: whose, and where."""

    span: Rows
    begin: Rows
    length: Rows


_NOTHING = _Found(*(np.zeros(0, dtype=np.intp) for _ in range(3)))


def walk(buffer: Buffer, known: KnownFacts) -> tuple[Columns, Flags]:
    """Columns of all spans, and bool[n]: those that were read. The others' rows mean nothing."""
    u8 = buffer.u8
    head = buffer.at(buffer.begin, _HEAD)
    good = (head["trace_tag"] == _TRACE_ID) & (head["span_tag"] == _SPAN_ID)
    at, states = _states(buffer, head, good)
    has_parent = head["parent_tag"] == _PARENT_ID
    at += has_parent * 10
    name_at, name_size = at + 2, u8.take(at + 1).astype(np.intp)
    named = u8.take(at) == _NAME
    name_size *= named
    good &= name_size < 128
    name_size *= good
    at += name_size + 2 * named
    times, kind = _times(buffer, at)
    good &= (times["start_tag"] == _START) & (times["end_tag"] == _END) & (kind < 128)
    good &= at <= buffer.end
    found = _pass_over(buffer, at, good)
    failed = _status(buffer, at, good)
    names, texts = rows_of_texts(buffer.whole, name_at, name_size)
    which, pairs = rows_of_texts(buffer.whole, found.begin, found.length)
    return Columns(
        trace=head["trace"].astype(np.uint64),
        span=head["span"].astype(np.uint64),
        parent=head["parent"] * has_parent,
        start=np.ascontiguousarray(times["start"]),
        end=np.ascontiguousarray(times["end"]),
        kind=kind,
        failed=failed,
        names=names,
        texts=[text.decode(errors="replace") for text in texts],
        fault=np.zeros(len(buffer), dtype=np.uint8),
        states=states,
        facts=Facts(found.span, which, list(map(known.of, pairs))),
    ), good


def _states(buffer: Buffer, head: NDArray[np.void], good: Flags) -> tuple[Rows, dict[int, str]]:
    """(what is behind ids and tracestate, the tracestates); `head` of spans that have one is read
    anew, as their parent's id is behind it. One of 128 bytes and more is not good."""
    at = buffer.begin + _IDS
    which = np.flatnonzero(head["next"] == _STATE)
    if not len(which):
        return at, {}
    begin = at[which] + 2
    size = buffer.u8[begin - 1].astype(np.intp)
    good[which] &= size < 128
    size *= good[which]
    at[which] = begin + size
    parent = buffer.at(at[which], _PARENT)
    head["parent_tag"][which], head["parent"][which] = parent["tag"], parent["id"]
    some = size > 0
    texts = buffer.texts(begin[some], size[some])
    pairs = zip(which[some].tolist(), texts, strict=True)
    return at, {i: text.decode(errors="replace") for i, text in pairs}


def _times(buffer: Buffer, at: Rows) -> tuple[NDArray[np.void], NDArray[np.int32]]:
    """(start and end, kind); `at` is moved behind them."""
    times = buffer.at(at, _TIMES)
    has_kind = times["kind_tag"] == _KIND
    kind = times["kind"].astype(np.int32) * has_kind
    at += _TIMES.itemsize
    without = np.flatnonzero(~has_kind)
    if len(without):
        at[without] -= 2
        times[without] = buffer.at(at[without] - _TIMES.itemsize, _TIMES)
    return times, kind


def _pass_over(buffer: Buffer, at: Rows, good: Flags) -> _Found:
    """Move `at` behind the attributes, events and links; returns the attributes that matter.

    Where a span's last one ends is not looked at: what goes on behind that is not good.
    """
    u8, most = buffer.u8, len(buffer.u8) - LONGEST
    active = np.flatnonzero(good & (at < buffer.end))
    place = at[active]
    found: list[tuple[Rows, Rows, Rows]] = []
    for _ in range(_MOST_FIELDS):
        tag, size = u8.take(place), u8.take(place + 1)
        further = _FURTHER.take(tag.astype(np.uint16) << 8 | size)
        long = np.flatnonzero(further < 0)
        if len(long):
            further[long] = _two_bytes(u8, place[long])
        key = _KEYS.take(u8.take(place + 3).astype(np.uint16) << 8 | u8.take(place + 5))
        key |= u8.take(place + 2) != _KEY
        if len(long):
            key[long] = True
        key &= tag == _ATTRIBUTE
        some = np.flatnonzero(key)
        if len(some):
            found.append((active[some], place[some], further[some]))
        place += further
        if len(long):
            np.minimum(place, most, out=place)
        moved = np.count_nonzero(further)
        if not moved:
            break
        if moved < _MOSTLY * len(place):
            at[active] = place
            goes_on = np.flatnonzero(further)
            active, place = active[goes_on], place[goes_on]
    at[active] = place
    if not found:
        return _NOTHING
    return _wanted(buffer, good, *map(np.concatenate, zip(*found, strict=True)))


def _two_bytes(u8: NDArray[np.uint8], place: Rows) -> Rows:
    """How far to go from fields whose length has two bytes; 0 where it has more."""
    low, high = u8[place + 1].astype(np.intp), u8[place + 2].astype(np.intp)
    return np.where(high < 128, 3 + (low & 127 | high << 7), 0)


def _wanted(buffer: Buffer, good: Flags, span: Rows, place: Rows, further: Rows) -> _Found:
    """Those that may be one of SLOTS, of attributes at `place`, `further` from what is behind.

    A span of which one does not begin with its key, or has its length in two bytes, is not good.
    """
    u8 = buffer.u8
    begin = place + 2 + (u8[place + 1] >= 128)
    length = place + further - begin
    sure = (length > 10) & (u8[begin] == _KEY) & (u8[begin + 1] < 128)
    good[span[(length > 10) & ~sure]] = False
    sure &= may_be_asked_for(words_at(buffer.whole, begin + 2, 1)[:, 0])
    return _Found(span[sure], begin[sure], length[sure])


def _status(buffer: Buffer, at: Rows, good: Flags) -> Flags:
    """Whether each span's status is ERROR; a span that goes on behind status and flags is not
    good."""
    u8, end = buffer.u8, buffer.end
    failed = np.zeros(len(at), dtype=bool)
    which = np.flatnonzero((u8.take(at) == _STATUS) & (at < end) & good)
    if len(which):
        place = at[which]
        size = u8[place + 1].astype(np.intp)
        message = (u8[place + 2] == _MESSAGE) & (size > 0)
        text = (u8[place + 3].astype(np.intp) + 2) * message
        code = place + 2 + np.where(text <= size, text, 0)
        coded = (size - text == 2) & (u8[code] == _CODE)
        good[which] &= (size < 128) & (coded | (size == text))
        failed[which] = coded & (u8[code + 1] == _ERROR)
        at[which] = place + 2 + size
    rest = end - at
    low, high = _FLAGS
    flags = (rest == _FLAGS_BYTES) & (u8.take(at) == low) & (u8.take(at + 1) == high)
    good &= (rest == 0) | flags
    return failed
