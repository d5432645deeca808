"""Checks of the deployment, in every format of a report."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import jsonschema
import pytest

from anomalyd.report import advice
from anomalyd.report.html import html
from anomalyd.report.junit import junit
from anomalyd.report.markdown import markdown
from anomalyd.report.terminal import terminal
from tests.report.samples import failing, passing
from tests.report.test_document import SCHEMA

AT = {"rfc3339": "2026-03-02T14:06:12.000Z", "unix": 1772460372.0}


def check(state: str, kind: str = "restarts", place: str = "<b>pricing</b>", **more: object):
    detail = f"{place} restarted at 14:06:12 UTC"
    row = {"kind": kind, "place": place, "state": state, "detail": detail}
    return row | {"at": AT if state == "failed" else None, "mend": "look at its log."} | more


CHECKS = [
    check("failed"),
    check("unknown", "version", ""),
    check("ignored", "targets", "mail"),
    check("passed", "targets", "cart"),
]
renders = pytest.mark.parametrize(
    "render", [markdown, html, lambda d: terminal(d, color=False)], ids=["md", "html", "terminal"]
)


@pytest.fixture
def document():
    made = passing() | {"deployment": CHECKS}
    return made | {"verdict": made["verdict"] | {"outcome": "fail"}}


def test_it_keeps_to_the_schema(document):
    jsonschema.validate(document, SCHEMA)


@renders
def test_what_did_not_pass_is_said(document, render):
    said = render(document)
    assert "Deployment" in said
    assert "restarted at 14:06:12 UTC" in said
    assert "mail" in said


@pytest.mark.parametrize("render", [markdown, html])
def test_what_comes_from_outside_is_no_markup(document, render):
    assert "<b>pricing" not in render(document)


@renders
def test_a_report_of_before_has_no_such_part(render):
    document = passing()
    del document["deployment"]
    assert "Deployment" not in render(document)


def test_junit_has_a_testcase_for_every_check(document):
    root = ET.fromstring(junit(document))  # noqa: S314 (ours)
    (suite,) = (one for one in root if one.get("name") == "deployment")
    cases = {case.get("classname"): [child.tag for child in case] for case in suite}
    assert len(suite.findall("testcase")) == 4
    assert (suite.get("failures"), suite.get("errors"), suite.get("skipped")) == ("1", "1", "1")
    assert "failure" in cases["deployment.restarts"]
    assert "error" in cases["deployment.version"]


def test_a_shadow_run_reports_skipped_testcases_only(document):
    shadowed = document | {"verdict": document["verdict"] | {"shadow": True}}
    root = ET.fromstring(junit(shadowed))  # noqa: S314 (ours)
    assert (root.get("failures"), root.get("errors")) == ("0", "0")


def test_the_headline_says_what_failed_and_the_next_step_is_to_mend_it(document):
    assert advice.headline(document) == "1 check of the deployment failed."
    assert "chance" in advice.confidence(document)
    assert "<b>pricing</b>: look at its log." in advice.next_steps(document)


def test_both_are_said_where_something_was_worse_too():
    both = failing() | {"deployment": CHECKS}
    said = advice.headline(both)
    assert said.startswith("1 check of the deployment failed, and 4 signals")
