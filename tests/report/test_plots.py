"""Plots: the same text for the same data, small, themed, and unique on a page."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from anomalyd.report.document import SeriesPlot
from anomalyd.report.plots import plot
from tests.report import samples


def built(trace):
    document = samples.failing()
    return document | {"series": samples.build_series(trace)}


def draw(trace, name="p0"):
    document = built(trace)
    return plot(document, document["series"][0], name)


CART = samples.finding("cart", factor=2.31, state="fired")


def test_equal_data_gives_equal_text():
    assert draw(samples.trace(CART, 378)) == draw(samples.trace(CART, 378))


def test_ids_of_two_plots_on_a_page_do_not_meet():
    ids = [
        set(re.findall(r'\bid="([^"]+)"', draw(samples.trace(CART, 378), name))) for name in "ab"
    ]
    assert ids[0]
    assert not ids[0] & ids[1]


def test_every_reference_inside_a_plot_has_its_target():
    text = draw(samples.trace(CART, 378))
    used = set(re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', text))
    assert used
    assert {a or b for a, b in used} <= set(re.findall(r'\bid="([^"]+)"', text))


def test_a_plot_has_no_colour_date_or_address_of_its_own():
    text = draw(samples.trace(CART, 378))
    assert "http" not in text
    assert "date" not in text
    assert set(re.findall(r"#[0-9a-f]{6}\b", text)) <= {"#000000", "#ffffff"}
    for variable in ("observed", "expected", "band", "incident", "onset", "phase-a"):
        assert f"var(--{variable})" in text


def test_a_plot_says_in_words_and_in_the_picture_what_it_shows():
    text = draw(samples.trace(CART, 378))
    label = ET.fromstring(text).get("aria-label")  # noqa: S314
    assert label.startswith('latency_p95{service="cart"} over the run: from 144 ms to')
    assert label.endswith("worse from 14:06:18 UTC on")
    for part in ("onset 14:06:18", "steady", "14:05", "400 ms"):
        assert f">{part}<" in text


@pytest.mark.parametrize(
    ("values", "times"),
    [
        ([], []),
        ([float("nan")] * 3, [1.0, 2.0, 3.0]),
        ([5.0], [1.0]),
        ([0.0] * 3, [1.0, 2.0, 3.0]),
        ([7.0] * 3, [1.0, 2.0, 3.0]),
        ([-1.0, float("nan"), 1e12], [1.0, 2.0, 3.0]),
    ],
    ids=["none", "unknown", "one", "zeros", "constant", "extreme"],
)
def test_odd_series_are_drawn_all_the_same(values, times):
    times = [samples.START + time for time in times]
    text = draw(SeriesPlot('x{a="$1<&\\1"}', "$/s", "other", times, values, values, values, values))
    assert ET.fromstring(text).get("aria-label").startswith('x{a="$1<&\\1"}')  # noqa: S314


def test_a_run_without_a_known_end_is_drawn_to_its_last_value():
    document = samples.failing()
    document["run"]["duration_seconds"] = None
    assert "14:15" in plot(document, document["series"][0], "p0")


def test_a_short_run_has_seconds_on_its_axis():
    bare = replace(samples.run(), stopped_at=samples.START + 40)
    document = samples.passing() | {"run": samples.build_run(bare)}
    document["series"] = samples.build_series(
        SeriesPlot("x", "s", "latency", [samples.START + 1, samples.START + 40], *[[1.0, 2.0]] * 4)
    )
    assert ">14:00:20<" in plot(document, document["series"][0], "p0")
