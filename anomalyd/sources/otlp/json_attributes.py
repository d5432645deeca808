"""Attributes of spans in JSON, all at once: only those that name what a span does are read.

Senders write `{"key":"…","value":{…}}`, one behind another. Where that is so, the places of all
keys are found in numpy, and what is wanted is cut out. Anything else is read one by one. As in
protobuf, what is no KeyValue says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from msgspec import Raw, Struct
from numpy.typing import NDArray

from anomalyd.model import Rows
from anomalyd.sources.otlp.attributes import SLOTS, Fact, may_be_asked_for, written_bool
from anomalyd.sources.otlp.columns import UNREADABLE, Facts
from anomalyd.sources.otlp.objects import rows_of
from anomalyd.sources.otlp.texts import LONGEST, words_at
from anomalyd.spans import Flags

_KEY, _LEAST = b'{"key":"', 3
"""A key's beginning, and bytes that are looked at before it."""
_FIRST = np.frombuffer(_KEY, "<u8")[0]
_BRACE, _LETTER = ord("{"), 2
_FOLLOWS = b"}},{"
"""Between two attributes."""

_AT_ONCE = 1024
"""Spans; what is noted of their bytes stays in the processor's cache."""


class Pair(Struct, gc=False):
    key: str = ""
    value: Raw = Raw(b"{}")


class _Value(Struct, rename="camel", gc=False):
    string_value: str | None = None
    int_value: int | None = None
    bool_value: bool | None = None
    double_value: float | None = None


_VALUE = msgspec.json.Decoder(_Value, strict=False)
_PAIR = msgspec.json.Decoder(Pair)
_LIST = msgspec.json.Decoder(list[Raw] | None)
_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError)


def facts_of(given: Sequence[Raw], fault: NDArray[np.uint8]) -> Facts:
    """What attributes say of each span, whose `fault` it is if its attributes are no list."""
    spans: list[int] = []
    pieces: list[bytes] = []
    for first in range(0, len(given), _AT_ONCE):
        raw = list(map(bytes, given[first : first + _AT_ONCE]))
        which, wanted, others = _found(raw)
        for i in others:
            try:
                more = [bytes(pair) for pair in _LIST.decode(raw[i]) or ()]
            except _ERRORS:
                fault[first + i] = UNREADABLE
                continue
            which += [i] * len(more)
            wanted += more
        spans += [first + i for i in which]
        pieces += wanted
    rows, said = rows_of(pieces)
    return Facts(np.array(spans, dtype=np.intp), rows, list(map(_fact, said)))


def _found(raw: Sequence[bytes]) -> tuple[list[int], list[bytes], list[int]]:
    """(spans, the attributes of them that may be asked for, spans that are written otherwise)"""
    whole = b"".join([bytes(_LEAST), *raw, bytes(LONGEST)])
    length = np.fromiter(map(len, raw), np.intp, len(raw))
    end = np.cumsum(length) + _LEAST
    begin = end - length
    u8 = np.frombuffer(whole, np.uint8)
    braces = np.flatnonzero(u8 == _BRACE)
    braces = braces[u8.take(braces + _LETTER) == _KEY[_LETTER]]
    words = words_at(whole, braces, 2)
    keys = np.flatnonzero(words[:, 0] == _FIRST)
    place, word = braces[keys], words[keys, 1]
    borders = np.searchsorted(place, end)
    counts = np.diff(borders, prepend=0)
    span = np.repeat(np.arange(len(end)), counts)
    other = _otherwise(whole, u8, begin, end, place, span)
    upto = np.roll(place, -1)
    some = counts > 0
    upto[borders[some] - 1] = end[some]
    wanted = np.flatnonzero(may_be_asked_for(word))
    wanted = wanted[~other[span[wanted]]]
    pieces = zip(place[wanted].tolist(), (upto[wanted] - 1).tolist(), strict=True)
    return span[wanted].tolist(), [whole[a:b] for a, b in pieces], np.flatnonzero(other).tolist()


def _otherwise(
    whole: bytes, u8: NDArray[np.uint8], begin: Rows, end: Rows, place: Rows, span: Rows
) -> Flags:
    """bool[spans]: whose attributes are not all key and value, in this order, without a blank."""
    comma, brace = u8.take(place - 1), (u8.take(place - 2), u8.take(place - 3))
    follows = (comma == ord(",")) & (brace[0] == ord("}")) & (brace[1] == ord("}"))
    leads = place == begin[span] + 1
    other = u8.take(begin) != ord("[")
    other[span[~(follows | leads)]] = True
    led = np.zeros(len(begin), dtype=bool)
    led[span[leads]] = True
    ends = (u8.take(end - 1) == ord("]")) & (u8.take(end - 2) == ord("}"))
    ends &= u8.take(end - 3) == ord("}")
    other |= ~(led & ends)
    other &= ~((end - begin == 2) & (u8.take(begin) == ord("[")))
    if b"\\" in whole:
        escaped = np.searchsorted(end, np.flatnonzero(u8 == ord("\\")), side="right")
        other[escaped] = True
    if whole.count(_FOLLOWS) != np.count_nonzero(follows):
        many = [
            whole.count(_FOLLOWS, a, b) for a, b in zip(begin.tolist(), end.tolist(), strict=True)
        ]
        other |= np.array(many) != np.bincount(span[follows], minlength=len(begin))
    return other


def _fact(raw: bytes) -> Fact:
    try:
        pair = _PAIR.decode(raw)
    except _ERRORS:
        return None
    text = scalar(bytes(pair.value)) if pair.key in SLOTS else ""
    return (SLOTS[pair.key], text) if text else None


def scalar(raw: bytes) -> str:
    """An AnyValue as a label has it; '' of an array, a map, bytes or nothing."""
    try:
        value = _VALUE.decode(raw)
    except _ERRORS:
        return ""
    if value.string_value is not None:
        return value.string_value
    if value.int_value is not None:
        return str(value.int_value)
    if value.bool_value is not None:
        return written_bool(value.bool_value)
    return "" if value.double_value is None else repr(value.double_value)


def json_pair(raw: bytes) -> tuple[str, str]:
    """(key, value as a label has it) of a KeyValue. Raises what msgspec does where it is none."""
    found = _PAIR.decode(raw)
    return found.key, scalar(bytes(found.value))
