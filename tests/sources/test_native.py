"""Native histograms as flat arrays: what a plain reading of each message gives."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomalyd.signals.native.samples import Histograms, index_of
from anomalyd.sources.native import read
from anomalyd.sources.wire import WRITE_1, WRITE_2
from tests.fakes import native
from tests.fakes.native import CUSTOM, Native

Message = WRITE_1["Histogram"]
INDEX = st.integers(-300_000, 300_000)
COUNTS = st.integers(0, 2**40)
SIDES = st.dictionaries(INDEX, COUNTS, max_size=6)
WHOLE = st.builds(
    Native,
    schema=st.integers(-4, 8),
    positive=SIDES,
    negative=SIDES,
    zero=COUNTS,
    sum=st.floats(allow_nan=False),
)
FLOATS = st.builds(
    Native,
    schema=st.integers(-4, 8),
    positive=st.dictionaries(INDEX, st.floats(0, 1e9), max_size=6),
    zero=st.floats(0, 1e9),
    floats=st.just(True),
)
OWN = st.builds(
    Native,
    schema=st.just(CUSTOM),
    positive=st.dictionaries(st.integers(0, 3), COUNTS, max_size=4),
    threshold=st.just(0.0),
    bounds=st.just((0.1, 0.5, 2.5)),
)


KINDS = ["span", "delta", "schema", "count", "zero", "bounds"]


def parsed(one: Native, time: int = 7):
    return Message.FromString(native.message(one, time))


def buckets(found: Histograms, nth: int) -> dict[tuple[bool, int], float]:
    cells = slice(found.starts[nth], found.starts[nth + 1])
    codes = found.codes[cells]
    assert (np.diff(codes) > 0).all()
    keys = zip((codes > 0).tolist(), index_of(codes).tolist(), strict=True)
    return dict(zip(keys, found.buckets[cells].tolist(), strict=True))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(WHOLE, FLOATS, OWN), min_size=1, max_size=5))
def test_all_are_read_at_once_as_each_is_by_itself(many):
    found, sound = read([(row, parsed(one, 100 + row)) for row, one in enumerate(many)])
    assert sound.all()
    assert found.rows.tolist() == list(range(len(many)))
    assert found.times.tolist() == [100 + row for row in range(len(many))]
    for nth, one in enumerate(many):
        assert found.counts[nth] == one.total
        assert (found.zeros[nth], found.schemas[nth]) == (one.zero, one.schema)
        assert found.bounds[nth] == (tuple(one.bounds) if one.schema == CUSTOM else None)
        sides = ((True, one.positive), (False, one.negative))
        assert buckets(found, nth) == {
            (positive, index): count
            for positive, side in sides
            for index, count in side.items()
            if count
        }


@settings(max_examples=100, deadline=None)
@given(st.lists(WHOLE, min_size=1, max_size=4), st.data())
def test_a_damaged_message_is_read_or_left_out_and_spoils_no_other(many, data):
    messages = [parsed(one) for one in many]
    for message in messages[1:]:
        for _ in range(data.draw(st.integers(0, 3))):
            spans = data.draw(st.sampled_from([message.positive_spans, message.negative_spans]))
            what = data.draw(st.sampled_from(KINDS))
            if what == "span":
                spans.add(
                    offset=data.draw(st.integers(-(2**31), 2**31 - 1)),
                    length=data.draw(st.integers(0, 2**32 - 1)),
                )
            elif what == "delta":
                message.positive_deltas.append(data.draw(st.integers(-(2**63), 2**63 - 1)))
            elif what == "schema":
                message.schema = data.draw(st.integers(-(2**31), 2**31 - 1))
            elif what == "count":
                message.count_int = data.draw(st.integers(0, 2**64 - 1))
            elif what == "zero":
                message.zero_threshold = data.draw(st.floats())
            else:
                message.schema = CUSTOM
                message.custom_values.append(data.draw(st.floats()))
    found, sound = read(list(enumerate(messages)))
    assert sound[0]
    assert len(found) == np.count_nonzero(sound)
    assert buckets(found, 0) == buckets(read([(0, messages[0])])[0], 0)


@pytest.mark.parametrize(("schema", "index"), [(8, 2**19), (0, -(2**31)), (-4, 2**30)])
def test_a_bucket_that_no_number_falls_into_is_none(schema, index):
    usual = Native(positive={0: 1})
    many = [parsed(usual), parsed(Native(schema=schema, positive={index: 1})), parsed(usual)]
    found, sound = read(list(enumerate(many)))
    assert sound.tolist() == [True, False, True]
    assert buckets(found, 1) == {(True, 0): 1}


def test_both_versions_write_them_alike():
    one = Native(positive={1: 3, 4: 5}, negative={2: 1}, zero=4)
    plain = native.message(one, 7)
    both = [read([(0, kind["Histogram"].FromString(plain))])[0] for kind in (WRITE_1, WRITE_2)]
    assert buckets(both[0], 0) == buckets(both[1], 0) == {(1, 1): 3, (1, 4): 5, (0, 2): 1}


@pytest.mark.parametrize("schema", [9, 20, 52])
def test_a_resolution_that_is_finer_than_any_is_read_as_the_finest(schema):
    indexes = range(1, 2000, 7)
    one = Native(schema=schema, positive=dict.fromkeys(indexes, 1))
    found, sound = read([(0, parsed(one))])
    assert sound.all()
    merged = Counter(-(-index // 2 ** (schema - 8)) for index in indexes)
    assert found.schemas.tolist() == [8]
    assert buckets(found, 0) == {(True, index): count for index, count in merged.items()}
