"""docs/deployment.md names every kind of check, every source of versions and its limits."""

from __future__ import annotations

from pathlib import Path

import pytest

from anomalyd.deployment import asking, probes, timeline
from anomalyd.deployment.restarts import STUCK
from anomalyd.model import CheckKind, CheckState
from tests.report.test_document import SCHEMA

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "deployment.md").read_text("utf-8")
ROW = SCHEMA["properties"]["deployment"]["items"]["properties"]


@pytest.mark.parametrize("kind", CheckKind)
def test_every_kind_of_check_has_its_row(kind: CheckKind) -> None:
    assert f"| `{kind}` | " in PAGE


@pytest.mark.parametrize("kind", asking.VERSIONS)
def test_what_tells_a_version_has_its_row(kind: str) -> None:
    assert f"| `{kind}` | " in PAGE


@pytest.mark.parametrize("metric", asking.METRICS)
def test_every_metric_that_is_followed_is_named(metric: str) -> None:
    assert f"`{metric}`" in PAGE


def test_the_report_knows_every_kind_and_state() -> None:
    assert set(ROW["kind"]["enum"]) == set(CheckKind)
    assert set(ROW["state"]["enum"]) == set(CheckState)


def test_limits_are_as_stated() -> None:
    assert probes.ATTEMPTS == 3
    assert "tried three times" in PAGE
    assert probes.BODY_LIMIT == 2**20
    assert "at most 1 MiB of the answer" in PAGE
    assert f"{timeline.MOST_SERIES:,} series are followed" in PAGE
    assert f"of each series {timeline.MOST_STRETCHES} changes" in PAGE
    assert all(f"`{reason}`" in PAGE for reason in STUCK if reason.endswith("BackOff"))
