"""The page as text: complete in itself, small, and safe against what labels hold."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest

from anomalyd.model import Labels
from anomalyd.report import views
from anomalyd.report.document import SeriesPlot
from anomalyd.report.html import html
from tests.report import samples

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """Tags with attributes, and a check that what opens also closes."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open = [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("name", samples.ALL)
def test_a_page_refers_to_nothing_outside_itself(name):
    text = html(samples.ALL[name]())
    assert not re.search(r"https?:|//[a-z]+\.|@import|url\((?!#)", text)
    for tag, attributes in Page(text).tags:
        for key in ("src", "href", "action", "poster", "srcset"):
            target = attributes.get(key) or ""
            assert target.startswith(("#", "data:")) or not target, (tag, target)


@pytest.mark.parametrize("name", samples.ALL)
def test_ids_are_unique_and_every_link_and_label_has_its_target(name):
    tags = Page(html(samples.ALL[name]())).tags
    ids = [a["id"] for _, a in tags if "id" in a]
    assert len(ids) == len(set(ids))
    wanted = {a["href"][1:] for t, a in tags if t == "a"}
    wanted |= {a["aria-labelledby"] for _, a in tags if "aria-labelledby" in a}
    assert wanted <= set(ids)


@pytest.mark.parametrize("name", samples.ALL)
def test_tables_have_captions_and_column_scopes_and_pictures_have_words(name):
    text = html(samples.ALL[name]())
    for table in re.findall(r"<table.*?</table>", text, re.S):
        assert "<caption>" in table
        assert "<th>" not in table
    for tag, attributes in Page(text).tags:
        if tag == "svg":
            assert attributes["role"] == "img"
            assert attributes["aria-label"]


def test_headings_go_down_one_level_at_a_time():
    levels = [int(t[1]) for t, _ in Page(html(samples.failing())).tags if re.fullmatch(r"h\d", t)]
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))


def test_equal_documents_give_equal_pages():
    assert html(samples.failing()) == html(samples.failing())


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", '"><img src=x onerror=1>', "{{ d }}"]
)
def test_what_a_label_holds_is_shown_and_never_run(text):
    document = samples.failing()
    for part in (
        document["findings"][0],
        document["incidents"][0]["anomalies"][0],
        document["series"][0],
    ):
        part["series"] = text
    document["findings"][0]["query"] = document["findings"][0]["service"] = text
    document["incidents"][0]["summary"] = document["run"]["name"] = text
    document["incidents"][0]["suspects"][0]["service"] = text
    document["verdict"]["reasons"] = document["coverage"]["missing"] = [text]
    document["edges"] = {text: ["cart"]}
    tags = Page(html(document)).tags
    assert [t for t, _ in tags].count("script") == 1
    assert not [a for t, a in tags if t == "img" or "onerror" in a]


def test_a_dozen_plots_stay_below_the_size_that_a_ci_page_takes():
    random = np.random.default_rng(1)
    found = [samples.finding(f"s{i}", state="fired", evidence=20.0) for i in range(12)]
    times = samples.START + np.linspace(0, 1110, 400)
    document = samples.failing() | {"findings": samples.build_findings(*found)}
    document["series"] = samples.build_series(
        *(
            SeriesPlot(f.series, "s", "latency", times, *random.normal(1, 0.1, (4, 400)))
            for f in found
        )
    )
    text = html(document)
    assert text.count("<figure><div") == 12
    assert len(text.encode()) < 1_500_000


def test_very_many_series_are_cut_and_the_page_says_so():
    found = [samples.finding(f"s{i}") for i in range(2100)]
    document = samples.passing() | {"series": [], "findings": samples.build_findings(*found)}
    assert "2100 judged series, the first 2000 here" in html(document)


def test_what_decides_without_a_trace_is_listed_in_a_table():
    assert "Also worse, without a drawing" in html(samples.failing() | {"series": []})


@pytest.mark.parametrize("evidence", [0.0, 2.7, 2.8, 5.0])
def test_a_series_is_close_to_failing_everywhere_on_the_page_or_nowhere(evidence):
    drawn = samples.finding("cart", evidence=evidence)
    document = samples.passing() | {
        "findings": samples.build_findings(drawn),
        "series": samples.build_series(samples.trace(drawn, None)),
    }
    text = html(document)
    close = bool(views.nearly(document))
    assert ('id="near"' in text) == close
    assert ('id="others"' in text) == (not close)
    assert ("No series came close to failing" in text) == (not close)
    assert close == (evidence >= views.NEARLY_SHARE * drawn.threshold)


def test_a_series_without_a_service_is_named_by_its_signal():
    bare = samples.finding("", state="fired", evidence=20.0, labels=Labels())
    document = samples.failing() | {
        "findings": samples.build_findings(bare),
        "series": samples.build_series(samples.trace(bare, 300)),
    }
    text = html(document)
    assert "<h3>latency_p95</h3>" in text
    assert "<td>no service</td>" in text
    assert "1 signal is worse than production" in text


def test_every_plot_says_in_words_which_series_it_shows():
    document = samples.failing()
    tags = Page(html(document)).tags
    said = [a["aria-label"] for tag, a in tags if tag == "svg" and "class" not in a]
    drawn = [series["series"] for series in document["series"]]
    assert sorted(label.split(" over the run: ")[0] for label in said) == sorted(drawn)
