"""Every metric anomalyd tells of itself, declared once; any part may import this.

Instruments come from OpenTelemetry's global meter: without a configured provider they cost
nothing. `setup` (called once by the daemon) gives them a Prometheus registry, rendered for
/metrics, and OTLP exporters where `telemetry.otlp_endpoint` is set. What each metric means to a
user stands in docs/metrics.md.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from opentelemetry import metrics, trace

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.resources import Resource
    from prometheus_client import CollectorRegistry

    from anomalyd import config

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

meter = metrics.get_meter("anomalyd")
tracer = trace.get_tracer("anomalyd")

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

ticks = meter.create_counter("anomalyd_ticks", description="Ticks that were judged.")
tick_duration = meter.create_histogram(
    "anomalyd_tick_duration",
    unit="s",
    description="Time from the samples of a tick to its incidents.",
    explicit_bucket_boundaries_advisory=_SECONDS,
)
tick_lag = meter.create_gauge(
    "anomalyd_tick_lag", unit="s", description="How far behind the clock the last tick ended."
)
samples = meter.create_counter(
    "anomalyd_samples", description="Samples taken in, by source."
)
signal_series = meter.create_gauge(
    "anomalyd_signal_series", description="Signal series known, by environment."
)
series_states = meter.create_gauge(
    "anomalyd_series_states", description="Signal series under judgement, by state."
)
evidence_windows = meter.create_counter(
    "anomalyd_evidence_windows", description="New disjoint windows that evidence was drawn from."
)
incidents_opened = meter.create_counter(
    "anomalyd_incidents_opened", description="Incidents opened, by severity."
)
incidents_open = meter.create_gauge(
    "anomalyd_incidents_open", description="Incidents that are open now."
)
runs = meter.create_gauge("anomalyd_runs", description="Runs under way, by state.")
verdicts = meter.create_counter("anomalyd_verdicts", description="Verdicts given, by outcome.")
source_up = meter.create_gauge(
    "anomalyd_source_up", description="1 while a source answers, 0 while it does not, by source."
)
source_duration = meter.create_histogram(
    "anomalyd_source_duration",
    unit="s",
    description="Time of one query or scrape, by source.",
    explicit_bucket_boundaries_advisory=_SECONDS,
)
sink_queue = meter.create_gauge(
    "anomalyd_sink_queue", description="Notices waiting for delivery, by sink."
)
store_degraded = meter.create_gauge(
    "anomalyd_store_degraded", description="1 while the state database refuses writes, else 0."
)
source_failures = meter.create_counter(
    "anomalyd_source_failures", description="Requests to a source that failed, by source and reason."
)
series_refused = meter.create_counter(
    "anomalyd_series_refused", description="Series over a limit that were not taken in, by limit."
)
sink_dropped = meter.create_counter(
    "anomalyd_sink_dropped", description="Notices dropped from a full queue or refused, by sink."
)
sink_deliveries = meter.create_counter(
    "anomalyd_sink_deliveries", description="Deliveries attempted, by sink and result."
)
store_write_failures = meter.create_counter(
    "anomalyd_store_write_failures", description="Writes the state database refused, by reason."
)
store_writes_dropped = meter.create_counter(
    "anomalyd_store_writes_dropped", description="Rows lost because the disk refused for too long."
)
api_requests = meter.create_counter(
    "anomalyd_api_requests", description="Requests to the API, by route, method and status."
)
api_clients_dropped = meter.create_counter(
    "anomalyd_api_clients_dropped", description="Event streams ended because the client was slow."
)


@dataclass(frozen=True, slots=True)
class Band:
    """One judged series as a dashboard shows it; values in the signal's unit, NaN where unknown.

    series: the signal's name with its labels, as `Anomaly.series`. score: its evidence as a share
    of what fires, ln(e-value) / ln(threshold): it fires at 1.
    """

    run: str
    signal: str
    service: str
    series: str
    observed: float
    expected: float
    low: float
    high: float
    score: float


BAND_HELP = {
    "observed": "What staging shows, in the signal's unit.",
    "expected": "What production shows at the same load, in the signal's unit.",
    "low": "Lower end of the expected band, in the signal's unit.",
    "high": "Upper end of the expected band, in the signal's unit.",
    "score": "Evidence of being worse as a share of what fires; the series fires at 1.",
}
_BAND_LABELS = tuple(field.name for field in fields(Band) if field.name not in BAND_HELP)

Bands = Callable[[], Iterable[Band]]
Outcomes = Callable[[], Iterable[tuple[str, str]]]


class Telemetry:
    """What `setup` set up. `shutdown` is called once, last."""

    def __init__(self, registry: CollectorRegistry, bands: Bands, watch: tuple[str, ...]) -> None:
        self._registry = registry
        self._bands = bands
        self._watch = re.compile("|".join(f"(?:{regex})" for regex in watch)) if watch else None
        self._on_shutdown: list[Callable[[float], object]] = []

    def render(self) -> bytes:
        """The text exposition of everything, as `CONTENT_TYPE` says."""
        from prometheus_client import generate_latest

        return generate_latest(self._registry) + band_text(self._bands())

    def watches(self, series: str) -> bool:
        """Whether `telemetry.watch` asks for this series (`signal{labels}`) on /metrics."""
        return self._watch is not None and self._watch.search(series) is not None

    def shutdown(self, timeout_seconds: float = 5.0) -> None:
        """Send what is still to be sent by OTLP, then stop; blocks up to `timeout_seconds` each."""
        while self._on_shutdown:
            self._on_shutdown.pop()(timeout_seconds)


