"""Series that come in the order of before are told by it, and are those that a lookup gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomalyd.model import Labels
from anomalyd.sources import sequence
from anomalyd.sources.decode import IGNORED, Identity, decode
from anomalyd.sources.sequence import SHORT, Sequences
from tests.fakes import sender

NOW = 1_800_000_000_123
KINDS = ("kept", "ignored", "nameless")


class Decided:
    """Codes that go up, by name; what is ignored has none."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __call__(self, labels: Labels) -> int:
        if labels.get("kind") == "ignored":
            return IGNORED
        self.names.append(str(labels))
        return len(self.names) - 1


def labels(number: int) -> dict[str, str]:
    """Every fifth is ignored, every eleventh no series; names of many lengths."""
    kind = KINDS[2 if number % 11 == 7 else number % 5 == 3]
    named = {} if kind == "nameless" else {"__name__": "requests_total"}
    return {**named, "kind": kind, "number": f"{number}" * (1 + number % 40)}


def body(numbers: list[int], zeros: int = 0, time: int = NOW) -> bytes:
    """One sample of each series; the value of each `zeros`th is 0."""
    return sender.request(
        *(
            sender.series(labels(n), [(0.0 if zeros and n % zeros == 0 else n + 0.5, time)])
            for n in numbers
        )
    )


def names(identity: Identity, decided: Decided, one: bytes) -> list[str | int]:
    codes = decode(one, identity).codes.tolist()
    return [decided.names[code] if code >= 0 else code for code in codes]


def cut_up(parts: list[tuple[int, int]]) -> list[int]:
    return [number for first, many in parts for number in range(first, first + many)]


PARTS = st.lists(st.tuples(st.integers(0, 90), st.integers(1, 40)), min_size=1, max_size=3)


@settings(deadline=None, max_examples=25)
@given(
    st.lists(
        st.tuples(PARTS, st.integers(0, 4), st.lists(st.integers(0, 40), max_size=5)),
        min_size=2,
        max_size=6,
    )
)
def test_series_are_those_that_a_lookup_gives_whatever_came_before_and_was_forgotten(bodies):
    ours, theirs = Decided(), Decided()
    by_order, looked_up = Identity(ours), Identity(theirs)
    for parts, zeros, gone in bodies:
        numbers = cut_up(parts)
        found = decode(body(numbers, zeros), by_order).codes.tolist()
        alone = [decode(body([n], zeros), looked_up).codes.tolist() for n in numbers]
        assert [[code] for code in found] == alone
        assert ours.names == theirs.names
        there = [code for code in gone if code < len(ours.names)]
        by_order.forget(there)
        looked_up.forget(there)


def test_a_body_in_the_order_of_before_is_looked_up_once(monkeypatch):
    decided, one_by_one = Decided(), []
    identity = Identity(decided)
    monkeypatch.setattr(
        Identity, "_look_up", lambda self, keys: one_by_one.extend(keys) or look_up(self, keys)
    )
    before = names(identity, decided, body(list(range(300))))
    assert len(one_by_one) > 250
    one_by_one.clear()
    later = body(list(range(100, 300)) + list(range(100)), time=NOW + 15_000)
    assert names(identity, decided, later) == before[100:] + before[:100]
    assert one_by_one == []


look_up = Identity._look_up


@pytest.mark.parametrize("most", [0, 10_000])
def test_no_more_is_kept_than_may_be_and_all_is_found_all_the_same(most, monkeypatch):
    monkeypatch.setattr(sequence, "MOST_BYTES", most)
    decided = Decided()
    identity = Identity(decided)
    identity._sequences = Sequences(-3, most)
    for _ in range(3):
        for first in range(0, 300, 100):
            numbers = list(range(first, first + 100))
            assert names(identity, decided, body(numbers)) == [
                one for n in numbers for one in names(identity, decided, body([n]))
            ]
    assert identity._sequences.bytes <= most


def test_what_no_series_is_found_by_is_let_go():
    decided = Decided()
    identity = Identity(decided)
    numbers = np.arange(20 * SHORT)
    order = np.random.default_rng(1)
    for _ in range(8):
        decode(body(order.permutation(numbers).tolist()), identity)
    assert identity._sequences.bytes < 2 * len(body(numbers.tolist()))
    identity.forget(range(len(decided.names)))
    assert identity._sequences.bytes == 0
