from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalyd.sinks.regions import TAGS_LIMIT, fitting, of_incident, of_run, tag, with_tags
from tests.sinks.examples import a_run, an_anomaly, an_incident


@given(st.lists(st.text(max_size=200), max_size=60))
def test_fitting_tags_stay_within_the_limit_however_they_are_encoded(tags: list[str]) -> None:
    kept = fitting(tags)
    encoded = json.dumps(kept, separators=(",", ":"))
    go = encoded.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    assert len(go) <= TAGS_LIMIT
    assert len(set(kept)) == len(kept)
    assert kept == fitting(kept)


IDS = st.text(max_size=3) | st.text(min_size=90, max_size=300)


@given(IDS, IDS)
def test_identity_survives_whatever_ids_and_tags_there_are(incident: str, run: str) -> None:
    region = of_incident(an_incident(incident, run), None)
    many = with_tags(region, [f"tag-{number}-{'x' * 50}" for number in range(50)])
    shown = [part for part in region.identity if not part.endswith(":")]
    assert list(many.tags[: len(shown)]) == shown


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("r1", "run:r1"),
        ("a:b", "run:a:b"),
        ("  two  words ", "run:two words"),
        ("lone \ud800", "run:lone ?"),
        ("x" * 100, "run:" + "x" * 100),
    ],
)
def test_a_tag_is_what_grafana_keeps(value: str, expected: str) -> None:
    assert tag("run", value) == expected


def test_long_values_are_shortened_and_stay_apart() -> None:
    one, two = tag("run", "x" * 150 + "1"), tag("run", "x" * 150 + "2")
    assert len(one) == len(two) == len("run:") + 100
    assert one != two


def test_the_users_tags_come_before_the_long_tail() -> None:
    anomalies = tuple(an_anomaly(f"service-{number}") for number in range(3))
    region = with_tags(
        of_incident(replace(an_incident(), anomalies=anomalies), None), ["team:shop"]
    )
    assert region.tags == (
        "anomalyd",
        "incident:i1",
        "run:r1",
        "severity:warning",
        "service:cart",
        "team:shop",
        "service:service-0",
        "service:service-1",
        "service:service-2",
        "signal:latency_p95",
    )


def test_many_anomalies_are_told_in_ten_lines() -> None:
    anomalies = tuple(an_anomaly(f"service-{number}") for number in range(30))
    lines = of_incident(replace(an_incident(), anomalies=anomalies), None).text.split("<br>")
    assert len(lines) == 1 + 10 + 1 + 1
    assert lines[11] == "and 20 more"


def test_a_note_cannot_bring_its_own_html() -> None:
    region = of_run(replace(a_run(), notes=("<script>alert(1)</script>",)), 'https://x/"onclick=')
    assert region.text == (
        "test run checkout r1<br>&lt;script&gt;alert(1)&lt;/script&gt;<br>"
        '<a href="https://x/&quot;onclick=">run</a>'
    )
