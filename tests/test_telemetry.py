"""What anomalyd tells of itself: valid, complete from the start, and documented."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry import metrics
from prometheus_client.parser import text_string_to_metric_families

from anomalyd import telemetry
from anomalyd.config import Telemetry as Settings
from anomalyd.telemetry import Band
from anomalyd.telemetry_export import BAND_VALUES, Telemetry
from tests.telemetry_text import parsed, value
from tests.tools import need

PACKAGE = Path(telemetry.__file__).parent
DOCS = PACKAGE.parent / "docs" / "metrics.md"
SERIES = 'p95{service="cart"}'
BAND = Band("run-1", "p95", "cart", SERIES, 0.9, 0.5, 0.4, 0.6, 1.5)


def instruments() -> list[object]:
    kinds = (metrics.Counter, metrics.Histogram, metrics._Gauge)
    return [value for value in vars(telemetry).values() if isinstance(value, kinds)]


def exercise() -> None:
    """Move every declared instrument, so that each is exported."""
    for instrument in instruments():
        if isinstance(instrument, metrics.Counter):
            instrument.add(1)
        elif isinstance(instrument, metrics.Histogram):
            instrument.record(0.2)
        elif isinstance(instrument, metrics._Gauge):
            instrument.set(1)


@pytest.fixture
def handle() -> Iterator[Telemetry]:
    made = telemetry.setup(
        Settings(watch=("^cpu",)),
        bands=lambda: (BAND,),
        outcomes=lambda: (("run-1", "fail"),),
        risks=lambda: (("run-1", 93.0, 61.5), ("run-0", 4.0, None)),
        sources=("staging",),
        sinks=("grafana",),
    )
    yield made
    made.shutdown()


def test_promtool_has_nothing_to_say_about_the_metrics(handle: Telemetry) -> None:
    exercise()
    done = subprocess.run(
        [need("promtool"), "check", "metrics"],
        input=handle.render(),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_what_was_not_yet_counted_is_told_as_zero(handle: Telemetry) -> None:
    samples = parsed(handle.render())
    assert value(samples, "anomalyd_ticks_total") == 0
    assert value(samples, "anomalyd_verdicts_total", outcome="inconclusive") == 0
    assert value(samples, "anomalyd_runs", state="active") == 0
    assert value(samples, "anomalyd_source_up", source="staging") == 0
    assert value(samples, "anomalyd_sink_deliveries_total", sink="grafana", result="refused") == 0


def test_an_instrument_that_a_part_moves_is_rendered(handle: Telemetry) -> None:
    telemetry.samples.add(3, {"source": "staging"})
    telemetry.tick_duration.record(0.03)
    samples = parsed(handle.render())
    assert value(samples, "anomalyd_samples_total", source="staging") == 3
    assert value(samples, "anomalyd_tick_duration_seconds_bucket", le="0.05") == 1
    assert value(samples, "anomalyd_tick_duration_seconds_bucket", le="0.025") == 0


def test_the_band_and_score_of_a_series_are_gauges(handle: Telemetry) -> None:
    samples = parsed(handle.render())
    labels = {"run": "run-1", "signal": "p95", "service": "cart", "series": "p95{service='cart'}"}
    told = {name: value(samples, f"anomalyd_series_{name}", **labels) for name in BAND_VALUES}
    assert told == {"observed": 0.9, "expected": 0.5, "low": 0.4, "high": 0.6, "score": 1.5}


def test_the_verdict_of_a_run_is_one_of_its_outcomes(handle: Telemetry) -> None:
    samples = parsed(handle.render())
    told = {
        outcome: value(samples, "anomalyd_run_verdict", run="run-1", outcome=outcome)
        for outcome in ("pass", "fail", "inconclusive", "invalid")
    }
    assert told == {"pass": 0, "fail": 1, "inconclusive": 0, "invalid": 0}


def test_the_risk_of_a_release_is_told_as_it_is_and_calibrated(handle: Telemetry) -> None:
    samples = parsed(handle.render())
    assert value(samples, "anomalyd_release_risk", run="run-1", calibrated="false") == 93.0
    assert value(samples, "anomalyd_release_risk", run="run-1", calibrated="true") == 61.5
    assert value(samples, "anomalyd_release_risk", run="run-0", calibrated="false") == 4.0


def test_watch_selects_series_by_regex(handle: Telemetry) -> None:
    assert handle.watches('cpu{service="cart"}')
    assert not handle.watches(SERIES)


def test_a_second_daemon_in_the_process_starts_from_zero(handle: Telemetry) -> None:
    telemetry.ticks.add(5)
    second = telemetry.setup(Settings())
    telemetry.ticks.add(2)
    told = parsed(second.render())
    second.shutdown()
    assert value(told, "anomalyd_ticks_total") == 2
    assert value(parsed(handle.render()), "anomalyd_ticks_total") == 7


def documented() -> dict[str, tuple[str, set[str]]]:
    """The rows of docs/metrics.md: name to (type, labels)."""
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?)\s*\| ", DOCS.read_text("utf-8"), re.M)
    return {name: (kind, set(filter(None, labels.split(", ")))) for name, kind, labels in rows}


def exported(handle: Telemetry) -> dict[str, tuple[str, set[str]]]:
    return {
        family.name + ("_total" if family.type == "counter" else ""): (
            family.type,
            {label for sample in family.samples for label in sample.labels} - {"le"},
        )
        for family in text_string_to_metric_families(handle.render().decode())
    }


def test_every_metric_is_documented_and_every_documented_metric_exists(handle: Telemetry) -> None:
    exercise()
    told = {name: kind for name, (kind, _) in exported(handle).items()}
    assert {name: kind for name, (kind, _) in documented().items()} == told


def test_the_labels_of_a_metric_are_those_documented(handle: Telemetry) -> None:
    told = exported(handle)
    assert {name: labels for name, (_, labels) in documented().items() if name in told} == {
        name: labels for name, (_, labels) in told.items()
    }


@pytest.mark.parametrize(
    "name", [name for name, value in vars(telemetry).items() if value in instruments()]
)
def test_every_metric_is_moved_by_some_part(name: str) -> None:
    parts = PACKAGE.rglob("*.py")
    assert any(f"telemetry.{name}." in path.read_text("utf-8") for path in parts)


def test_metrics_cost_no_sdk_until_they_are_set_up() -> None:
    code = (
        "import sys; import anomalyd.telemetry as t; t.ticks.add(1);"
        "print([m for m in sys.modules if m.startswith(('opentelemetry.sdk', 'prometheus_client',"
        " 'opentelemetry.exporter', 'numpy', 'pydantic', 'requests'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_without_an_endpoint_nothing_runs_beside() -> None:
    before = set(threading.enumerate())
    made = telemetry.setup(Settings())
    assert set(threading.enumerate()) <= before
    made.shutdown()
