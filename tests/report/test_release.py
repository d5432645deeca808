"""Release risk in every format: the number, how far to believe it, and its reasons."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from anomalyd.report import release
from anomalyd.report.html import html
from anomalyd.report.junit import junit
from anomalyd.report.markdown import markdown
from anomalyd.report.terminal import terminal
from tests.report import samples

STANDING = "uncalibrated: 4 of 30 outcomes recorded"


@pytest.mark.parametrize("name", samples.ALL)
def test_every_format_has_the_number_and_how_far_to_believe_it(name):
    document = samples.ALL[name]()
    said = f"{document['risk']['score']:.0f} of 100 ({STANDING})"
    assert release.line(document) == said
    assert f"Release risk: {said}" in terminal(document, False)
    assert f"**Release risk:** {said}" in markdown(document)
    found = ET.fromstring(junit(document))  # noqa: S314
    found = found.find("testsuite/properties/property[@name='risk']")
    assert found.get("value") == said
    page = html(document)
    assert STANDING in page
    assert release.NOTE in page


def test_every_term_is_shown_the_one_that_counts_most_first():
    document = samples.failing()
    found = release.terms(document)
    assert found[0]["name"] == "verdict"
    assert [one["points"] for one in found] == sorted((t["points"] for t in found), reverse=True)
    every = [*found, *release.others(document)]
    assert {one["name"] for one in every} == {one["name"] for one in document["risk"]["terms"]}
    text = markdown(document)
    assert all(one["name"].replace("-", " ") in html(document) for one in every)
    assert "the environments were not compared: their settings may differ (assumed)" in text
    assert "let parity compare the environments" in text


def test_a_terminal_shows_the_terms_that_count_most():
    shown = terminal(samples.failing(), False)
    part = shown.partition("Release risk")[2].partition("\n\n")[0]
    assert "the verdict is fail" in part
    assert "more" in part.splitlines()[-1]


def test_what_recorded_outcomes_made_of_it_is_the_number():
    document = samples.passing()
    said = {"calibrated": True, "calibrated_score": 12.5, "standing": "calibrated by 40 outcomes"}
    document["risk"] |= said
    assert release.line(document) == "12 of 100 (calibrated by 40 outcomes)"


def test_a_report_of_an_older_version_says_nothing_of_it():
    document = samples.passing()
    del document["risk"]
    for text in (terminal(document, False), markdown(document), junit(document)):
        assert "risk" not in text.lower()
    document["risk"] = None
    assert 'id="risk"' not in html(document)
