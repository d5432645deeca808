"""Where anomalyd's own metrics and spans go: text for /metrics, and OTLP where it is configured.

Imported by `telemetry.setup` alone, so that nothing else pays for the SDK and its exporters.
"""

from __future__ import annotations

import itertools
import math
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from opentelemetry import metrics, trace
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from anomalyd import __version__
from anomalyd.model import Outcome, escape_label_value
from anomalyd.telemetry import Band, Bands, Outcomes, Risks

if TYPE_CHECKING:
    from anomalyd import config

OTLP_INTERVAL_SECONDS = 15.0
OTLP_TIMEOUT_SECONDS = 5.0

BAND_LABELS = ("run", "signal", "service", "series")
BAND_VALUES = {
    "observed": "What staging shows, in the signal's unit.",
    "expected": "What production shows at the same load, in the signal's unit.",
    "low": "Lower end of the expected band, in the signal's unit.",
    "high": "Upper end of the expected band, in the signal's unit.",
    "score": "Evidence of being worse, as a share of what fires: the series fires at 1.",
}


class Telemetry:
    """What `telemetry.setup` set up; `shutdown` is called once, last."""

    def __init__(
        self, settings: config.Telemetry, registry: CollectorRegistry, bands: Bands
    ) -> None:
        self._registry = registry
        self._bands = bands
        self._limit = settings.series
        self._watched = [re.compile(regex) for regex in settings.watch]
        self._closers: list[Callable[[float], object]] = []

    def render(self) -> bytes:
        """The text exposition of every metric, of type `telemetry.CONTENT_TYPE`."""
        return generate_latest(self._registry) + render_bands(self._bands(), self._limit)

    def watches(self, series: str) -> bool:
        """Whether `telemetry.watch` asks that this series, `signal{labels}`, is always exported."""
        return any(regex.search(series) for regex in self._watched)

    def shutdown(self, timeout_seconds: float = 5.0) -> None:
        """Send what OTLP still has to send, then stop; each exporter has `timeout_seconds`."""
        while self._closers:
            self._closers.pop()(timeout_seconds)

    def chosen(self) -> list[Band]:
        return choose(self._bands(), self._limit)[0]

    def on_shutdown(self, close: Callable[[float], object]) -> None:
        self._closers.append(close)


def start(settings: config.Telemetry, bands: Bands, outcomes: Outcomes, risks: Risks) -> Telemetry:
    """Install the exporters; may be called again after `shutdown` in the same process."""
    resource = Resource.create({"service.name": "anomalyd", "service.version": __version__})
    registry = CollectorRegistry()
    collectors = [ProcessCollector(registry=None), _RunVerdicts(outcomes), _Risks(risks), _Build()]
    for collector in collectors:
        registry.register(collector)
    handle = Telemetry(settings, registry, bands)
    provider = _meter_provider(resource)
    reader = PrometheusMetricReader(
        disable_target_info=True, scope_info_enabled=False, registry=registry
    )
    provider.add_metric_reader(reader)
    handle.on_shutdown(lambda _: provider.remove_metric_reader(reader))
    if settings.otlp_endpoint:
        _start_otlp(handle, settings.otlp_endpoint, settings.series, resource, provider, collectors)
    return handle


def _meter_provider(resource: Resource) -> MeterProvider:
    """The process has one, since the instruments bind to the first; readers come and go."""
    present = metrics.get_meter_provider()
    if isinstance(present, MeterProvider):
        return present
    provider = MeterProvider(resource=resource, shutdown_on_exit=False)
    metrics.set_meter_provider(provider)
    return provider


class _RunVerdicts(Collector):
    """An enum of each finished run: 1 for its outcome, 0 for the others."""

    def __init__(self, outcomes: Outcomes) -> None:
        self._outcomes = outcomes

    def collect(self) -> Iterable[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "anomalyd_run_verdict",
            "1 for the outcome that a finished run has, 0 for the others.",
            labels=("run", "outcome"),
        )
        for run, given in dict(self._outcomes()).items():
            for outcome in Outcome:
                family.add_metric((run, outcome.value), float(outcome == given))
        return [family]


class _Risks(Collector):
    def __init__(self, risks: Risks) -> None:
        self._risks = risks

    def collect(self) -> Iterable[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "anomalyd_release_risk",
            "Release risk of a finished run, 0 to 100; calibrated once outcomes suffice.",
            labels=("run", "calibrated"),
        )
        for run, score, calibrated in self._risks():
            family.add_metric((run, "false"), score)
            if calibrated is not None:
                family.add_metric((run, "true"), calibrated)
        return [family]


class _Build(Collector):
    def collect(self) -> Iterable[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "anomalyd_build_info", "1; the version is in the label.", labels=("version",)
        )
        family.add_metric((__version__,), 1.0)
        return [family]


