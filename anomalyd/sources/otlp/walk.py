"""Serialised spans to columns, all of them at once.

Senders write a span's fields in the order of their numbers. Then each field is where the one before
it ends, in every span, and numpy takes it from all spans in one step: three times as fast as
one message object per span. A span that is written in another way is left to `objects.py`, which
reads any, and gives the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomalyd.model import Rows
from anomalyd.sources.otlp.attributes import SLOTS, KnownFacts
from anomalyd.sources.otlp.columns import Columns, Facts
from anomalyd.sources.otlp.texts import LONGEST, rows_of_texts
from anomalyd.spans import Flags

_HEAD = np.dtype(
    {
        "names": ["trace_tag", "trace", "span_tag", "span"],
        "formats": ["<u2", (">u8", 2), "<u2", ">u8"],
        "offsets": [0, 2, 18, 20],
        "itemsize": 28,
    }
)
_PARENT = np.dtype({"names": ["tag", "id"], "formats": ["<u2", ">u8"], "offsets": [0, 2]})
_TIMES = np.dtype(
    {
        "names": ["start_tag", "start", "end_tag", "end"],
        "formats": ["u1", "<u8", "u1", "<u8"],
        "offsets": [0, 1, 9, 10],
        "itemsize": 18,
    }
)
# Tags: number << 3 | wire type; with a length of one byte behind it where that is fixed.
_TRACE_ID, _SPAN_ID, _PARENT_ID = 0x100A, 0x0812, 0x0822
_STATE, _NAME, _KIND, _START, _END = 0x1A, 0x2A, 0x30, 0x39, 0x41
_ATTRIBUTE, _EVENT, _LINK, _STATUS, _FLAGS = 0x4A, 0x5A, 0x6A, 0x7A, 0x0185
_MESSAGE, _CODE, _ERROR = 0x12, 0x18, 2
_PASSED_OVER = np.zeros(256, dtype=bool)
_PASSED_OVER[[_ATTRIBUTE, _EVENT, _LINK]] = True

_SPREAD = np.uint64(0x9E3779B97F4A7C15)


def _hash(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """16 bits of each (Knuth, TAOCP 3, 6.4: multiplicative hashing)."""
    return words * _SPREAD >> np.uint64(48)


_WANTED = np.zeros(1 << 16, dtype=bool)
"""Whether an attribute may be one of SLOTS, by the hash of its key's first eight bytes; each has as
many."""
_WANTED[_hash(np.frombuffer(b"".join(key.encode()[:8] for key in SLOTS), "<u8"))] = True

_LENGTHS = np.zeros(256, dtype=bool)
"""How long their keys are."""
_LENGTHS[[len(key) for key in SLOTS]] = True

_MOST_FIELDS = 128
"""Attributes, events and links in a span; what has more is not read faster here."""

_PADDING = bytes(512 + LONGEST)
"""Behind the last span, for what is looked at before its length is."""


class _Buffer:
    """Spans one behind another. begin, end: int64[n], where each of them is."""

    def __init__(self, raw: Sequence[bytes]) -> None:
        self.bytes = b"".join(raw) + _PADDING
        self.u8: NDArray[np.uint8] = np.frombuffer(self.bytes, np.uint8)
        lengths = np.fromiter(map(len, raw), np.int64, len(raw))
        self.end = np.cumsum(lengths)
        self.begin = self.end - lengths

    def at(self, places: Rows, form: np.dtype[np.void]) -> NDArray[np.void]:
        """`form` at each of `places`; they need not be aligned."""
        size, span = form.itemsize, len(self.bytes) - form.itemsize
        whole = np.ndarray((span,), f"V{size}", self.bytes, strides=(1,))
        return whole[places].view(form)

    def words(self, places: Rows) -> NDArray[np.uint64]:
        """Eight bytes at each of `places`, the first one lowest."""
        return np.ndarray((len(self.bytes) - 8,), "<u8", self.bytes, strides=(1,))[places]

    def texts(self, begin: Rows, length: Rows) -> list[bytes]:
        whole = self.bytes
        return [whole[a:b] for a, b in zip(begin.tolist(), (begin + length).tolist(), strict=True)]


@dataclass(frozen=True, slots=True)
class _Found:
    """Attributes that name what their span does: whose, and where."""

    span: Rows
    begin: Rows
    length: Rows


def walk(raw: Sequence[bytes], known: KnownFacts) -> tuple[Columns, Flags]:
    """Columns of all spans, and bool[n]: those that were read. The others' rows mean nothing."""
    buffer = _Buffer(raw)
    head = buffer.at(buffer.begin, _HEAD)
    good = (head["trace_tag"] == _TRACE_ID) & (head["span_tag"] == _SPAN_ID)
    at = buffer.begin + _HEAD.itemsize
    state_at, state_size, at = _short_text(buffer, at, _STATE, good)
    parent = buffer.at(at, _PARENT)
    has_parent = parent["tag"] == _PARENT_ID
    at = at + has_parent * 10
    name_at, name_size, at = _short_text(buffer, at, _NAME, good)
    has_kind = buffer.u8[at] == _KIND
    kind = buffer.u8[at + 1].astype(np.int32) * has_kind
    at = at + 2 * has_kind
    times = buffer.at(at, _TIMES)
    at = at + _TIMES.itemsize
    good &= (times["start_tag"] == _START) & (times["end_tag"] == _END) & (kind < 128)
    good &= at <= buffer.end
    found = _pass_over(buffer, at, good)
    failed = _status(buffer, at, good)
    names, texts = rows_of_texts(buffer, name_at, name_size)
    which, pairs = rows_of_texts(buffer, found.begin, found.length)
    states = np.flatnonzero(state_size > 0)
    return Columns(
        trace=head["trace"].astype(np.uint64),
        span=head["span"].astype(np.uint64),
        parent=parent["id"] * has_parent,
        start=times["start"],
        end=times["end"],
        kind=kind,
        failed=failed,
        names=names,
        texts=[text.decode(errors="replace") for text in texts],
        fault=np.zeros(len(raw), dtype=np.uint8),
        states=_texts_of(buffer, states, state_at[states], state_size[states]),
        facts=Facts(found.span, which, list(map(known.of, pairs))),
    ), good


