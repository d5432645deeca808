"""Every metric anomalyd tells of itself, declared once; any part may import this.

Instruments come from OpenTelemetry's global meter: without a configured provider they cost
nothing. `setup` (called by the daemon alone) installs the provider and its exporters.
"""

from __future__ import annotations

from opentelemetry import metrics, trace

meter = metrics.get_meter("anomalyd")
tracer = trace.get_tracer("anomalyd")

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
