"""What native histograms stand for among the names of metrics, and in which form they are read."""

from __future__ import annotations

from anomalyd import assembly
from anomalyd.config import parse
from anomalyd.model import Environment, HistogramQuantile, Rate, Ratio
from anomalyd.signals.native.names import as_classic, expanded, natively, natives
from anomalyd.sources.base import Side
from anomalyd.sources.queries import compile_all

NAME = "http_server_request_duration_seconds"
WANTED = {f"{NAME}_bucket", f"{NAME}_count", "up"}.__contains__
LABELS = frozenset({"service", "http_response_status_code"})
CLASSIC = {f"{NAME}_bucket": LABELS | {"le"}, f"{NAME}_count": LABELS}
NATIVE = expanded({NAME: LABELS}, WANTED)
BOTH = expanded({NAME: LABELS, **CLASSIC}, WANTED)


def test_a_native_histogram_stands_for_what_is_wanted_of_its_classic_form():
    assert NATIVE == {NAME: LABELS, **CLASSIC}
    assert (natives(NATIVE), natives(CLASSIC), natives(BOTH)) == ({NAME}, set(), {NAME})


def test_a_summary_is_no_native_histogram():
    found = expanded({NAME: LABELS | {"quantile"}, f"{NAME}_count": LABELS}, WANTED)
    assert natives(found) == set()
    assert f"{NAME}_bucket" not in found


def test_a_metric_that_is_wanted_itself_is_what_it_is():
    assert not natively(lambda _: True)(NAME)
    assert expanded({"up": LABELS, NAME: LABELS}, lambda _: True) == {"up": LABELS, NAME: LABELS}


def test_a_form_that_both_environments_have_is_read():
    assert as_classic(BOTH, CLASSIC) == {NAME}
    assert as_classic(BOTH, NATIVE) == set()
    assert as_classic(BOTH, BOTH) == set()
    assert as_classic(NATIVE, CLASSIC) == set(), "there is no other"
    assert as_classic(BOTH, {}) == set(), "nothing is known of the other yet"


CONFIG = parse(
    {
        "environments": {"staging": {"url": "http://a"}, "production": {"url": "http://b"}},
        "signals": {"presets": ["http"]},
    }
)


def settled(staging, production) -> assembly.Plan:
    both = CONFIG.environments
    assert both.production is not None
    return assembly.settle(
        CONFIG,
        Side(Environment.STAGING, both.staging, None, staging, 15.0),
        Side(Environment.PRODUCTION, both.production, None, production, 15.0),
    )


def queries(plan: assembly.Plan, side: Side) -> dict[str, str]:
    names = assembly.canonical(CONFIG, side.name)
    made = compile_all(
        plan.signals, names, side.metrics, window=60.0, matchers=(), classic=side.classic
    )
    return {signal.name: one.value for signal, one in zip(plan.signals, made, strict=True)}


def test_presets_are_found_in_native_histograms_and_asked_for_as_such():
    plan = settled(NATIVE, NATIVE)
    kinds = {one.name: type(one.definition) for one in plan.signals}
    assert kinds == {
        "load": Rate,
        "request_rate": Rate,
        "latency_p95": HistogramQuantile,
        "error_ratio": Ratio,
    }
    asked = queries(plan, plan.staging)
    assert asked["latency_p95"] == (
        f"histogram_quantile(0.95, sum by (service) (rate({NAME}[60s])))"
    )
    assert asked["request_rate"] == f"histogram_count(sum by (service) (rate({NAME}[60s])))"
    assert asked["error_ratio"].startswith("(histogram_count(sum by (service) (rate(")


def test_both_environments_are_asked_for_the_classic_form_where_one_has_no_other():
    plan = settled(BOTH, CLASSIC)
    assert plan.production is not None
    staging = queries(plan, plan.staging)
    assert staging == queries(plan, plan.production)
    assert f"{NAME}_bucket" in staging["latency_p95"]
