"""The fast path over label bytes reads what parsing every message reads, whatever the body."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import example, given, settings
from hypothesis import strategies as st

from anomalyd.model import Labels
from anomalyd.signals.table import SeriesTable
from anomalyd.sources import decode as decoding
from anomalyd.sources.decode import (
    IGNORED,
    INVALID,
    OVER,
    BodyError,
    Columns,
    Identity,
    decode,
    decode_fully,
)
from anomalyd.sources.decode_2 import decode_2
from anomalyd.sources.metadata import Metadata
from anomalyd.sources.remote_write import inflated
from anomalyd.sources.slices import _cut_at_once, cut
from tests.fakes import native, sender
from tests.fakes.native import Native

NOW = 1_800_000_000_123
RECORDED = Path(__file__).with_name("bodies")


class Names:
    """Gives every series but the ignored a code, and remembers who they are."""

    def __init__(self) -> None:
        self.labels: list[Labels] = []

    def __call__(self, labels: Labels) -> int:
        if labels.get("job") == "ignored":
            return IGNORED
        self.labels.append(labels)
        return len(self.labels) - 1


def said(columns: Columns, names: Names) -> list[tuple[str, int, bytes]]:
    """Samples as (series, ms, bits), in order."""
    found = []
    for code, time, value in zip(columns.codes, columns.times, columns.values, strict=True):
        series = str(names.labels[code]) if code >= 0 else str(code)
        found.append((series, int(time), struct.pack("<d", value)))
    return sorted(found)


def beside(columns: Columns, names: Names) -> list[tuple[str, str]]:
    """Histograms and exemplars as (series, what there is), in order."""
    exemplars = [(code, repr(one)) for code, one in columns.exemplars]
    histograms = [(code, repr(one.SerializeToString())) for code, one in columns.histograms]
    metadata = [(-9, repr(one)) for one in columns.metadata]
    return sorted(
        (str(names.labels[code]) if code >= 0 else str(code), told)
        for code, told in exemplars + histograms + metadata
    )


def both(*bodies: bytes) -> None:
    """Fast and slow, each with one identity over all bodies, agree, refusals included."""
    fast, slow = Names(), Names()
    by_fast, by_slow = Identity(fast), Identity(slow)
    for body in bodies:
        try:
            wanted = decode_fully(body, by_slow)
        except DecodeError:
            with pytest.raises(DecodeError):
                decode(body, by_fast)
            continue
        found = decode(body, by_fast)
        assert said(found, fast) == said(wanted, slow)
        assert beside(found, fast) == beside(wanted, slow)


NAMES = st.sampled_from(["up", "requests_total", "é", ""])
JOBS = st.sampled_from(["a", "ignored", "", "b" * 200, "x\n\x10\u07ff\x12\x10\t"])
LABELS = st.fixed_dictionaries({"__name__": NAMES}, optional={"job": JOBS, "le": st.text()})
VALUES = st.one_of(
    st.floats(),
    st.sampled_from([0.0, -0.0, float("nan"), sender.STALE]),
    st.just(struct.unpack("<d", bytes([0, 0, 0, 0, 0, 0, 0x12, 0x07]))[0]),
)
TIMES = st.one_of(st.integers(NOW - 10**6, NOW), st.integers(-(2**63), 2**63 - 1), st.just(0))
SAMPLES = st.lists(st.tuples(VALUES, TIMES), max_size=3)
USUAL = st.builds(sender.series, LABELS, st.lists(st.tuples(VALUES, TIMES), min_size=1, max_size=1))
EXTRA = st.sampled_from(
    [
        b"",
        sender.exemplar({"trace_id": "abc"}, 0.5, NOW),
        sender.held(4, native.message(Native(positive={1: 2, 5: 1}, negative={0: 3}), NOW)),
        sender.held(4, native.message(Native(positive={-3: 0.5}, floats=True, hint=3), NOW)),
        sender.held(4, native.message(Native(native.CUSTOM, {0: 7}, bounds=(1.0, 2.0)), NOW)),
        sender.exemplar({"é": "x", "": ""}, float("nan"), 0) * 2,
        sender.held(9, b"unknown"),
        sender.varint(9 << 3) + b"\x05",
        sender.held(1, sender.held(1, b"late") + sender.held(2, b"label")),
        sender.held(1, sender.held(1, b"job") + sender.held(7, b"unknown")),
        sender.held(1, b"\x0a\x01\xff"),
    ]
)
SERIES = st.one_of(
    USUAL,
    st.builds(lambda one, extra: one + extra, USUAL, EXTRA),
    st.builds(lambda extra, one: extra + one, EXTRA, USUAL),
    st.builds(sender.series, LABELS, SAMPLES),
    st.binary(max_size=40),
)
BODIES = st.one_of(
    st.lists(USUAL, max_size=6).map(lambda many: sender.request(*many)),
    st.lists(SERIES, max_size=6).map(lambda many: sender.request(*many)),
    st.builds(lambda many, rest: sender.request(*many) + rest, st.lists(USUAL, max_size=3), EXTRA),
    st.builds(
        lambda many, *said: sender.request(*many) + sender.metadata(*said),
        st.lists(USUAL, max_size=3),
        st.text(max_size=5),
        st.integers(0, 9),
        st.text(max_size=300),
        st.sampled_from(["", "seconds"]),
    ),
    st.binary(max_size=60),
)


@settings(max_examples=120, deadline=None)
@given(st.lists(BODIES, min_size=1, max_size=3))
@example([sender.request(sender.series({"__name__": "up"}, [(0.0, NOW), (1.0, NOW)]))])
@example([sender.request(sender.series({"__name__": "up"}, [])) * 2])
def test_fast_and_slow_read_the_same(bodies):
    both(*bodies)


@settings(max_examples=80, deadline=None)
@given(st.lists(USUAL, min_size=2, max_size=4), st.data())
def test_fast_and_slow_read_the_same_of_a_damaged_body(many, data):
    body = bytearray(sender.request(*many))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(body) - 1))
        body[place] = data.draw(st.integers(0, 255))
    cut_off = data.draw(st.integers(0, len(body)))
    both(sender.request(*many), bytes(body), bytes(body[:cut_off]))


@pytest.mark.parametrize(
    ("name", "samples", "exemplars"),
    [("samples", 5, 0), ("exemplars", 51, 4), ("stale", 51, 0), ("metadata", 0, 0)],
)
def test_fast_and_slow_read_the_same_of_what_a_real_prometheus_sent(name, samples, exemplars):
    """Of a shop whose names are not ASCII, with exemplars, and then away; Prometheus 2.42."""
    body = inflated((RECORDED / f"{name}.snappy").read_bytes(), 2**20)
    both(body, body)
    assert len(cut(body).keys) == samples, "all of them go the fast path"
    found = decode(body, Identity(Names()))
    assert len(found.exemplars) == exemplars
    assert bool(found.metadata) == (name == "metadata")
    is_stale = found.values.view(np.uint64) == 0x7FF0000000000002
    assert bool(is_stale.any()) == (name == "stale")


def test_usual_series_are_cut_at_once():
    many = [sender.series({"__name__": "up", "n": "x" * n}, [(n % 2, NOW)]) for n in range(300)]
    body = sender.request(*many)
    found = _cut_at_once(body)
    assert found is not None
    assert len(found.keys) == 300
    assert found.values.tolist() == [n % 2 for n in range(300)]
    assert set(found.times.tolist()) == {NOW}
    assert found.odd == []


def test_one_odd_series_leaves_the_others_on_the_fast_path():
    usual = [sender.series({"__name__": "up", "n": str(n)}, [(1.5, NOW)]) for n in range(9)]
    odd = sender.series({"__name__": "up"}, [(1.0, NOW)]) + sender.held(3, sender.double(2, 0.5))
    found = cut(sender.request(*usual[:4], odd, *usual[4:]))
    assert (len(found.keys), found.odd) == (9, [odd])


def test_labels_are_parsed_once(monkeypatch):
    body = sender.request(
        sender.series({"__name__": "up", "job": "a"}, [(1.0, NOW)]),
        sender.series({"__name__": "up", "job": "ignored"}, [(1.0, NOW)]),
    )
    identity = Identity(Names())
    decode(body, identity)
    monkeypatch.setattr(decoding, "_pairs", None)
    assert sorted(decode(body, identity).codes.tolist()) == [IGNORED, 0]


def test_a_series_without_a_name_or_with_a_label_twice_is_invalid():
    twice = sender.label("__name__", "up") + sender.label("a", "1") + sender.label("a", "2")
    body = sender.request(
        sender.series({"job": "a"}, [(1.0, NOW)]), twice + sender.sample(1.0, NOW)
    )
    for decoder in (decode, decode_fully):
        assert decoder(body, Identity(Names())).codes.tolist() == [INVALID, INVALID]


def test_both_protocols_read_the_same_samples():
    many = [
        ({"__name__": "up", "job": job, "le": "é"}, [(1.5, NOW), (0.0, NOW + 1)])
        for job in ("a", "b", "ignored")
    ]
    one, two = Names(), Names()
    identity = Identity(two)
    for _ in range(2):
        found = decode_2(sender.request_2(*many), identity)
    wanted = decode(sender.request(*(sender.series(*each) for each in many)), Identity(one))
    assert said(found, two) == said(wanted, one)
    assert len(two.labels) == 2


def test_both_protocols_read_the_same_histograms_and_exemplars():
    labels, made = (
        {"__name__": "work_seconds", "job": "a"},
        Native(positive={1: 2}, negative={3: 1}),
    )
    words = ["", "__name__", "work_seconds", "job", "a", "trace_id", "ff"]
    two = Names()
    body = sender.symbols(words) + sender.held(
        5, native.series_2([1, 2, 3, 4], [(made, NOW)]) + sender.exemplar_2([5, 6], 0.5, NOW)
    )
    found = decode_2(body, Identity(two))
    one = Names()
    series = native.series(labels, [(made, NOW)]) + sender.exemplar({"trace_id": "ff"}, 0.5, NOW)
    wanted = decode(sender.request(series), Identity(one))
    assert beside(found, two) == beside(wanted, one)
    assert len(beside(found, two)) == 2
    assert [(dict(each.labels), each.value) for _, each in found.exemplars] == [
        ({"trace_id": "ff"}, 0.5)
    ]


@pytest.mark.parametrize(
    ("symbols", "references", "reason"),
    [
        (["", "a", "b"], [1, 3], "refers to a symbol that is not there"),
        (["", "a", "b"], [1, 2, 1], "a name and no value"),
        (["a", "b"], [0, 1], "the first symbol is not the empty one"),
        ([b"", b"a", b"\xc3"], [1, 2], "not UTF-8"),
        ([b"", b"a", b"x\xffy"], [1, 2], "not UTF-8"),
    ],
)
def test_symbols_that_are_wrong_are_named(symbols, references, reason):
    body = sender.symbols(symbols) + sender.held(5, sender.references(references))
    with pytest.raises(BodyError, match=reason):
        decode_2(body, Identity(Names()))


def test_a_series_of_2_0_is_described_once_and_again_when_it_was_forgotten():
    table = sender.symbols(["", "__name__", "up", "seconds", "how long"])
    one = sender.references([1, 2]) + sender.sample(1.0, NOW)
    body = table + sender.held(5, one + sender.metadata_2(2, told=4, unit=3))
    identity = Identity(Names())
    assert decode_2(body, identity).metadata == [(0, Metadata("gauge", "seconds", "how long"))]
    assert decode_2(body, identity).metadata == []
    identity.forget([0])
    assert len(decode_2(body, identity).metadata) == 1
    beyond = table + sender.held(5, one + sender.metadata_2(2, told=9))
    with pytest.raises(BodyError, match="not there"):
        decode_2(beyond, Identity(Names()))


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=80))
def test_a_damaged_body_of_2_0_is_refused_or_read_but_never_more(damage):
    whole = sender.request_2(({"__name__": "up"}, [(1.0, NOW)]))
    for body in (damage, whole + damage, whole[: len(damage)]):
        try:
            decode_2(body, Identity(Names()))
        except (DecodeError, BodyError):
            continue


def test_what_is_ignored_is_forgotten_when_it_does_not_come():
    names, asked = Names(), []

    def decide(labels: Labels) -> int:
        asked.append(labels.get("n"))
        return IGNORED

    identity = Identity(decide, limit=3)
    assert names.labels == []
    for n in [0, 1, 2, 3, 0, 4, 5, 6, 0, 7]:
        decode(
            sender.request(sender.series({"__name__": "up", "n": str(n)}, [(1.0, NOW)])), identity
        )
    assert asked.count("0") == 1
    assert identity.ignored <= 6
    decode(sender.request(sender.series({"__name__": "up", "n": "1"}, [(1.0, NOW)])), identity)
    assert asked.count("1") == 2


def test_a_series_that_was_forgotten_is_decided_anew():
    names = Names()
    identity = Identity(names)
    body = sender.request(sender.series({"__name__": "up"}, [(1.0, NOW)]))
    assert decode(body, identity).codes.tolist() == [0]
    identity.forget([0])
    assert decode(body, identity).codes.tolist() == [1]
    assert np.array_equal(decode(body, identity).codes, [1])


def test_a_series_that_there_was_no_room_for_is_taken_once_there_is():
    """A rollout at the limit: pods of other names come, and those of before are forgotten."""
    table, asked = SeriesTable(limit=20), []

    def decide(labels: Labels) -> int:
        asked.append(labels)
        row = table.row(str(labels).encode(), lambda _: labels)
        return row if row >= 0 else OVER

    def body(pod: str, at: int) -> bytes:
        names = ({"__name__": "up", "n": f"{n:02}", "pod": pod} for n in range(20))
        return sender.request(*(sender.series(one, [(1.0, NOW + at)]) for one in names))

    identity = Identity(decide)
    assert (decode(body("old", 0), identity).codes >= 0).all()
    for at in range(1, 5):
        assert decode(body("new", at), identity).codes.tolist() == [OVER] * 20
    assert len(asked) == 40, "while there is no room nobody asks again"
    table.forget(np.arange(20))
    identity.forget(range(20))
    for at in range(5, 8):
        assert sorted(decode(body("new", at), identity).codes) == list(range(20))
    assert len(asked) == 60
