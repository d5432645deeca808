"""How numbers are said, and which series count as deciding or nearly so."""

from __future__ import annotations

import math

import pytest

from anomalyd.report import advice, views
from tests.report import samples


@pytest.mark.parametrize(
    ("evidence", "said"),
    [
        (None, ""),
        (0.0, ""),
        (-2.0, ""),
        (math.log(220_400), "1 in 220 000"),
        (math.log(37), "1 in 37"),
        (math.log(1.5), "1 in 1"),
        (40.0, "1 in a billion"),
        (800.0, "1 in a billion"),
    ],
)
def test_odds_are_the_bound_of_an_e_value_rounded_to_the_cautious_side(evidence, said):
    assert views.odds(evidence) == said


@pytest.mark.parametrize(
    ("low", "high", "unit", "said"),
    [
        (0.14, 0.23, "s", "140 to 230 ms"),
        (0.9, 1.2, "s", "900 ms to 1.2 s"),
        (0.01, 0.02, "ratio", "1% to 2%"),
        (3.0, 4.0, "", "3 to 4"),
        (math.nan, 4.0, "", "up to 4"),
        (3.0, math.nan, "", "from 3"),
        (math.nan, math.nan, "s", "n/a"),
    ],
)
def test_a_band_is_said_with_its_unit_once_where_it_is_the_same(low, high, unit, said):
    (found,) = samples.build_findings(samples.finding("cart", low=low, high=high, unit=unit))
    assert views.band(found) == said


@pytest.mark.parametrize(
    ("expected", "pass_at", "said"),
    [(100.0, 120.0, "at most 120"), (100.0, 80.0, "at least 80"), (100.0, math.nan, "n/a")],
)
def test_what_passes_is_said_from_the_side_of_the_expected_value(expected, pass_at, said):
    found = samples.finding("cart", expected=expected, pass_at=pass_at, unit="")
    assert views.passes_if(samples.build_findings(found)[0]) == said


def test_an_effect_on_a_ratio_is_said_in_percentage_points():
    found = samples.finding("cart", "error_ratio", effect=0.021)
    assert views.effect(samples.build_findings(found)[0]) == "+2.1 pp"


def test_nearly_deciding_series_are_the_closest_that_did_not_fire():
    found = [
        samples.finding("a", evidence=4.0),
        samples.finding("b", evidence=8.0),
        samples.finding("c", evidence=20.0, state="fired"),
        samples.finding("d", evidence=1.0),
        samples.finding("e", evidence=9.0, state="silenced"),
        samples.finding("f", evidence=6.0, state="weak"),
        samples.finding("g", evidence=math.nan),
    ]
    document = samples.passing() | {"findings": samples.build_findings(*found)}
    assert [f["service"] for f in views.nearly(document)] == ["b", "f", "a"]
    assert [f["service"] for f in views.deciding(document)] == ["c"]


def test_each_suspected_service_is_named_once_in_the_order_of_the_incidents():
    document = samples.failing()
    assert [s["service"] for s in views.suspects(document)] == ["cart-db", "payment"]
    document["incidents"].append(document["incidents"][0])
    document["incidents"].append(document["incidents"][0] | {"suspects": []})
    assert [s["service"] for s in views.suspects(document)] == ["cart-db", "payment"]


@pytest.mark.parametrize(
    ("name", "headline", "first"),
    [
        ("pass", "Nothing is worse than production at the same load.", "The release may go."),
        ("fail", "4 signals of 4 services are worse than production", "Hold the release."),
        ("inconclusive", "Nothing was shown to be worse, but", "Do not read this as a pass."),
        ("invalid", "The test or its telemetry was broken", "Mend staging Prometheus"),
    ],
)
def test_each_verdict_has_its_sentence_and_its_first_step(name, headline, first):
    document = samples.ALL[name]()
    assert advice.headline(document).startswith(headline)
    assert advice.next_steps(document)[0].startswith(first)


def test_a_weak_suspect_is_called_a_possibility():
    said = advice.origin(samples.failing())
    assert "began in cart-db at 14:06:12 UTC (71% of the suspicion)" in said
    assert "another incident may have begun in payment" in said


def test_a_fail_without_a_finding_is_still_a_fail_in_words():
    document = samples.failing() | {"findings": [], "incidents": []}
    assert "broke a rule" in advice.headline(document)
    assert advice.next_steps(document) == ["Hold the release."]


def test_without_production_series_coverage_says_so():
    document = samples.passing()
    document["coverage"]["production_series"] = 0
    assert "production gave no series" in views.coverage_line(document)


def test_where_nothing_was_judged_coverage_says_just_that():
    assert views.coverage_line(samples.invalid()) == (
        "None of the 36 production series was judged."
    )