def _short_text(buffer: _Buffer, at: Rows, tag: int, good: Flags) -> tuple[Rows, Rows, Rows]:
    """(where it begins, its length, what is behind it) of a field of less than 128 bytes.

    A longer one is not good.
    """
    there = buffer.u8[at] == tag
    size = buffer.u8[at + 1].astype(np.intp) * there
    good &= size < 128
    size *= good
    return at + 2, size, at + size + 2 * there


def _pass_over(buffer: _Buffer, at: Rows, good: Flags) -> _Found:
    """Move `at` behind the attributes, events and links; returns the attributes that matter."""
    u8, end = buffer.u8, buffer.end
    inside = good & (at < end)
    active = np.flatnonzero(inside & _PASSED_OVER[u8[np.where(inside, at, 0)]])
    place, last = at[active], end[active]
    spans, begins, lengths = [active[:0]], [active[:0]], [active[:0]]
    for _ in range(_MOST_FIELDS):
        if not len(active):
            break
        tag, length = u8.take(place), u8.take(place + 1).astype(np.intp)
        begin, fits = place + 2, np.ones(len(place), dtype=bool)
        two = np.flatnonzero(length >= 128)
        if len(two):
            high = u8[begin[two]].astype(np.intp)
            length[two] = (length[two] & 127) | (high << 7)
            begin[two] += 1
            fits[two] = high < 128
        behind = begin + length
        fits &= behind <= last
        wanted = np.flatnonzero(fits & (tag == _ATTRIBUTE) & _LENGTHS[u8.take(begin + 1)])
        wanted = wanted[(length[wanted] > 10) & (u8[begin[wanted]] == 0x0A)]
        wanted = wanted[_WANTED[_hash(buffer.words(begin[wanted] + 2))]]
        spans.append(active[wanted])
        begins.append(begin[wanted])
        lengths.append(length[wanted])
        place = behind if fits.all() else np.where(fits, behind, place)
        goes_on = fits & (place < last) & _PASSED_OVER[u8.take(place)]
        if not goes_on.all():
            at[active] = place
            active, place, last = active[goes_on], place[goes_on], last[goes_on]
    at[active] = place
    return _Found(np.concatenate(spans), np.concatenate(begins), np.concatenate(lengths))


def _status(buffer: _Buffer, at: Rows, good: Flags) -> Flags:
    """Whether each span's status is ERROR; a span that goes on behind status and flags is not
    good."""
    u8, end = buffer.u8, buffer.end
    at = np.where(good, at, 0)
    there = (u8[at] == _STATUS) & (at < end)
    size = u8[at + 1].astype(np.intp) * there
    good &= size < 128
    code_at = at + 2
    message = (u8[code_at] == _MESSAGE) & (size > 0)
    text = (u8[code_at + 1].astype(np.intp) + 2) * message
    code_at = code_at + np.where(text <= size, text, 0)
    coded = (size - text == 2) & (u8[code_at] == _CODE)
    good &= coded | (size == text)
    behind = at + (2 + size) * there
    inside = np.where(behind + 6 <= end, behind, 0)
    flags = (u8[inside] | (u8[inside + 1].astype(np.intp) << 8)) == _FLAGS
    behind = behind + 6 * flags * (inside == behind)
    good &= behind == end
    return coded & (u8[code_at + 1] == _ERROR)


def _texts_of(buffer: _Buffer, spans: Rows, begin: Rows, length: Rows) -> dict[int, str]:
    texts = buffer.texts(begin, length)
    return {i: text.decode(errors="replace") for i, text in zip(spans.tolist(), texts, strict=True)}
