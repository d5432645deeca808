"""What senders say of metrics: kept, and what follows for signals."""

from __future__ import annotations

import pytest

from anomalyd import assembly, doctor
from anomalyd.assembly import Plan
from anomalyd.checks import Status
from anomalyd.config import parse
from anomalyd.model import (
    Environment,
    Gauge,
    HistogramQuantile,
    Kind,
    Rate,
    Ratio,
    Selector,
    Signal,
)
from anomalyd.sources.base import Side
from anomalyd.sources.metadata import Metadata, made, misfit, with_units
from tests.fakes import sender
from tests.sources.test_remote_write import CART, ms, post, receiver, staging

__all__ = ["receiver", "staging"]

DESCRIBED = {
    "requests_total": Metadata("counter"),
    "memory_bytes": Metadata("gauge", "bytes"),
    "work_seconds_bucket": Metadata("histogram", "seconds"),
    "rpc_seconds_count": Metadata("summary"),
}


def signal(definition, unit: str = "") -> Signal:
    return Signal("mine", Kind.OTHER, definition, unit=unit)


REQUESTS, MEMORY = Selector("requests_total"), Selector("memory_bytes")


@pytest.mark.parametrize(
    ("definition", "told"),
    [
        (Rate(REQUESTS), ""),
        (Gauge(MEMORY), ""),
        (Ratio(REQUESTS, REQUESTS), ""),
        (HistogramQuantile(Selector("work_seconds"), 0.5), ""),
        (Gauge(Selector("unknown")), ""),
        (Rate(MEMORY), "memory_bytes is a gauge, which has no rate"),
        (Gauge(REQUESTS), "requests_total is a counter, which only grows"),
        (Ratio(REQUESTS, MEMORY), "memory_bytes is a gauge; the parts of a ratio are counters"),
        (HistogramQuantile(Selector("rpc_seconds"), 0.5), "rpc_seconds is a summary"),
    ],
)
def test_a_definition_that_does_not_fit_its_metric_is_told(definition, told):
    found = misfit(signal(definition), DESCRIBED)
    assert found.startswith(told)
    assert bool(found) == bool(told)


@pytest.mark.parametrize(
    ("definition", "unit", "found"),
    [
        (Gauge(MEMORY), "", "By"),
        (Gauge(MEMORY), "MiBy", "MiBy"),
        (HistogramQuantile(Selector("work_seconds"), 0.5), "", "s"),
        (Rate(REQUESTS), "", ""),
        (Gauge(Selector("unknown")), "", ""),
    ],
)
def test_a_signal_that_says_no_unit_has_its_metrics(definition, unit, found):
    assert with_units(signal(definition, unit), DESCRIBED) == found


def test_what_is_said_is_kept_at_a_bounded_length():
    told = made(1, "u" * 100, "h" * 10_000)
    assert (told.type, len(told.unit), len(told.help)) == ("counter", 32, 200)
    assert made(99, "", "") == made(0, "", "") == Metadata()


async def test_both_versions_describe_metrics_that_signals_need(receiver, staging):
    families = [("requests", 1, "How many", ""), ("memory_bytes", 2, "", "bytes"), ("other", 2)]
    body = b"".join(sender.metadata(*one) for one in families)
    assert post(receiver, sender.packed(body)).status == 204
    assert staging._seen.described() == {
        "requests_total": Metadata("counter", "", "How many"),
        "memory_bytes": Metadata("gauge", "bytes"),
    }
    table = sender.symbols(["", "__name__", "requests_total", "service", "cart", "Anew"])
    one = sender.references([1, 2, 3, 4]) + sender.sample(1.0, ms(0))
    body = table + sender.held(5, one + sender.metadata_2(1, told=5))
    assert post(receiver, sender.packed(body), sender.HEADERS_2).status == 204
    assert staging._seen.described()["requests_total"] == Metadata("counter", "", "Anew")
    assert staging._seen.metrics() == {"requests_total": {"service"}}


async def test_metadata_beside_samples_hinders_none_of_them(receiver):
    one = sender.request(sender.series(CART, [(1.0, ms(0))]))
    reply = post(receiver, sender.packed(one + sender.metadata("requests", 1)))
    assert (reply.status, reply.headers["X-Prometheus-Remote-Write-Samples-Written"]) == (204, "1")


CONFIG = {
    "environments": {"staging": {"remote_write": {}}},
    "signals": {
        "presets": [],
        "custom": [
            {"name": "memory", "kind": "resource", "gauge": "memory_bytes"},
            {"name": "requests", "kind": "traffic", "gauge": "requests_total"},
        ],
    },
}


def test_units_are_filled_in_and_the_doctor_warns_of_what_does_not_fit():
    config = parse(CONFIG)
    metrics = {"memory_bytes": frozenset({"service"}), "requests_total": frozenset({"service"})}
    side = Side(Environment.STAGING, config.environments.staging, None, metrics, 5.0)
    side.described = DESCRIBED
    plan = assembly.settle(config, side, None)
    assert {one.name: one.unit for one in plan.signals} == {"memory": "By", "requests": ""}
    (check,) = doctor._misfits(Plan(plan.signals, plan.window, side, None))
    assert (check.subject, check.status) == ("requests", Status.WARN)
    assert "is a counter" in check.detail
