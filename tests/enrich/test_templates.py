"""Lines grouped by their shape."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalyd.enrich.loki import Lines
from anomalyd.enrich.templates import masked, plain, telling


@pytest.mark.parametrize(
    ("line", "shape"),
    [
        ("served in 240ms", "served in <*>ms"),
        ("load is -1.5", "load is <*>"),
        ("disk 91% full", "disk <*>% full"),
        ("to 10.0.0.1:5432 refused", "to <*> refused"),
        ("2027-01-31T10:00:00.123Z started", "<*> started"),
        ("order 7f3b2c1d-0a1b-4c2d-8e9f-001122334455 lost", "order <*> lost"),
        ("trace 4bf92f3577b34da6a3ce929d0e0e4736 ended", "trace <*> ended"),
        ("at 0xdeadbeef", "at <*>"),
        ("the deadbeefs are faced", "the deadbeefs are faced"),
        ("v2 of http2", "v2 of http2"),
    ],
)
def test_what_differs_by_its_form_is_left_open(line, shape):
    assert masked(line) == shape


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"level":"error","msg":"boom","ts":1}', "error boom"),
        ('{"severity":"WARN","message":"slow","err":"timeout"}', "WARN slow timeout"),
        ('{"msg":{"a":1}}', '{"a": 1}'),
        ('{"other":1}', '{"other":1}'),
        ("{not json", "{not json"),
        ("[1]", "[1]"),
        ('level=error msg="boom"', 'level=error msg="boom"'),
    ],
)
def test_of_json_the_message_counts(line, said):
    assert plain(line) == said


def shapes(during: list[str], before: list[str], seconds: float = 60.0) -> list[str]:
    found = telling("cart", Lines(during, seconds), Lines(before, 60.0), 10)
    return [one.template for one in found]


def test_a_single_new_line_counts_where_it_says_that_something_broke():
    usual = ["INFO served request"] * 20
    assert shapes([*usual, "PANIC index out of range"], usual) == ["PANIC index out of range"]
    assert shapes([*usual, "INFO cache was warmed"], usual) == []


def test_a_shape_that_came_before_must_come_more_often():
    errors = ["ERROR of the usual kind"]
    assert shapes(errors * 10, errors * 10) == []
    assert shapes(errors * 15, errors * 10) == []
    assert shapes(errors * 30, errors * 10) == ["ERROR of the usual kind"]
    assert shapes(errors * 30, errors * 10, seconds=180.0) == []


def test_what_broke_comes_first_then_what_is_least_expected():
    during = ["INFO retry now"] * 50 + ["INFO reload done please"] * 30 + ["ERROR it broke"] * 5
    assert shapes(during, []) == ["ERROR it broke", "INFO retry now", "INFO reload done please"]
    most = telling("cart", Lines(during, 60.0), Lines([], 60.0), 2)
    assert len(most) == 2


def test_nothing_comes_of_nothing():
    assert shapes([], []) == shapes([], ["INFO a b c"]) == []


@given(st.lists(st.text(max_size=60), max_size=30), st.lists(st.text(max_size=60), max_size=30))
def test_any_text_at_all_is_grouped_and_counted_once(during, before):
    found = telling("cart", Lines(during, 60.0), Lines(before, 60.0), 50)
    assert sum(one.count for one in found) <= len(during)
    assert all(one.count > 0 and one.example in during for one in found)


@given(st.text(max_size=200))
def test_masking_leaves_words_alone(line):
    words = re.findall(r"[g-zG-Z]{4,}", line, re.ASCII)
    shown = masked(line)
    assert all(word in shown for word in words)
