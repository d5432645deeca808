"""gzip, inflated up to a limit and no further."""

from __future__ import annotations

import zlib

_GZIP = 16 + zlib.MAX_WBITS


class TooLarge(Exception):
    """More than the limit would come out."""


def inflated(body: bytes, limit: int) -> bytes:
    """Raises TooLarge, having inflated no more than `limit` bytes and one; ValueError for what is
    no gzip or ends within."""
    parts: list[bytes] = []
    room = limit
    while body:
        reader = zlib.decompressobj(_GZIP)
        try:
            part = reader.decompress(body, room + 1)
        except zlib.error as error:
            raise ValueError(str(error)) from None
        if len(part) > room:
            raise TooLarge
        if not reader.eof:
            raise ValueError("it ends within")
        parts.append(part)
        room -= len(part)
        body = reader.unused_data
    return b"".join(parts)
