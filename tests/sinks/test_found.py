"""What was found for an incident, in an alert, a region and a webhook, within their limits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from anomalyd.model import Enrichment, Estimate, Exemplar, LogTemplate, Reshaped, ShapeChange
from anomalyd.sinks.base import IncidentChanged
from anomalyd.sinks.payload import payload
from anomalyd.sinks.regions import of_incident
from anomalyd.sinks.wording import (
    CHANGES,
    LONGEST,
    TEMPLATES,
    TRACES,
    log_lines,
    shape_lines,
    trace_lines,
)
from tests.fakes.receiver import receiver
from tests.sinks.alertmanagers import a_sink, alerts
from tests.sinks.examples import NOW, a_run, an_incident

SLOW = Exemplar("4bf9", "cart", "GET /cart", NOW, 0.812, "slow", "https://t/4bf9?a=1&b=2")
USUAL = replace(SLOW, trace_id="5c01", duration=0.1, why="", link="")
NEW = LogTemplate("cart", "ERROR <b> refused by <*>", 12, 0.2, 0.0, "ERROR refused by 1")
FOUND = Enrichment("r1", "i1", NOW, (SLOW, USUAL), (NEW,))

CALLS = ShapeChange(
    Reshaped.MORE_CALLS,
    "web",
    "GET /",
    "cart",
    "db",
    Estimate(3.0, 2.9, 3.1, 120.0),
    Estimate(1.0, 1.0, 1.0, 900.0),
)
SHAPE = (
    "web GET /: cart → db is called more often: 3 (2.9 to 3.1, of 120) per trace, "
    "in production 1 (1 to 1, of 900)"
)


async def test_an_alert_has_traces_and_log_lines_as_annotations() -> None:
    async with receiver() as heard, a_sink(heard.url) as sink:
        await sink.deliver(IncidentChanged(a_run(), an_incident(), FOUND, (CALLS,)))
        (alert,) = alerts(heard)
    assert alert["annotations"]["traces"].splitlines() == [
        "slow, 812 ms: cart GET /cart, trace 4bf9 https://t/4bf9?a=1&b=2",
        "ordinary, 100 ms: cart GET /cart, trace 5c01",
    ]
    assert alert["annotations"]["shape"] == SHAPE
    assert alert["annotations"]["logs"] == "new, 12 lines: ERROR <b> refused by <*>"


def test_a_region_links_its_traces_and_escapes_its_lines() -> None:
    text = of_incident(an_incident(), None, FOUND, (CALLS,)).text
    assert f"<br>traces: {SHAPE}<br>" in text
    assert (
        '<a href="https://t/4bf9?a=1&amp;b=2">slow, 812 ms: cart GET /cart, trace 4bf9</a>' in text
    )
    assert "log: new, 12 lines: ERROR &lt;b&gt; refused by &lt;*&gt;" in text


def test_a_webhook_is_sent_all_of_it() -> None:
    body = payload(IncidentChanged(a_run(), an_incident(), FOUND, (CALLS,)))
    assert body["shape"][0]["kind"] == "more-calls"
    assert body["enrichment"]["traces"][0]["trace_id"] == "4bf9"
    assert body["enrichment"]["logs"][0]["before"] == 0.0
    assert not {"enrichment", "shape"} & payload(IncidentChanged(a_run(), an_incident())).keys()


@pytest.mark.parametrize("text", ["x" * 5000, "two\nlines\tand more " * 400])
def test_however_much_there_is_a_few_short_lines_are_told(text: str) -> None:
    traces = tuple(replace(SLOW, trace_id=str(n), operation=text) for n in range(30))
    logs = tuple(replace(NEW, template=text) for _ in range(30))
    much = replace(FOUND, traces=(*traces, USUAL), logs=logs)
    lines = [*(line for line, _ in trace_lines(much)), *log_lines(much)]
    assert len(trace_lines(much)) == TRACES
    assert trace_lines(much)[-1][0].startswith("ordinary")
    assert len(log_lines(much)) == TEMPLATES
    changes = shape_lines((replace(CALLS, operation=text),) * 30)
    assert len(changes) == CHANGES + 1
    assert all(len(line) <= LONGEST and "\n" not in line for line in changes)
    assert all(len(line) <= LONGEST and "\n" not in line for line in lines)


def test_nothing_found_says_nothing() -> None:
    assert trace_lines(None) == log_lines(None) == []
    assert of_incident(an_incident(), None, replace(FOUND, traces=(), logs=())) == of_incident(
        an_incident(), None
    )
