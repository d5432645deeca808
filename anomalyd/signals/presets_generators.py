"""Presets of load generators: what they measure of the system that they ask.

Virtual users are left out: they are the means of the test, not a symptom.
"""

from __future__ import annotations

from anomalyd.model import Kind, Matcher, Ratio, Selector
from anomalyd.signals.quantities import Alternative, Quantity, failed, gauge, p95, rate

_UNEXPECTED = Matcher("expected_response", "=", "false")
_ERROR = Matcher("error_type", "!=", "")
_REQUESTS = "locust_client_duration_seconds"
"""What `locust --otel` measures of every request."""

K6 = (
    Quantity(
        "k6_latency_p95",
        Kind.LATENCY,
        (
            p95("k6_http_req_duration_seconds", "s"),
            gauge("k6_http_req_duration_p95", "max", "s"),
        ),
        by=("scenario",),
    ),
    Quantity(
        "k6_latency_p99",
        Kind.LATENCY,
        (gauge("k6_http_req_duration_p99", "max", "s"),),
        by=("scenario",),
    ),
    Quantity(
        "k6_error_ratio",
        Kind.ERRORS,
        (
            failed("k6_http_reqs_total", _UNEXPECTED.label, _UNEXPECTED.value),
            gauge("k6_http_req_failed_rate", "avg", "ratio", "status", "expected_response"),
        ),
        by=("scenario",),
    ),
    Quantity(
        "k6_dropped_iterations",
        Kind.SATURATION,
        (rate("k6_dropped_iterations_total", "1/s"),),
        by=("scenario",),
    ),
)
"""Its failures are counted by its own tag: its failed rate, split by status, is all 0 and 1."""

LOCUST = (
    Quantity("locust_latency_p95", Kind.LATENCY, (p95(_REQUESTS, "s"),), by=("name",)),
    Quantity(
        "locust_error_ratio",
        Kind.ERRORS,
        (
            Alternative(
                f"{_REQUESTS}_count",
                Ratio(Selector(f"{_REQUESTS}_count", (_ERROR,)), Selector(f"{_REQUESTS}_count")),
                "ratio",
            ),
        ),
        by=("name",),
    ),
)
"""Failures have a label that nothing else has, and that is not there before the first of them."""
