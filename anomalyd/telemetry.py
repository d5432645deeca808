"""Every metric anomalyd tells of itself, declared once; any part may import this.

Instruments come from OpenTelemetry's global meter: without a configured provider they cost
nothing. `setup` (called once by the daemon) gives them a Prometheus registry, rendered for
/metrics, and OTLP exporters where `telemetry.otlp_endpoint` is set. What each metric means to a
user stands in docs/metrics.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opentelemetry import metrics, trace

if TYPE_CHECKING:
    from anomalyd import config
    from anomalyd.telemetry_export import Telemetry

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Of what `Telemetry.render` returns."""

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
samples = meter.create_counter("anomalyd_samples", description="Samples taken in, by source.")
spans = meter.create_counter("anomalyd_spans", description="Spans taken in, by environment.")
spans_refused = meter.create_counter(
    "anomalyd_spans_refused", description="Spans that were sent and refused, by reason."
)
spans_left_out = meter.create_counter(
    "anomalyd_spans_left_out",
    description="Spans not counted, or whose trace could not be put together, by reason.",
)
signal_series = meter.create_gauge(
    "anomalyd_signal_series", description="Signal series known, by environment."
)
judged_series = meter.create_gauge(
    "anomalyd_judged_series", description="Signal series under judgement, by state."
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
    "anomalyd_source_failures",
    description="Requests to a source that failed, by source and reason.",
)
series_refused = meter.create_counter(
    "anomalyd_series_refused", description="Series over a limit that were not taken in, by limit."
)
pushed_samples = meter.create_counter(
    "anomalyd_pushed_samples", description="Samples that were sent to us, by protocol and result."
)
pushed_exemplars = meter.create_counter(
    "anomalyd_pushed_exemplars",
    description="Exemplars that came with samples, by protocol and result.",
)
pushed_bytes = meter.create_counter(
    "anomalyd_pushed_bytes", description="Bytes of bodies that were sent to us, by protocol."
)
push_lag = meter.create_gauge(
    "anomalyd_push_lag",
    unit="s",
    description="How old the newest sample of the last body was when it came, by source.",
)
pushed_late = meter.create_counter(
    "anomalyd_pushed_late",
    description="Samples that came after the tick that they belong to was judged, by source.",
)
pushed_overwritten = meter.create_counter(
    "anomalyd_pushed_overwritten",
    description="Samples let go while a window still wanted them, for want of room, by source.",
)
raw_series_expired = meter.create_counter(
    "anomalyd_raw_series_expired",
    description="Series that were forgotten because nothing came any more, by source.",
)
raw_series = meter.create_gauge(
    "anomalyd_raw_series",
    description="Series that are pushed or scraped and signals need, by source.",
)
sink_dropped = meter.create_counter(
    "anomalyd_sink_dropped", description="Notices never delivered, by sink and reason."
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
parity_differences = meter.create_gauge(
    "anomalyd_parity_differences",
    description="Differences between staging and production, by severity and state.",
)
parity_equal_facts = meter.create_gauge(
    "anomalyd_parity_equal_facts", description="Facts that are the same in both environments."
)
deployment_checks = meter.create_gauge(
    "anomalyd_deployment_checks",
    description="Checks of the deployment that the last run tested, by kind and state.",
)
api_requests = meter.create_counter(
    "anomalyd_api_requests", description="Requests to the API, by route, method and status."
)
api_listeners = meter.create_gauge(
    "anomalyd_api_listeners", description="Event streams and long polls that listen now."
)
api_clients_dropped = meter.create_counter(
    "anomalyd_api_clients_dropped", description="Event streams ended because the client was slow."
)


enrichments = meter.create_counter(
    "anomalyd_enrichments", description="Incidents that traces and log lines were fetched for."
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


Bands = Callable[[], Iterable[Band]]
Outcomes = Callable[[], Iterable[tuple[str, str]]]
Risks = Callable[[], Iterable[tuple[str, float, float | None]]]


def trace_tick(asked_at: float, answered_at: float, judged_at: float) -> None:
    """The span of a tick that is over, and of its two parts; unix seconds."""
    tick = tracer.start_span("tick", start_time=_nanoseconds(asked_at))
    within = trace.set_span_in_context(tick)
    for part, start, end in (("ask", asked_at, answered_at), ("judge", answered_at, judged_at)):
        tracer.start_span(part, within, start_time=_nanoseconds(start)).end(_nanoseconds(end))
    tick.end(_nanoseconds(judged_at))


def _nanoseconds(time: float) -> int:
    return round(time * 1e9)


def setup(
    settings: config.Telemetry,
    *,
    bands: Bands = tuple,
    outcomes: Outcomes = tuple,
    risks: Risks = tuple,
    sources: Iterable[str] = (),
    sinks: Iterable[str] = (),
) -> Telemetry:
    """Give the instruments their exporters and return the handle that renders and ends them.

    bands: the series to show, the most telling first; `settings.series` of them are exported.
    outcomes: (run id, outcome) of the last finished runs. risks: (run id, score, calibrated score
    or None) of these. All are called at every scrape and,
    with OTLP, from an exporter's thread: they hand out what was prepared, such as a tuple.
    sources, sinks: names whose counters start at zero.
    """
    from anomalyd import telemetry_export

    handle = telemetry_export.start(settings, bands, outcomes, risks)
    _at_zero(tuple(sources), tuple(sinks))
    return handle


def _at_zero(sources: tuple[str, ...], sinks: tuple[str, ...]) -> None:
    from anomalyd.model import Environment, Outcome, RunState, State

    for counter in (ticks, evidence_windows, store_writes_dropped, api_clients_dropped):
        counter.add(0)
    for gauge in (incidents_open, store_degraded, api_listeners):
        gauge.set(0)
    for severity in ("warning", "critical"):
        incidents_opened.add(0, {"severity": severity})
    for outcome in Outcome:
        verdicts.add(0, {"outcome": outcome.value})
    for run_state in (RunState.WARMUP, RunState.ACTIVE, RunState.SETTLING):
        runs.set(0, {"state": run_state.value})
    for state in State:
        judged_series.set(0, {"state": state.name.lower()})
    for environment in Environment:
        signal_series.set(0, {"environment": environment.value})
    for source in sources:
        samples.add(0, {"source": source})
        source_up.set(0, {"source": source})
    for sink in sinks:
        sink_queue.set(0, {"sink": sink})
        for result in ("ok", "retry", "refused"):
            sink_deliveries.add(0, {"sink": sink, "result": result})
        for reason in ("full", "expired", "refused", "shutdown"):
            sink_dropped.add(0, {"sink": sink, "reason": reason})
