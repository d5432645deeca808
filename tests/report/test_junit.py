"""JUnit XML: the shape CI tools read, and no run that is not a pass looks green."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalyd.model import Labels
from anomalyd.report.junit import junit
from tests.report import samples

# element: (required attributes, allowed attributes, children in order), after the schema of
# Jenkins' xUnit plugin.
SHAPE = {
    "testsuites": ({"name"}, {"time", "tests", "failures", "errors", "disabled"}, ["testsuite"]),
    "testsuite": (
        {"name", "tests", "failures", "errors"},
        {"skipped", "time", "timestamp", "hostname", "id", "package"},
        ["properties", "testcase", "system-out", "system-err"],
    ),
    "properties": (set(), set(), ["property"]),
    "property": ({"name", "value"}, set(), []),
    "testcase": (
        {"name", "classname"},
        {"time"},
        ["skipped", "error", "failure", "system-out", "system-err"],
    ),
    "skipped": (set(), {"message", "type"}, []),
    "failure": (set(), {"message", "type"}, []),
    "error": (set(), {"message", "type"}, []),
    "system-out": (set(), set(), []),
}


def check(element):
    required, allowed, children = SHAPE[element.tag]
    assert required <= set(element.attrib) <= required | allowed, element.tag
    order = [children.index(child.tag) for child in element]
    assert order == sorted(order), element.tag
    for child in element:
        check(child)
    if element.tag == "testsuite":
        assert int(element.get("tests")) == len(element.findall("testcase"))
        for count, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(element.get(count)) == len(element.findall(f"testcase/{tag}"))
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", element.get("timestamp"))


def outcomes(document):
    """(suite, case) to the tag of its outcome, `ok` where it has none."""
    root = ET.fromstring(junit(document))  # noqa: S314
    return {
        (suite.get("name"), case.get("name")): next(
            (child.tag for child in case if child.tag in {"skipped", "failure", "error"}), "ok"
        )
        for suite in root
        for case in suite.findall("testcase")
    }


@pytest.mark.parametrize("name", samples.ALL)
def test_every_sample_has_the_shape_that_ci_tools_read(name):
    root = ET.fromstring(junit(samples.ALL[name]()))  # noqa: S314
    check(root)
    assert int(root.get("errors")) == sum(int(suite.get("errors")) for suite in root)


@pytest.mark.parametrize(
    ("name", "tag"),
    [("pass", "ok"), ("fail", "failure"), ("inconclusive", "error"), ("invalid", "error")],
)
def test_only_a_pass_is_green(name, tag):
    assert outcomes(samples.ALL[name]())["anomalyd", "verdict"] == tag


@pytest.mark.parametrize(
    ("sample", "service", "series", "tag"),
    [
        (samples.failing, "cart", 'latency_p95{service="cart"}', "failure"),
        (samples.failing, "email", 'latency_p95{service="email"}', "error"),
        (samples.failing, "cart", 'cpu{service="cart"}', "ok"),
        (samples.inconclusive, "search", 'cpu{service="search"}', "skipped"),
        (samples.inconclusive, "payment", 'cpu{service="payment"}', "error"),
        (samples.invalid, "cart", 'latency_p95{service="cart"}', "skipped"),
    ],
)
def test_a_series_becomes_the_outcome_of_its_state(sample, service, series, tag):
    assert outcomes(sample())[service, series] == tag


def test_a_missing_series_that_coverage_allows_does_not_redden_a_pass():
    document = samples.passing()
    document["findings"][0]["state"] = "missing"
    found = outcomes(document)
    assert set(found.values()) == {"ok", "skipped"}


def test_a_shadow_run_never_turns_ci_red():
    document = samples.failing()
    document["verdict"]["shadow"] = True
    assert not {"failure", "error"} & set(outcomes(document).values())
    assert "shadow mode, would be a failure" in junit(document)


def test_a_failure_says_observed_expected_and_what_passes():
    text = junit(samples.failing())
    root = ET.fromstring(text)  # noqa: S314
    case = next(c for c in root.iter("testcase") if c.get("name") == 'latency_p95{service="cart"}')
    message = case.find("failure").get("message")
    assert message == "observed 416 ms, expected 180 ms (+131%); passes with at most 223 ms"
    assert "histogram_quantile(0.95" in case.find("failure").text


@given(st.text(st.characters()))
def test_any_text_makes_well_formed_xml(text):
    document = samples.invalid()
    found = samples.finding("cart", labels=Labels.of({"path": text}), state="fired", note=text)
    document["findings"] = samples.build_findings(found)
    document["verdict"]["reasons"] = [document["findings"][0]["note"]]
    root = ET.fromstring(junit(document).encode("utf-8"))  # noqa: S314
    check(root)


def test_a_series_without_a_service_has_a_suite_and_a_class_with_names():
    bare = samples.finding("", state="fired", labels=Labels())
    document = samples.failing() | {"findings": samples.build_findings(bare)}
    suites = ET.fromstring(junit(document))  # noqa: S314
    assert [suite.get("name") for suite in suites] == ["anomalyd", "no service"]
    (case,) = suites[1].findall("testcase")
    assert case.get("name") == "latency_p95"
    assert case.get("classname") == "no service.latency"
