"""Until when what was accepted holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalyd.runs.expiry import checked, expired, is_version

DAY = 1_801_353_600.0  # 2027-01-31T00:00:00Z


@pytest.mark.parametrize(
    ("until", "tested", "over"),
    [
        ("v2.4", "v2.3.9", False),
        ("v2.4", "v2.4", True),
        ("v2.4", "2.4.0", True),
        ("v2.4", "2.10", True),
        ("v2.4", "10.0", True),
        ("v2.4", "2.4.0-rc.1", False),
        ("2.4.0-rc.1", "2.4.0-rc.2", True),
        ("v2.4", "2.4.0+build.7", True),
        ("2.4.0+build.9", "2.4.0+build.7", True),
        ("v2.4", "", False),
        ("v2.4", "a1b2c3d", False),
        ("", "99.0", False),
    ],
)
def test_a_version_ends_it_once_it_or_a_later_one_is_tested(until, tested, over):
    assert expired(until, DAY, tested) is over


@pytest.mark.parametrize("until", ["2027-01-31", "2027-01-31T00:00:00Z", "2027-01-31T01:00+01:00"])
def test_a_date_ends_it_at_that_moment_whatever_is_tested(until):
    assert checked(until) == until
    assert not is_version(until)
    assert not expired(until, DAY - 1, "99.0")
    assert expired(until, DAY, "")


NEITHER = ["soon", "next week", "v2.x", "2027-13-01", "2027-01-31T00:00"]
MISTYPED = ["20270131", "31.01.2027", "2027-01", "9999999999999"]


@pytest.mark.parametrize("until", [*NEITHER, *MISTYPED])
def test_what_is_neither_is_refused_with_what_to_write(until):
    with pytest.raises(ValueError, match=r"write one like v2\.4"):
        checked(until)


def test_a_date_that_is_past_is_refused():
    assert checked("2027-01-31", DAY - 1) == "2027-01-31"
    with pytest.raises(ValueError, match="is past: write a date to come"):
        checked("2027-01-31", DAY)


NUMBERS = st.lists(st.integers(0, 99), min_size=1, max_size=4)


@given(NUMBERS, NUMBERS)
def test_versions_are_compared_as_numbers_not_as_text(end, tested):
    width = max(len(end), len(tested))
    later = [*tested, *[0] * (width - len(tested))] >= [*end, *[0] * (width - len(end))]
    assert expired(".".join(map(str, end)), DAY, ".".join(map(str, tested))) is later


@given(st.text(max_size=30))
def test_any_text_is_taken_or_refused_in_one_sentence(text):
    try:
        told = checked(text)
    except ValueError as error:
        told = ""
        sentence = str(error)
    else:
        sentence = ""
    assert "\n" not in sentence
    assert expired(told, DAY, text) in (True, False)
