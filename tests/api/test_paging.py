"""One page of many keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalyd.api.paging import select

KEYS = ["a{}", "b{}", "ab{}", "c{}", "bb{}"]


@pytest.mark.parametrize(
    ("match", "offset", "limit", "page"),
    [
        ("", 0, 2, ([0, 1], 5)),
        ("", 4, 2, ([4], 5)),
        ("", 5, 2, ([], 5)),
        ("b", 0, 2, ([1, 2], 3)),
        ("b", 2, 2, ([4], 3)),
        ("b", 0, 0, ([], 3)),
        ("z", 0, 2, ([], 0)),
    ],
)
def test_a_page_is_in_the_order_of_the_keys(match, offset, limit, page):
    assert select(KEYS, match, offset, limit) == page


@given(st.lists(st.text("ab", max_size=3)), st.text("ab", max_size=2), st.integers(1, 4))
def test_pages_put_together_are_all_that_match(keys, match, limit):
    everything = [index for index, key in enumerate(keys) if match in key]
    pages = []
    for offset in range(0, len(everything) + 1, limit):
        page, total = select(keys, match, offset, limit)
        assert total == len(everything)
        pages += page
    assert pages == everything
