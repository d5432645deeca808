"""Which of many texts in a buffer are the same, without an object for each of them."""

from __future__ import annotations

from typing import Protocol

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
_OF_LENGTH: Words = np.array([2 ** (8 * n) - 1 for n in range(9)], dtype=np.uint64)
"""The bytes of a word that belong to a text of which so many are left."""


class Buffer(Protocol):
    def words(self, places: Rows) -> Words:
        """Eight bytes at each of `places`, which may lie `LONGEST` bytes behind a text's begin."""
        ...

    def texts(self, begin: Rows, length: Rows) -> list[bytes]: ...


def rows_of_texts(buffer: Buffer, begin: Rows, length: Rows) -> tuple[Rows, list[bytes]]:
    """intp[n] into the different texts, and these, in order of arrival.

    A hash tells which text each may be the same as; whether it is, all of their bytes do.
    """
    first = _first_alike(buffer, begin, length)
    firsts = np.flatnonzero(first == np.arange(len(first)))
    number = np.empty(len(first), dtype=np.intp)
    number[firsts] = np.arange(len(firsts))
    return number[first], buffer.texts(begin[firsts], length[firsts])


def _first_alike(buffer: Buffer, begin: Rows, length: Rows) -> Rows:
    """intp[n]: the first text that is the same."""
    n = len(begin)
    words = _words(buffer, begin, length)
    slots = (_hash(length, words) >> _SHIFT).astype(np.intp)
    table = np.empty(1 << _SLOTS_BITS, dtype=np.intp)
    # Of equal slots the last assignment stays: backwards, so that the first text does.
    table[slots[::-1]] = np.arange(n - 1, -1, -1)
    first = table[slots]
    same = (length == length[first]) & (length <= LONGEST)
    for word in words:
        same &= word == word[first]
    others = np.flatnonzero(~same)
    if len(others):
        known: dict[bytes, int] = {}
        texts = buffer.texts(begin[others], length[others])
        first[others] = [
            known.setdefault(text, i) for text, i in zip(texts, others.tolist(), strict=True)
        ]
    return np.asarray(first)


def _words(buffer: Buffer, begin: Rows, length: Rows) -> list[Words]:
    """uint64[n] for each eight bytes of the longest of those that are compared here, 0 beyond a
    text's end."""
    compared = length[length <= LONGEST]
    many = -(-int(compared.max(initial=0)) // 8)
    return [
        buffer.words(begin + 8 * nth) & _OF_LENGTH[np.clip(length - 8 * nth, 0, 8)]
        for nth in range(many)
    ]


def _hash(length: Rows, words: list[Words]) -> Words:
    mixed = length.astype(np.uint64)
    for word in words:
        mixed ^= word
        mixed *= _MIX
        mixed ^= mixed >> _HALF
    return mixed * _MIX
