"""What differs between the environments, in every format of a report."""

from __future__ import annotations

import jsonschema
import pytest

from anomalyd.facts import Fact
from anomalyd.model import Environment
from anomalyd.parity.difference import Difference
from anomalyd.parity.kinds import kind_of
from anomalyd.report.html import html
from anomalyd.report.junit import junit
from anomalyd.report.markdown import markdown
from anomalyd.report.terminal import terminal
from tests.report.samples import passing
from tests.report.test_document import SCHEMA


def row(place: str, state: str = "drift") -> dict[str, str]:
    sides = [
        Fact("cpu-limit", place, side, value, "query")
        for side, value in ((Environment.STAGING, "0.5 cores"), (Environment.PRODUCTION, "2 cores"))
    ]
    return Difference(kind_of("cpu-limit"), place, sides[0], sides[1], 90.0, "", state).told()


@pytest.fixture
def document():
    rows = [row("<b>pricing</b>/app"), row("cart/app", "expected")]
    return passing() | {"parity": {"drift": 1, "equal": 500, "differences": rows}}


def test_it_keeps_to_the_schema(document):
    jsonschema.validate(document, SCHEMA)


@pytest.mark.parametrize("render", [markdown, html, lambda d: terminal(d, color=False)])
def test_what_was_not_meant_is_said_and_what_was_is_not(document, render):
    said = render(document)
    assert "Staging differs from production" in said
    assert "0.5 cores" in said
    assert "cart/app" not in said


@pytest.mark.parametrize("render", [markdown, html])
def test_what_comes_from_outside_is_no_markup(document, render):
    assert "<b>pricing" not in render(document)


@pytest.mark.parametrize("render", [markdown, html, lambda d: terminal(d, color=False)])
@pytest.mark.parametrize("parity", [None, {"drift": 0, "equal": 5, "differences": []}])
def test_a_mirror_that_is_fair_is_not_mentioned(document, render, parity):
    assert "Staging differs" not in render(document | {"parity": parity})


def test_a_report_of_before_has_no_such_part(document):
    del document["parity"]
    assert "Staging differs" not in markdown(document)
    assert junit(document)
