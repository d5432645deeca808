"""The reference page knows every property of the schema and every format."""

from __future__ import annotations

from pathlib import Path

import pytest

from anomalyd import exits
from anomalyd.model import Outcome
from anomalyd.report import FORMATS
from anomalyd.report.document import STATES
from tests.report.test_document import SCHEMA

PAGE = (Path(__file__).parents[2] / "docs" / "reports.md").read_text("utf-8")


def properties(node):
    if isinstance(node, dict):
        yield from node.get("properties", {}) if isinstance(node.get("properties"), dict) else ()
        for child in node.values():
            yield from properties(child)


@pytest.mark.parametrize("name", sorted(set(properties(SCHEMA))))
def test_every_property_of_the_schema_is_documented(name):
    assert f"`{name}`" in PAGE


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_every_format_is_documented_with_its_file(form):
    assert f"| `{form.name}` | `{form.filename}` |" in PAGE


@pytest.mark.parametrize("state", STATES)
def test_every_state_of_a_finding_is_documented_and_in_the_schema(state):
    assert f"`{state}`" in PAGE
    finding = SCHEMA["properties"]["findings"]["items"]["properties"]["state"]
    assert state in finding["enum"]


@pytest.mark.parametrize("code", [exits.COMMAND_FAILED, exits.INTERRUPTED])
def test_where_watch_exits_with_another_code_than_the_verdict_is_documented(code):
    said = SCHEMA["properties"]["verdict"]["properties"]["exit_code"]["description"]
    assert f"with {code} where" in said
    assert f"| {code} |" in PAGE


@pytest.mark.parametrize("outcome", Outcome)
def test_the_exit_code_of_every_verdict_is_documented_and_in_the_schema(outcome):
    assert f"| `{outcome.value}` | {outcome.exit_code} |" in PAGE
    assert outcome.exit_code in SCHEMA["properties"]["verdict"]["properties"]["exit_code"]["enum"]
