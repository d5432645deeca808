"""Where the spans of a body are, found all at once.

Senders begin a span with its ids. What looks like such a beginning is searched for in all bytes,
and is believed where each span ends where the next begins, from the first to the last of a scope.
Bodies that are written in another way are left to protobuf's own parser.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomalyd.model import Rows
from anomalyd.sources.otlp.messages import Traces
from anomalyd.sources.otlp.texts import LONGEST

PADDING = 512 + LONGEST
"""Zeros behind the last span, for what is looked at before its length is."""

# Tags: number << 3 | wire type.
_RESOURCE_SPANS = 0x0A
_RESOURCE, _SCOPE_SPANS = 0x0A, 0x12
_SCOPE, _SPAN, _SCHEMA_URL = 0x0A, 0x12, 0x1A
_TRACE_ID, _TRACE_ID_BYTES, _SPAN_ID, _SPAN_ID_BYTES = 0x0A, 16, 0x12, 8
_IDS = 18
"""From a span's beginning to the tag of its own id."""

_AT_ONCE = 2**17
"""Bytes that are searched at once: what is noted of them stays in the processor's cache."""


_LENGTH_BYTES = 4
"""Of a field that is read here: 256 MiB."""


class _Unclear(Exception):
    """Not written as most senders do."""


@dataclass(frozen=True, slots=True)
class Buffer:
    """Spans in `whole`, which ends with `PADDING` zeros. begin, end: intp[n], where each is."""

    whole: bytes
    u8: NDArray[np.uint8]
    begin: Rows
    end: Rows

    def __len__(self) -> int:
        return len(self.begin)

    def at(self, places: Rows, form: np.dtype[np.void]) -> NDArray[np.void]:
        """`form` at each of `places`; they need not be aligned."""
        size, span = form.itemsize, len(self.whole) - form.itemsize
        every = np.ndarray((span,), f"V{size}", self.whole, strides=(1,))
        return every[places].view(form)

    def texts(self, begin: Rows, length: Rows) -> list[bytes]:
        whole = self.whole
        return [whole[a:b] for a, b in zip(begin.tolist(), (begin + length).tolist(), strict=True)]


Resources = list[tuple[bytes, int]]
"""Each serialised, with the number of spans behind it that are its own."""


def cut(body: bytes) -> tuple[Buffer, Resources]:
    """The spans of an ExportTraceServiceRequest. Raises DecodeError."""
    try:
        return _chained(body)
    except _Unclear:
        return _parsed(body)


def joined(raw: Sequence[bytes]) -> Buffer:
    """Serialised spans one behind another."""
    whole = b"".join([*raw, bytes(PADDING)])
    lengths = np.fromiter(map(len, raw), np.intp, len(raw))
    end = np.cumsum(lengths)
    return Buffer(whole, np.frombuffer(whole, np.uint8), end - lengths, end)


def _parsed(body: bytes) -> tuple[Buffer, Resources]:
    raw: list[bytes] = []
    resources = []
    for one in Traces.FromString(body).resource_spans:
        before = len(raw)
        for scope in one.scope_spans:
            raw += scope.spans
        resources.append((one.resource, len(raw) - before))
    return joined(raw), resources


def _chained(body: bytes) -> tuple[Buffer, Resources]:
    """Raises _Unclear."""
    whole = body + bytes(PADDING)
    u8 = np.frombuffer(whole, np.uint8)
    head, begin, end = _candidates(u8)
    places = list(_resources(whole, len(body)))
    scopes = [scope for _, scopes in places for scope in scopes]
    upto = np.searchsorted(begin, [end for _, end in scopes]).tolist()
    first = 0
    for (at, ends), last in zip(scopes, upto, strict=True):
        spans = last > first
        _passes(whole, at, int(head[first]) if spans else ends, _SCOPE)
        if spans:
            _passes(whole, int(end[last - 1]), ends, _SCHEMA_URL)
        first = last
    if first < len(begin) or not _follow(head, end, upto):
        raise _Unclear
    sizes = iter(np.diff(upto, prepend=0).tolist())
    resources = [(one, sum(next(sizes) for _ in scopes)) for one, scopes in places]
    return Buffer(whole, u8, begin, end), resources


def _follow(head: Rows, end: Rows, upto: Sequence[int]) -> bool:
    """Whether spans are one behind another, but for the last of each scope."""
    gap = head[1:] != end[:-1]
    gap[[last - 1 for last in upto if 0 < last < len(head)]] = False
    return not gap.any()


def _passes(whole: bytes, at: int, to: int, tag: int) -> None:
    """Raises _Unclear where there is more in between than a field of that tag."""
    if at != to and (at > to or whole[at] != tag or sum(_length(whole, at + 1)) != to):
        raise _Unclear


def _resources(whole: bytes, end: int) -> Iterator[tuple[bytes, list[tuple[int, int]]]]:
    """(resource, where its scopes begin and end) of each ResourceSpans. Raises _Unclear."""
    for tag, begin, last in _fields(whole, 0, end):
        if tag != _RESOURCE_SPANS:
            raise _Unclear
        resource, scopes = b"", []
        for inner, at, to in _fields(whole, begin, last):
            if inner == _RESOURCE:
                resource = whole[at:to]
            elif inner == _SCOPE_SPANS:
                scopes.append((at, to))
            elif inner != _SCHEMA_URL:
                raise _Unclear
        yield resource, scopes


def _fields(whole: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """(tag, begin, end) of fields that say their length. Raises _Unclear."""
    while at < end:
        begin, length = _length(whole, at + 1)
        if begin + length > end:
            raise _Unclear
        yield whole[at], begin, begin + length
        at = begin + length


def _length(whole: bytes, at: int) -> tuple[int, int]:
    """(what is behind it, the length) at a place. Raises _Unclear where it has many bytes."""
    length = 0
    for nth in range(_LENGTH_BYTES):
        byte = whole[at + nth]
        length |= (byte & 127) << 7 * nth
        if byte < 128:
            return at + nth + 1, length
    raise _Unclear


def _candidates(u8: NDArray[np.uint8]) -> tuple[Rows, Rows, Rows]:
    """(where its tag is, where it begins, where it ends) of all that looks like a span."""
    begin = np.concatenate(
        [
            at + np.flatnonzero((part[:-1] == _TRACE_ID) & (part[1:] == _TRACE_ID_BYTES))
            for at in range(0, len(u8) - PADDING, _AT_ONCE)
            for part in [u8[at : at + _AT_ONCE + 1]]
        ]
        or [np.zeros(0, dtype=np.intp)]
    )
    spans = (u8.take(begin + _IDS) == _SPAN_ID) & (u8.take(begin + _IDS + 1) == _SPAN_ID_BYTES)
    begin = begin[spans]
    low, high = u8.take(begin - 1), u8.take(begin - 2)
    two = high >= 128
    tags = np.where(two, u8.take(begin - 3), high)
    length = np.where(two, (low.astype(np.intp) << 7) | (high & 127), low)
    good = (tags == _SPAN) & (low < 128)
    if not good.all():
        begin, two, length = begin[good], two[good], length[good]
    return begin - 2 - two, begin, begin + length
