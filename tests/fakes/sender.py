"""A sender of remote_write: bodies written by hand, byte by byte, as the specification has them."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence

import cramjam

HEADERS = {
    "content-type": "application/x-protobuf",
    "content-encoding": "snappy",
    "x-prometheus-remote-write-version": "0.1.0",
    "user-agent": "Prometheus/2.42.0",
}
HEADERS_2 = {
    **HEADERS,
    "content-type": "application/x-protobuf;proto=io.prometheus.write.v2.Request",
    "x-prometheus-remote-write-version": "2.0.0",
}
STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]

Sample = tuple[float, int]
"""Value, and time in ms."""
Series = tuple[Mapping[str, str], Sequence[Sample]]


def varint(number: int) -> bytes:
    number &= 2**64 - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def held(number: int, inside: bytes) -> bytes:
    """A field that holds bytes, text or a message."""
    return varint(number << 3 | 2) + varint(len(inside)) + inside


def double(number: int, value: float) -> bytes:
    """Left out where it is 0, as proto3 has it; -0.0 and NaN are not."""
    packed = struct.pack("<d", value)
    return b"" if packed == bytes(8) else varint(number << 3 | 1) + packed


def integer(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value) if value else b""


def label(name: str, value: str) -> bytes:
    return held(1, held(1, name.encode()) + (held(2, value.encode()) if value else b""))


def sample(value: float, time: int) -> bytes:
    return held(2, double(1, value) + integer(2, time))


def exemplar(labels: Mapping[str, str], value: float, time: int) -> bytes:
    """A field of a prometheus.TimeSeries."""
    named = b"".join(label(name, text) for name, text in labels.items())
    return held(3, named + double(2, value) + integer(3, time))


def exemplar_2(numbers: Iterable[int], value: float, time: int) -> bytes:
    """A field of a TimeSeries of 2.0."""
    return held(4, references(numbers) + double(2, value) + integer(3, time))


def metadata(family: str, kind: int, told: str = "", unit: str = "") -> bytes:
    """A field of a prometheus.WriteRequest."""
    texts = ((2, family), (4, told), (5, unit))
    return held(3, integer(1, kind) + b"".join(held(n, text.encode()) for n, text in texts if text))


def metadata_2(kind: int, told: int = 0, unit: int = 0) -> bytes:
    """A field of a TimeSeries of 2.0; told, unit: symbols."""
    return held(5, integer(1, kind) + integer(3, told) + integer(4, unit))


def series(labels: Mapping[str, str], samples: Iterable[Sample]) -> bytes:
    """A prometheus.TimeSeries, without its field in the request."""
    named = b"".join(label(name, value) for name, value in sorted(labels.items()))
    return named + b"".join(sample(*one) for one in samples)


def request(*many: bytes) -> bytes:
    """A prometheus.WriteRequest of series."""
    return b"".join(held(1, one) for one in many)


def body(*many: Series) -> bytes:
    """What goes over the wire."""
    return packed(request(*(series(*one) for one in many)))


def packed(plain: bytes) -> bytes:
    return bytes(cramjam.snappy.compress_raw(plain))


def symbols(texts: Iterable[str | bytes]) -> bytes:
    """The table of an io.prometheus.write.v2.Request."""
    return b"".join(held(4, text if isinstance(text, bytes) else text.encode()) for text in texts)


def references(numbers: Iterable[int]) -> bytes:
    return held(1, b"".join(map(varint, numbers)))


def request_2(*many: Series) -> bytes:
    """An io.prometheus.write.v2.Request."""
    table = {"": 0}
    found = []
    for labels, samples in many:
        words = [word for pair in sorted(labels.items()) for word in pair]
        numbers = [table.setdefault(word, len(table)) for word in words]
        found.append(references(numbers) + b"".join(sample(*one) for one in samples))
    return symbols(table) + b"".join(held(5, one) for one in found)


def body_2(*many: Series) -> bytes:
    return packed(request_2(*many))
