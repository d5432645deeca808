"""Markdown: short, complete, and not to be broken by what a label holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from anomalyd.model import Labels
from anomalyd.report.markdown import code, markdown, prose
from tests.report import samples

PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])

HOSTILE = [
    "a|b",
    "a\\|b",
    "`x` ``y``",
    "a\nb\r\n| c | d |",
    "<script>alert(1)</script>",
    "</code></details><img src=x>",
    "[x](javascript:alert(1))",
    "![x](http://evil.example/x.png)",
    "**bold** _it_ ~~no~~",
    "&lt;b&gt;",
    "# heading",
    "1. item",
    "- item",
    "$math$",
]


def document_with(text):
    document = samples.failing()
    found = samples.finding("cart", labels=Labels.of({"path": text}), state="fired", evidence=20.0)
    document["findings"] = samples.build_findings(found)
    document["verdict"]["reasons"] = [f"it was {text}", text]
    document["run"]["name"] = text
    document["incidents"][0]["summary"] = text
    return document


def tokens(text):
    for token in PARSER.parse(text):
        yield token
        yield from token.children or ()


def rows(text):
    """The cell counts of the rows of all tables."""
    counts, current = [], 0
    for token in PARSER.parse(text):
        if token.type == "tr_open":
            current = 0
        elif token.type in {"td_open", "th_open"}:
            current += 1
        elif token.type == "tr_close":
            counts.append(current)
    return counts


@pytest.mark.parametrize("text", HOSTILE)
def test_a_label_value_cannot_break_the_table(text):
    built = markdown(document_with(text))
    assert rows(built)[:2] == [5, 5]
    assert set(rows(built)[2:]) == {3}
    allowed = {"<code>", "</code>", "<details>", "</details>", "<summary>", "</summary>"}
    for token in tokens(built):
        assert token.type not in {"link_open", "image", "s_open", "em_open"}, token
        assert token.type != "heading_open" or token.tag == "h3"
        if token.type == "html_inline":
            assert token.content in allowed


@given(st.text())
def test_code_says_exactly_the_value_in_one_line(value):
    shown = "".join(
        token.content
        for token in tokens(f"| {code(value)} |\n| --- |")
        if token.type in {"text", "text_special"}
    )
    flat = " ".join("".join(c if c.isprintable() or c.isspace() else " " for c in value).split())
    if value.isprintable() and len(flat) <= 200:
        assert shown == (flat or "n/a")
    assert "\n" not in code(value)


@given(st.text())
def test_prose_makes_no_markup(value):
    kinds = {token.type for token in tokens(f"- {prose('x' + value)}")}
    assert not kinds & {
        "html_inline",
        "html_block",
        "link_open",
        "image",
        "em_open",
        "strong_open",
        "code_inline",
        "heading_open",
    }


@pytest.mark.parametrize("text", ["@all", "#12", "!7", "~bug", "$3", "%4", "&5"])
def test_prose_mentions_nobody_and_refers_to_nothing(text):
    shown = "".join(
        token.content for token in tokens(prose(text)) if token.type in {"text", "text_special"}
    )
    assert shown == text[0] + "\N{WORD JOINER}" + text[1:]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("pass", ["**PASS**", "Nothing is worse", "Close to failing"]),
        ("fail", ["**FAIL**", "<code>cart-db</code>** (71%", "at most 223 ms", "spike 14:15:00"]),
        ("inconclusive", ["**INCONCLUSIVE**", "**Not seen:** 5 missing in staging", "Silenced"]),
        ("invalid", ["**INVALID**", "This broke the run", "Repeat the run"]),
    ],
)
def test_every_verdict_says_its_word_and_what_matters(name, said):
    text = markdown(samples.ALL[name]())
    for part in said:
        assert part in text
    assert len(text) < 6000


def test_many_worse_series_stay_a_short_comment():
    many = [samples.finding(f"s{i:03}", state="fired", evidence=20.0 + i % 7) for i in range(300)]
    document = samples.failing()
    document["findings"] = samples.build_findings(*many)
    document["verdict"]["reasons"] = [f"reason {i}" for i in range(300)]
    document["coverage"]["missing"] = [f"missing{i}" for i in range(300)]
    text = markdown(document)
    assert len(text) < 10_000
    assert "and 290 more worse series" in text
    assert "and 292 more" in text
    assert "and 280 more" in text


def test_a_shadow_run_says_so():
    document = samples.failing()
    document["verdict"]["shadow"] = True
    assert "**FAIL** (shadow)" in markdown(document)
