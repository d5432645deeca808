"""Which signals a session judges where staging is sent spans."""

from __future__ import annotations

from typing import Any

import pytest

from anomalyd import assembly
from anomalyd.config import Config
from anomalyd.model import LOAD_SIGNAL, Environment, SpanMeasure, SpanMetric
from anomalyd.signals.quantities import SPANS
from anomalyd.sources.base import Side

SERVER = {"url": "http://127.0.0.1:9090"}
TEMPO = {
    "traces_spanmetrics_calls_total": frozenset({"service", "span_name", "span_kind"}),
    "traces_spanmetrics_latency_bucket": frozenset({"service", "span_name", "span_kind", "le"}),
}


def measured(
    production: dict[str, frozenset[str]] | None, **identity: str
) -> dict[str, SpanMetric | Any]:
    """Definitions by signal; production: the metrics that it has, None without one."""
    environments: dict[str, Any] = {"staging": {"otlp": {}}}
    if production is not None:
        environments["production"] = {"otlp": {}} if SPANS in production else SERVER
    settings = {
        "environments": environments,
        "identity": identity,
        "signals": {"presets": ["operations", "edges"]},
    }
    config = Config.model_validate(settings)
    own = config.environments
    staging = Side(Environment.STAGING, own.staging, None, {SPANS: frozenset()}, None)
    other = None
    if own.production is not None and production is not None:
        other = Side(Environment.PRODUCTION, own.production, None, production, None)
    return {s.name: s.definition for s in assembly.settle(config, staging, other).signals}


@pytest.mark.parametrize("production", [None, {SPANS: frozenset()}, TEMPO, {"up": frozenset()}])
def test_everything_is_measured_of_spans_whatever_production_has(production) -> None:
    found = measured(production)
    assert len(found) == 9
    assert all(isinstance(one, SpanMetric) for one in found.values())


@pytest.mark.parametrize(
    ("production", "measure"),
    [
        (None, SpanMeasure.ENTRIES),
        ({SPANS: frozenset()}, SpanMeasure.ENTRIES),
        (TEMPO, SpanMeasure.CALLS),
    ],
)
def test_the_load_is_one_that_both_environments_can_tell(production, measure) -> None:
    assert measured(production)[LOAD_SIGNAL] == SpanMetric(measure)


def test_the_load_of_an_entry_is_what_that_service_is_asked() -> None:
    load = measured(TEMPO, entry="gateway")[LOAD_SIGNAL]
    assert load == SpanMetric(SpanMeasure.CALLS, service="gateway")
