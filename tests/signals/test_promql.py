from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

import pytest

from anomalyd.model import (
    Gauge,
    HistogramQuantile,
    Kind,
    Matcher,
    PromQL,
    Rate,
    Ratio,
    Selector,
    Signal,
)
from anomalyd.signals.promql import compile, duration
from anomalyd.signals.selector import parse_selector
from tests.tools import need

REQUESTS = Selector("requests_total")
STAGING = (Matcher("env", "=", "staging"),)


def signal(definition, by=("service",)) -> Signal:
    return Signal("s", Kind.OTHER, definition, by=by)


CASES = [
    (
        signal(Rate(REQUESTS)),
        'sum by (app, job) (rate(requests_total{env="staging"}[30s]))',
        None,
    ),
    (
        signal(Rate(REQUESTS), by=()),
        'sum (rate(requests_total{env="staging"}[30s]))',
        None,
    ),
    (
        signal(HistogramQuantile(parse_selector('latency{a="b"}'), 0.95), by=("service", "route")),
        "histogram_quantile(0.95, sum by (le, app, job, route, path)"
        ' (rate(latency_bucket{a="b",env="staging"}[30s])))',
        'sum by (app, job, route, path) (increase(latency_count{a="b",env="staging"}[30s]))',
    ),
    (
        signal(Ratio(parse_selector('requests_total{code=~"5.."}'), REQUESTS)),
        '(sum by (app, job) (rate(requests_total{code=~"5..",env="staging"}[30s]))'
        ' or 0 * sum by (app, job) (rate(requests_total{env="staging"}[30s])))'
        ' / sum by (app, job) (rate(requests_total{env="staging"}[30s]))',
        'sum by (app, job) (increase(requests_total{env="staging"}[30s]))',
    ),
    (
        signal(Gauge(Selector("memory"), "max")),
        'max by (app, job) (avg_over_time(memory{env="staging"}[30s]))',
        None,
    ),
    (
        signal(PromQL("sum(rate(x{a='b', $matchers}[$window]))")),
        "sum(rate(x{a='b', env=\"staging\"}[30s]))",
        None,
    ),
]


@pytest.mark.parametrize(("given", "value", "count"), CASES)
def test_a_definition_compiles_to(given, value, count):
    compiled = compile(
        given,
        window=30,
        matchers=STAGING,
        service_labels=("app", "job"),
        rename={"path": "route"},
    )
    assert (compiled.value, compiled.count) == (value, count)


def test_the_run_label_is_always_grouped_by():
    compiled = compile(signal(Rate(REQUESTS), by=()), window=30, run_label="testid")
    assert compiled.value == "sum by (testid) (rate(requests_total[30s]))"


@pytest.mark.parametrize(
    "inner", ["$matchers", '$matchers,a="b"', 'a="b",$matchers', "$matchers , "]
)
@pytest.mark.parametrize("matchers", [(), STAGING])
def test_an_expression_stays_valid_with_and_without_matchers(accepted, inner, matchers):
    query = compile(signal(PromQL(f"up{{{inner}}} > 0")), window=30, matchers=matchers).value
    assert accepted(query)


def test_a_value_cannot_leave_its_quotes(accepted):
    evil = Matcher("env", "=", 'x"} or vector(1) or up{a="\\\n')
    compiled = compile(signal(Ratio(REQUESTS, REQUESTS)), window=30, matchers=(evil,))
    assert compiled.value.count("vector(1)") == compiled.value.count('\\"} or vector(1)') == 3
    assert accepted(compiled.value)


@pytest.mark.parametrize(
    ("seconds", "text"), [(30, "30s"), (0.5, "500ms"), (1.5, "1500ms"), (3600, "3600s")]
)
def test_durations_are_written_as_prometheus_reads_them(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize("given", [case[0] for case in CASES])
def test_promtool_accepts_every_query(accepted, given):
    compiled = compile(given, window=0.5, matchers=STAGING)
    assert accepted(compiled.value)
    assert compiled.count is None or accepted(compiled.count)


@pytest.fixture
def accepted(tmp_path) -> Callable[[str], bool]:
    """Whether a real PromQL parser takes a query, as a rule's expression."""

    def check(query: str) -> bool:
        rules = tmp_path / "rules.yml"
        group = {"name": "g", "rules": [{"record": "r", "expr": query}]}
        rules.write_text(json.dumps({"groups": [group]}))
        return (
            subprocess.run(
                [need("promtool"), "check", "rules", rules], check=False, capture_output=True
            ).returncode
            == 0
        )

    assert not check("up{")
    return check
