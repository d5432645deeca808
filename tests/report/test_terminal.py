"""What a person or a CI log reads at the end of `watch`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from anomalyd.report.terminal import terminal
from tests.report import samples


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("pass", ["✓ PASS", "35 of 35 series", "34 of 36 production series (94%)", "may go"]),
        ("fail", ["✗ FAIL", "416 ms", "148 to 218 ms*", "+131%", "at most 223 ms", "71%  cart-db"]),
        (
            "inconclusive",
            ["? INCONCLUSIVE", 'missing cpu{service="payment"}', "not read this as a pass"],
        ),
        ("invalid", ["! INVALID", "answered 503", "Repeat the run"]),
    ],
)
def test_every_verdict_says_what_matters(name, said):
    text = terminal(samples.ALL[name](), color=False)
    for part in said:
        assert part in text
    assert "\x1b" not in text


def test_the_columns_of_worse_series_line_up():
    lines = terminal(samples.failing(), color=False).splitlines()
    head = next(line for line in lines if "OBSERVED" in line)
    row = next(line for line in lines if "latency_p95{" in line and "416 ms" in line)
    assert head.index("OBSERVED") == row.index("416 ms")
    assert head.index("PASSES") == row.index("at most 223 ms")


def test_color_changes_nothing_but_the_escapes():
    colored = terminal(samples.failing(), color=True)
    assert "\x1b[97;41m" in colored
    assert re.sub(r"\x1b\[[\d;]*m", "", colored) == terminal(samples.failing(), color=False)


def test_it_says_where_the_reports_lie():
    text = terminal(samples.passing(), color=False, paths=[Path("out/report.html")])
    assert text.endswith("  Reports\n    out/report.html\n")


def test_a_label_cannot_send_escapes_to_the_terminal():
    document = samples.failing()
    document["findings"][0]["series"] = "x\x1b[2Jy\u202ez\n"
    document["run"]["name"] = "\x07bell"
    text = terminal(document, color=False)
    assert "x?[2Jy?z?" in text
    assert "?bell" in text


def test_a_shadow_run_says_so():
    document = samples.failing()
    document["verdict"]["shadow"] = True
    assert "(shadow mode: exits 0)" in terminal(document, color=False)