def render_bands(bands: Iterable[Band], limit: int) -> bytes:
    """Exposition text of `anomalyd_series_*` for the first `limit` bands, each series once.

    Written straight as text: through metric families 2,000 bands take 88 ms, not 11, and a
    scrape must not hold up a tick.
    """
    chosen, left_out = choose(bands, limit)
    labelled = [(_labels(band), band) for band in chosen]
    lines = []
    for name, help_text in BAND_VALUES.items():
        metric = f"anomalyd_series_{name}"
        lines.append(f"# HELP {metric} {help_text}\n# TYPE {metric} gauge\n")
        lines += [f"{metric}{labels} {_number(getattr(band, name))}\n" for labels, band in labelled]
    metric = "anomalyd_series_left_out"
    lines.append(f"# HELP {metric} Series over telemetry.series that are not exported.\n")
    lines.append(f"# TYPE {metric} gauge\n{metric} {left_out}\n")
    return "".join(lines).encode()


def choose(bands: Iterable[Band], limit: int) -> tuple[list[Band], int]:
    """The first `limit` bands, one per series, and how many were left out."""
    unique = {tuple(band_labels(band).values()): band for band in bands}
    chosen = list(itertools.islice(unique.values(), limit))
    return chosen, len(unique) - len(chosen)


def band_labels(band: Band) -> dict[str, str]:
    """Double quotes become single: Grafana does not escape them in a variable of a dashboard."""
    labels = {name: getattr(band, name) for name in BAND_LABELS}
    return labels | {"series": band.series.replace('"', "'")}


def _labels(band: Band) -> str:
    pairs = (f'{name}="{escape_label_value(text)}"' for name, text in band_labels(band).items())
    return "{" + ",".join(pairs) + "}"


def _number(value: float) -> str:
    if math.isfinite(value):
        return repr(float(value))
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def _start_otlp(
    handle: Telemetry,
    endpoint: str,
    series: int,
    resource: Resource,
    provider: MeterProvider,
    collectors: list[Collector],
) -> None:
    """Export what /metrics shows, and spans, to `endpoint`.

    What is not an instrument (bands, verdicts, process) gets observable gauges in a provider of
    its own, else the Prometheus reader would render it twice.
    """
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics import ObservableGauge
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    def reader() -> PeriodicExportingMetricReader:
        made = PeriodicExportingMetricReader(
            OTLPMetricExporter(endpoint=f"{endpoint}/v1/metrics", timeout=OTLP_TIMEOUT_SECONDS),
            export_interval_millis=OTLP_INTERVAL_SECONDS * 1000,
            cardinality_limits={ObservableGauge: series + 1000},
        )
        handle.on_shutdown(lambda seconds: made.shutdown(timeout_millis=seconds * 1000))
        return made

    provider.add_metric_reader(reader())
    observed = MeterProvider([reader()], resource=resource, shutdown_on_exit=False)
    meter = observed.get_meter("anomalyd")
    for collector in collectors:
        _observe_collector(meter, collector)
    for name, description in BAND_VALUES.items():
        callback = partial(_band_observations, handle, name)
        meter.create_observable_gauge(
            f"anomalyd_series_{name}", [callback], description=description
        )
    _start_spans(handle, endpoint, resource)


def _observe_collector(meter: metrics.Meter, collector: Collector) -> None:
    def observations(name: str, _: metrics.CallbackOptions) -> Iterator[metrics.Observation]:
        for family in collector.collect():
            if family.name == name:
                for sample in family.samples:
                    yield metrics.Observation(sample.value, sample.labels)

    for family in collector.collect():
        counter = family.type == "counter"
        create = meter.create_observable_counter if counter else meter.create_observable_gauge
        create(family.name, [partial(observations, family.name)], description=family.documentation)


def _band_observations(
    handle: Telemetry, name: str, _: metrics.CallbackOptions
) -> list[metrics.Observation]:
    return [metrics.Observation(getattr(band, name), band_labels(band)) for band in handle.chosen()]


def _start_spans(handle: Telemetry, endpoint: str, resource: Resource) -> None:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    tracers = trace.get_tracer_provider()
    if not isinstance(tracers, TracerProvider):
        tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
        trace.set_tracer_provider(tracers)
    exporter = OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces", timeout=OTLP_TIMEOUT_SECONDS)
    spans = BatchSpanProcessor(exporter)
    tracers.add_span_processor(spans)

    def close(seconds: float) -> None:
        """`spans.shutdown` waits 30 s for a receiver that is away; end the exporter before."""
        impatience = threading.Timer(seconds, exporter.shutdown)
        impatience.start()
        spans.shutdown()  # type: ignore[no-untyped-call]
        impatience.cancel()

    handle.on_shutdown(close)
