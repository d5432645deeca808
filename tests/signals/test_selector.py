from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalyd.model import Matcher, Selector
from anomalyd.signals.selector import parse_matchers, parse_selector

names = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,8}", fullmatch=True)
literal = st.builds(Matcher, names, st.sampled_from(["=", "!="]), st.text(max_size=12))
pattern = st.builds(
    Matcher, names, st.sampled_from(["=~", "!~"]), st.sampled_from(["5..", "a|b", r"\d+"])
)
selectors = st.builds(Selector, names, st.lists(literal | pattern, max_size=4).map(tuple))


@given(selectors)
def test_a_selector_reads_back_as_it_was_written(selector):
    assert parse_selector(str(selector)) == selector


@pytest.mark.parametrize(
    ("text", "matchers"),
    [
        ("up", ()),
        ("up{}", ()),
        (' up { a = "b" , } ', (Matcher("a", "=", "b"),)),
        ('up{a="b",c=~"5.."}', (Matcher("a", "=", "b"), Matcher("c", "=~", "5.."))),
        ('up{a="}\\"\\n"}', (Matcher("a", "=", '}"\n'),)),
    ],
)
def test_a_selector_as_people_write_it(text, matchers):
    assert parse_selector(text) == Selector("up", matchers)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("5xx", "'5xx' is not a selector like http_requests_total"),
        ("up{", "'up{' is not a selector"),
        ("rate(up[5m])", "is not a selector"),
        ("up{a=b}", "'a=b' is not a matcher like env=\"staging\""),
        ('up{a="b" c="d"}', "is not a matcher"),
        ('up{a=~"("}', "broken regular expression"),
    ],
)
def test_what_is_no_selector_is_named(text, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_selector(text)


def test_matchers_alone():
    assert parse_matchers('env="staging",tenant!="b"') == (
        Matcher("env", "=", "staging"),
        Matcher("tenant", "!=", "b"),
    )
    assert parse_matchers("") == ()
