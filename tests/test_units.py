"""Durations, percentages and times are read as people write them, and written as they read them."""

from __future__ import annotations

import math
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalyd import units
from anomalyd.model import Change

SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
NUMBERS = st.decimals(0, 10_000, places=2, allow_nan=False).map(str)
PARTS = st.lists(st.tuples(NUMBERS, st.sampled_from(sorted(SECONDS))), min_size=1, max_size=5)


@given(PARTS, st.sampled_from(["", " "]))
def test_a_duration_is_the_sum_of_its_parts(parts: list[tuple[str, str]], between: str) -> None:
    text = between.join(number + unit for number, unit in parts)
    expected = math.fsum(float(number) * SECONDS[unit] for number, unit in parts)
    assert units.parse_duration(text) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5s", 5),
        ("500ms", 0.5),
        ("1h30m", 5400),
        ("7d", 604800),
        ("1.5h", 5400),
        ("2w 1d", 1296000),
    ],
)
def test_a_duration_in_seconds(text: str, seconds: float) -> None:
    assert units.parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", " ", "5", "s", "-5s", "+5s", "5 s", "5S", "5sec", "1e3s", ".5s", "5.s", "5m!", "5s,5s",
     "inf", "nan", "1y", 5, 5.0, 0, True, None, [], ["5s"], {"s": 5}, b"5s"],
)  # fmt: skip
def test_what_has_no_unit_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="is not a duration; write a number with its unit") as said:
        units.parse_duration(text)
    assert str(said.value).startswith(repr(text))


@given(st.text(max_size=12))
def test_any_text_is_a_duration_or_refused(text: str) -> None:
    try:
        seconds = units.parse_duration(text)
    except ValueError:
        return
    assert seconds >= 0
    assert any(unit in text for unit in SECONDS)


@given(st.floats(0.001, 1e7))
def test_a_duration_that_was_written_can_be_read(seconds: float) -> None:
    read = units.parse_duration(units.format_duration(seconds))
    if seconds < 59.9:
        assert read == pytest.approx(seconds, rel=0.006)
    else:
        second_unit = 3600 if seconds >= 86400 else 60 if seconds >= 3600 else 1
        assert seconds - second_unit - 0.5 <= read <= seconds + 0.5


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.25, "0.25s"), (9.96, "9.96s"), (59, "59s"), (60, "1m"), (90, "1m30s"),
     (3600, "1h"), (3661, "1h1m"), (86400, "1d"), (90061, "1d1h")],
)  # fmt: skip
def test_a_duration_as_people_say_it(seconds: float, text: str) -> None:
    assert units.format_duration(seconds) == text


@given(NUMBERS, st.sampled_from(["", " "]))
def test_a_percentage_is_relative_and_a_percentage_point_absolute(number: str, gap: str) -> None:
    share = float(number) / 100
    assert units.parse_change(f"{number}{gap}%") == Change(relative=share)
    assert units.parse_change(f" {number}{gap}pp ") == Change(absolute=share)


@pytest.mark.parametrize(
    "text", ["10", "-10%", "10 percent", "10p", "%", "", 10, 0.1, None, ["10%"]]
)
def test_what_is_no_size_of_change(text: object) -> None:
    with pytest.raises(
        ValueError, match=r"is not a size of change; write 10% or, for a ratio, 0\.5pp"
    ):
        units.parse_change(text)


@given(st.decimals(0, 100, places=2, allow_nan=False))
def test_a_share_is_a_percentage_of_at_most_all(percent: object) -> None:
    share = units.parse_share(f"{percent}%")
    assert 0 <= share <= 1
    assert share == pytest.approx(float(str(percent)) / 100)


@pytest.mark.parametrize("text", ["100.1%", "1pp", "200%"])
def test_more_than_all_is_no_share(text: str) -> None:
    with pytest.raises(ValueError, match="is not a share; write a percentage from 0% to 100%"):
        units.parse_share(text)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.412, "s", "412 ms"),
        (1.5, "s", "1.5 s"),
        (0.00002, "s", "20 µs"),
        (0.0, "s", "0 µs"),
        (-0.5, "s", "-500 ms"),
        (1.3 * 2**30, "By", "1.3 GiB"),
        (512.0, "By", "512 B"),
        (0.021, "ratio", "2.1%"),
        (12.5, "req/s", "12.5 req/s"),
        (12345.6, "", "1.235e+04"),
        (math.nan, "s", "n/a"),
        (math.inf, "By", "n/a"),
    ],
)
def test_a_value_with_its_unit(value: float, unit: str, text: str) -> None:
    assert units.format_value(value, unit) == text


@pytest.mark.parametrize(
    ("effect", "absolute", "text"),
    [
        (0.8, False, "+80%"),
        (-0.25, False, "-25%"),
        (0.021, True, "+2.1 pp"),
        (math.nan, True, "n/a"),
        (math.inf, False, "no change at all"),
    ],
)
def test_an_effect_says_its_direction(effect: float, absolute: bool, text: str) -> None:
    assert units.format_effect(effect, absolute) == text


@given(st.floats(0, 4e9))
def test_a_time_is_utc_to_the_millisecond(time: float) -> None:
    text = units.rfc3339(time)
    assert text.endswith("Z")
    assert len(text) == len("2026-03-02T14:06:12.000Z")
    assert datetime.fromisoformat(text).timestamp() == pytest.approx(time, abs=0.0011)
