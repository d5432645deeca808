"""Anomalies made by hand."""

from __future__ import annotations

from anomalyd.model import Anomaly, Kind, Labels

SIGNAL = {
    Kind.LATENCY: "latency_p95",
    Kind.ERRORS: "error_ratio",
    Kind.TRAFFIC: "request_rate",
    Kind.SATURATION: "cpu",
    Kind.RESOURCE: "memory",
    Kind.OTHER: "queue",
}


def anomaly(
    service: str,
    kind: Kind = Kind.LATENCY,
    *,
    since: float = 0.0,
    evidence: float = 20.0,
    effect: float = 1.0,
    gone: bool = False,
    resolved_at: float | None = None,
    fired_at: float | None = None,
    route: str = "",
) -> Anomaly:
    return Anomaly(
        signal=SIGNAL[kind],
        labels=Labels.of({"service": service, "route": route}),
        service=service,
        kind=kind,
        unit="",
        detector="absence" if gone else "baseline_deviation",
        started_at=since,
        fired_at=since + 60.0 if fired_at is None else fired_at,
        observed=2.0,
        expected=1.0,
        low=0.9,
        high=1.1,
        effect=effect,
        evidence=evidence,
        resolved_at=resolved_at,
    )
