"""Attributes in JSON that are found all at once are those that are found one by one."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw

from anomalyd.sources.otlp.attributes import SLOTS
from anomalyd.sources.otlp.columns import UNREADABLE
from anomalyd.sources.otlp.json_attributes import facts_of

_keys = st.sampled_from([*SLOTS, "url.path", "http.rout", "http.routes", "", "key", '"', "é\\{"])
_texts = st.sampled_from(["GET", "/cart/{id}", '{"key":"http.route"', "}},", "[", "\\", "", "]"])
_scalars = st.one_of(
    _texts.map(lambda text: {"stringValue": text}),
    st.sampled_from([{"intValue": "7"}, {"boolValue": True}, {"doubleValue": 0.5}, {}]),
)
_pairs = st.builds(lambda key, value: {"key": key, "value": value}, _keys, _scalars)
_values = st.one_of(
    _scalars,
    st.lists(_pairs, max_size=2).map(lambda pairs: {"kvlistValue": {"values": pairs}}),
    st.lists(_scalars, max_size=2).map(lambda values: {"arrayValue": {"values": values}}),
)
_attributes = st.lists(
    st.one_of(
        st.builds(lambda key, value: {"key": key, "value": value}, _keys, _values),
        st.builds(lambda key, value: {"value": value, "key": key}, _keys, _values),
        st.just({"key": "http.route"}),
    ),
    max_size=4,
)
_blanks = st.sampled_from([(",", ":"), (", ", ": ")])


def slowly(found: list[dict]) -> list[tuple[int, str]]:
    """(slot, text) of each attribute that says something."""
    said = [(one["key"], scalar(one.get("value", {}))) for one in found]
    return [(SLOTS[key], text) for key, text in said if key in SLOTS and text]


def scalar(value: dict) -> str:
    for kind, write in (("stringValue", str), ("intValue", str), ("doubleValue", repr)):
        if kind in value:
            return write(value[kind])
    return "true" if value.get("boolValue") else ""


def of_each(raw: list[bytes]) -> tuple[list[list[tuple[int, str]]], list[int]]:
    fault = np.zeros(len(raw), dtype=np.uint8)
    facts = facts_of(list(map(Raw, raw)), fault)
    found: list[list[tuple[int, str]]] = [[] for _ in raw]
    for span, which in zip(facts.spans.tolist(), facts.which.tolist(), strict=True):
        if facts.said[which] is not None:
            found[span].append(facts.said[which])
    return found, fault.tolist()


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(_attributes, _blanks), max_size=5), st.booleans())
def test_every_attribute_that_is_asked_for_is_found_and_no_other(given_lists, ascii_only):
    raw = [
        json.dumps(found, separators=blanks, ensure_ascii=ascii_only).encode()
        for found, blanks in given_lists
    ]
    found, fault = of_each(raw)
    assert found == [slowly(one) for one, _ in given_lists]
    assert not any(fault)


def test_a_thousand_spans_and_more_each_keep_their_own():
    raw = [b'[{"key":"http.route","value":{"stringValue":"/%d"}}]' % (n // 2) for n in range(2500)]
    found, _ = of_each(raw)
    assert found == [[(SLOTS["http.route"], f"/{n // 2}")] for n in range(2500)]


@pytest.mark.parametrize("raw", [b"{}", b'"a"', b"7"])
def test_what_is_no_list_is_its_spans_fault(raw):
    _, fault = of_each([b"[]", raw, b"null"])
    assert fault == [0, UNREADABLE, 0]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(b'{"more":1,"key":"b","value":{}}', id="a field that is not known first"),
        pytest.param(b'{ "key":"b","value":{}}', id="a blank"),
    ],
)
def test_an_attribute_that_begins_otherwise_than_those_beside_it_hides_none(other):
    good = b'{"key":"http.route","value":{"stringValue":"/a"}}'
    found, fault = of_each(
        [
            b"[" + good + b"," + other + b"]",
            b'[{"key":"a","value":{}},'
            + other.replace(b'"b"', b'"rpc.method"')[:-3]
            + b'{"intValue":7}}]',
            b"[]",
        ]
    )
    assert found == [[(SLOTS["http.route"], "/a")], [(SLOTS["rpc.method"], "7")], []]
    assert not any(fault)


def test_an_attribute_that_is_no_pair_says_nothing_and_the_others_do():
    good = b'{"key":"http.route","value":{"stringValue":"/a"}}'
    found, fault = of_each([b"[7," + good + b"]", b'[{"key":8},' + good + b"]"])
    assert found == [[(SLOTS["http.route"], "/a")]] * 2
    assert fault == [0, 0]
