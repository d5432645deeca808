"""Texts in a buffer are grouped as a dict of their bytes would."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomalyd.sources.otlp import texts as module
from anomalyd.sources.otlp.texts import LONGEST, rows_of_texts

_word = st.sampled_from([b"GET /cart/{id}", b"", b"\0", b"\0\0", b"12345678", b"x" * LONGEST])
_texts = st.lists(_word | st.binary(max_size=LONGEST + 9), max_size=30)


def grouped(texts: list[bytes]) -> tuple[list[int], list[bytes]]:
    length = np.array([len(text) for text in texts], np.intp)
    whole = b"".join(texts) + bytes(LONGEST + 8)
    rows, different = rows_of_texts(whole, np.cumsum(length) - length, length)
    return rows.tolist(), different


def by_dict(texts: list[bytes]) -> tuple[list[int], list[bytes]]:
    known: dict[bytes, int] = {}
    return [known.setdefault(text, len(known)) for text in texts], list(known)


@settings(deadline=None, max_examples=150)
@given(_texts)
def test_the_different_texts_and_which_is_which_are_those_of_a_dict(texts):
    assert grouped(texts) == by_dict(texts)


@pytest.mark.parametrize("bits", [0, 1, 63])
def test_texts_of_one_hash_are_told_apart_by_their_bytes(bits, monkeypatch):
    alike = np.uint64(2**64 - 2**bits)
    monkeypatch.setattr(module, "_hash", lambda length, words: np.full(len(length), alike))
    texts = [b"a", b"b", b"a", b"a\0", b"b", b"y" * (LONGEST + 1), b"y" * (LONGEST + 1), b""]
    assert grouped(texts) == by_dict(texts)
