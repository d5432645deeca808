"""Which of many texts among bytes are the same, without an object for each of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anomalyd.model import Rows

Words = NDArray[np.uint64]

LONGEST = 64
"""Bytes of a text that is compared here; longer ones are compared as objects."""

_MIX, _HALF = np.uint64(0x9E3779B97F4A7C15), np.uint64(32)
"""Multiplicative hashing (golden ratio)."""
_SLOTS_BITS = 14
_SHIFT = np.uint64(64 - _SLOTS_BITS)
_OF_LENGTH: Words = np.frombuffer(
    b"".join(bytes([255] * n + [0] * (LONGEST - n)) for n in range(LONGEST + 1)), "<u8"
).reshape(LONGEST + 1, LONGEST // 8)
"""The bits of words that belong to a text of so many bytes."""


def words_at(whole: bytes, places: Rows, many: int) -> Words:
    """uint64[n, many]: so many eight bytes from each of `places` on, the first one lowest."""
    size = 8 * many
    every = np.ndarray((len(whole) - size,), f"V{size}", whole, strides=(1,))
    return every[places].view("<u8").reshape(len(places), many)


def rows_of_texts(whole: bytes, begin: Rows, length: Rows) -> tuple[Rows, list[bytes]]:
    """intp[n] into the different texts, and these, in order of arrival.

    begin: none in the last `LONGEST` bytes of `whole`. A hash tells which text each may be the same
    as; whether it is, all of their bytes do.
    """
    first = _first_alike(whole, begin, length)
    firsts = np.flatnonzero(first == np.arange(len(first)))
    number = np.empty(len(first), dtype=np.intp)
    number[firsts] = np.arange(len(firsts))
    return number[first], _texts(whole, begin[firsts], length[firsts])


def _first_alike(whole: bytes, begin: Rows, length: Rows) -> Rows:
    """intp[n]: the first text that is the same."""
    n = len(begin)
    longest = int(length.max(initial=0))
    many = -(-min(longest, LONGEST) // 8)
    words = words_at(whole, begin, many)
    words &= _OF_LENGTH[:, :many].take(length, axis=0, mode="clip")
    slots = (_hash(length, words) >> _SHIFT).view(np.int64)
    table = np.empty(1 << _SLOTS_BITS, dtype=np.intp)
    # Of equal slots the last assignment stays: backwards, so that the first text does.
    table[slots[::-1]] = np.arange(n - 1, -1, -1)
    first = table.take(slots)
    same = length == length.take(first)
    if longest > LONGEST:
        same &= length <= LONGEST
    alike = words.take(first, axis=0)
    for nth in range(many):
        same &= words[:, nth] == alike[:, nth]
    others = np.flatnonzero(~same)
    if len(others):
        known: dict[bytes, int] = {}
        texts = _texts(whole, begin[others], length[others])
        first[others] = [
            known.setdefault(text, i) for text, i in zip(texts, others.tolist(), strict=True)
        ]
    return first


def _texts(whole: bytes, begin: Rows, length: Rows) -> list[bytes]:
    return [whole[a:b] for a, b in zip(begin.tolist(), (begin + length).tolist(), strict=True)]


def _hash(length: Rows, words: Words) -> Words:
    mixed = length.astype(np.uint64)
    for nth in range(words.shape[1]):
        mixed ^= words[:, nth]
        mixed *= _MIX
        mixed ^= mixed >> _HALF
    return mixed * _MIX
