"""Traces and log lines in the report: by its schema, in every format, and harmless."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from markdown_it import MarkdownIt

from anomalyd.model import Enrichment, Exemplar, LogTemplate
from anomalyd.report.document import encode
from anomalyd.report.enriched import enriched
from anomalyd.report.html import html
from anomalyd.report.junit import junit
from anomalyd.report.markdown import markdown
from anomalyd.report.terminal import terminal
from tests.report import samples
from tests.report.test_document import VALIDATOR
from tests.report.test_html import Page
from tests.report.test_markdown import HOSTILE

SLOW = Exemplar("4bf9", "cart", "GET /cart", samples.START, 0.812, "slow", "https://t/4bf9?a=(1)")
USUAL = replace(SLOW, trace_id="5c01", duration=0.1, why="", link="")
STALE = LogTemplate("cart", "WARN rates are stale by <*>s", 30, 0.5, 0.05, "WARN stale by 3s")
LINK = "https://t/4bf9?a=(1)"


def found(**fields) -> Enrichment:
    [incident, *_] = samples.failing()["incidents"]
    given = {"traces": (SLOW, USUAL), "logs": (STALE,), "troubles": ("Loki is away",)} | fields
    return Enrichment("r", incident["id"], samples.START + 60, **given)


def test_an_incident_has_what_was_fetched_and_others_have_nothing():
    document = enriched(samples.failing(), [found()])
    VALIDATOR.validate(document)
    first, *others = document["incidents"]
    assert [trace["trace_id"] for trace in first["enrichment"]["traces"]] == ["4bf9", "5c01"]
    assert first["enrichment"]["logs"][0]["before"] == 0.05
    assert [other["enrichment"] for other in others] == [None] * len(others)
    assert enriched(samples.failing(), []) == samples.failing()


def test_a_report_that_is_written_again_keeps_what_it_had():
    document = enriched(samples.failing(), [found()])
    assert encode(enriched(document, [])) == encode(document)
    older = samples.failing()
    for incident in older["incidents"]:
        del incident["enrichment"]
    VALIDATOR.validate(older)
    assert "Traces" not in markdown(older) + html(older).partition("</style>")[2]


def test_a_comment_links_the_trace_and_says_how_often_a_line_came():
    text = markdown(enriched(samples.failing(), [found()]))
    links = [
        dict(token.attrs)["href"]
        for block in MarkdownIt().parse(text)
        for token in block.children or ()
        if token.type == "link_open"
    ]
    assert links == ["https://t/4bf9?a=%281%29"]
    assert "slow trace" in text
    assert "812 ms" in text
    assert "10 times as often, 30 lines" in text


def test_the_page_links_the_trace_and_says_what_could_not_be_had():
    text = html(enriched(samples.failing(), [found()]))
    links = [a["href"] for tag, a in Page(text).tags if tag == "a" and "rel" in a]
    assert links == [LINK]
    assert "Loki is away" in text
    assert "WARN rates are stale by &lt;*&gt;s" in text


@pytest.mark.parametrize("text", [*HOSTILE, "javascript:alert(1)", 'https://a/"><script>'])
def test_what_a_trace_or_a_line_holds_makes_no_markup(text):
    trace = replace(SLOW, trace_id=text, operation=text, link=text)
    line = replace(STALE, template=text, service=text, example=text)
    document = enriched(samples.failing(), [found(traces=(trace,), logs=(line,), troubles=(text,))])
    VALIDATOR.validate(document)
    plain = MarkdownIt("commonmark").enable("table")
    kinds = {
        token.type for block in plain.parse(markdown(document)) for token in block.children or ()
    }
    assert not kinds & {"image", "link_open", "em_open", "s_open"}
    tags = Page(html(document)).tags
    assert [tag for tag, _ in tags].count("script") == 1
    assert not [a for tag, a in tags if tag == "a" and "rel" in a]
    assert not [a for tag, a in tags if tag == "img" or "onerror" in a]


SHOWN = (
    "slow trace 4bf9, 812 ms: cart GET /cart https://t/4bf9?a=(1)",
    "ordinary trace 5c01, 100 ms: cart GET /cart",
)
RESHAPED = "frontend GET /cart: cart → cart-db is called more often: 9.2 (8.9 to 9.5, of 4100)"


def test_a_terminal_and_ci_tools_are_told_suspects_traces_and_shape():
    document = enriched(samples.failing(), [found()])
    text, [case] = (
        terminal(document, False),
        ET.fromstring(junit(document)).findall(  # noqa: S314
            "testsuite/testcase[@name='verdict']"
        ),
    )
    for said in (text, case.findtext("failure"), case.findtext("system-out")):
        assert said is not None
        lines = [line.strip() for line in said.splitlines()]
        assert [line for line in lines if line in SHOWN] == [*SHOWN]
        assert any(RESHAPED in line for line in lines)
        assert any("its own time rose, 6 s after cart-db" in line for line in lines)


def test_of_many_traces_a_terminal_shows_a_few():
    many = tuple(replace(SLOW, trace_id=f"t{n}") for n in range(30))
    text = terminal(enriched(samples.failing(), [found(traces=(*many, USUAL))]), False)
    assert (text.count("slow trace"), text.count("ordinary trace")) == (3, 1)
