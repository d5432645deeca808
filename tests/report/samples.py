"""Realistic runs: a pass, a fail with two incidents, an inconclusive and an invalid one."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from anomalyd.explain import wording
from anomalyd.model import (
    Anomaly,
    Coverage,
    Estimate,
    Finding,
    Incident,
    Integrity,
    Kind,
    Labels,
    Outcome,
    Phase,
    Reshaped,
    Run,
    RunState,
    ShapeChange,
    Suspect,
    Verdict,
)
from anomalyd.report.document import Document, SeriesPlot, document
from anomalyd.risk.calibration import Enough, calibrated
from anomalyd.risk.evidence import Evidence
from anomalyd.risk.score import assess
from tests.risk.outcomes import overstated

OUTCOMES = overstated(4)
START = 1_772_460_000.0  # 2026-03-02T14:00:00Z
EDGES = {
    "frontend": ("cart", "catalog", "checkout"),
    "cart": ("cart-db",),
    "catalog": ("catalog-db", "search"),
    "checkout": ("cart", "payment", "email"),
}
SERVICES = ("frontend", "cart", "cart-db", "catalog", "checkout", "payment", "search")
SIGNALS = (
    ("latency_p95", Kind.LATENCY, "s", 0.18),
    ("error_ratio", Kind.ERRORS, "ratio", 0.002),
    ("throughput", Kind.TRAFFIC, "req/s", 84.0),
    ("cpu", Kind.SATURATION, "cores", 0.62),
    ("memory", Kind.RESOURCE, "By", 412.0 * 2**20),
)
NOTHING = Coverage(0, 0, 0, 0, (), ())
PHASES = (
    Phase("cold-start", START, START + 60),
    Phase("ramp", START + 60, START + 240),
    Phase("steady", START + 240, START + 900),
    Phase("spike", START + 900, START + 1020),
    Phase("drain", START + 1020, START + 1110),
)


def run(name: str = "checkout-v2.14") -> Run:
    return Run(
        id="r-20260302-1400-7f3a",
        name=name,
        state=RunState.FINISHED,
        started_at=START,
        origin="watch",
        labels=Labels.of({"commit": "9f2c1ab", "branch": "release/2.14"}),
        active_at=START + 60,
        stopped_at=START + 1110,
        finished_at=START + 1140,
        notes=("k6 run soak.js",),
    )


def query(signal: str, service: str) -> str:
    return (
        "histogram_quantile(0.95, sum by (service, le) (rate("
        f'http_server_request_duration_seconds_bucket{{env="staging",service="{service}"}}[60s])))'
        if signal == "latency_p95"
        else f'sum by (service) (rate({signal}_total{{env="staging",service="{service}"}}[60s]))'
    )


def finding(service: str, signal: str = "latency_p95", *, factor: float = 1.02, **over) -> Finding:
    """An ok finding of `service`, its value `factor` times the expected one."""
    _, kind, unit, usual = next(row for row in SIGNALS if row[0] == signal)
    absolute = kind is Kind.ERRORS
    seen = usual * factor
    base = {
        "signal": signal,
        "labels": Labels.of({"service": service}),
        "service": service,
        "kind": kind,
        "unit": unit,
        "state": "ok",
        "observed": seen,
        "expected": usual,
        "low": usual * 0.82,
        "high": usual * 1.21,
        "effect": seen - usual if absolute else seen / usual - 1,
        "evidence": 0.8,
        "threshold": 9.2,
        "mde": 0.008 if absolute else 0.14,
        "detect": 0.05 if absolute else 0.5,
        "pass_at": usual * 1.24,
        "windows": 19,
        "absolute": absolute,
        "detector": "reference",
        "query": query(signal, service),
    }
    return Finding(**(base | over))


def good() -> list[Finding]:
    return [
        finding(
            service, row[0], factor=0.97 + 0.012 * ((3 * i + j) % 6), evidence=0.3 * ((i + j) % 5)
        )
        for i, service in enumerate(SERVICES)
        for j, row in enumerate(SIGNALS)
    ]


def anomaly(found: Finding, started: float, fired: float, resolved: float | None = None) -> Anomaly:
    return Anomaly(
        signal=found.signal,
        labels=found.labels,
        service=found.service,
        kind=found.kind,
        unit=found.unit,
        detector=found.detector,
        started_at=START + started,
        fired_at=START + fired,
        observed=found.observed,
        expected=found.expected,
        low=found.low,
        high=found.high,
        effect=found.effect,
        evidence=found.evidence,
        extrapolated=found.extrapolated,
        resolved_at=None if resolved is None else START + resolved,
    )


def trace(
    found: Finding, onset: float | None, until: float = 1110, points: int = 222
) -> SeriesPlot:
    """The course of a finding; worse from `onset` seconds into the run on, one gap in it."""
    random = np.random.default_rng(len(found.series))
    seconds = np.linspace(5, 1110, points)
    load = np.clip(seconds / 240, 0.15, 1) + 0.35 * ((seconds > 900) & (seconds < 1020))
    expected = found.expected * (0.8 + 0.2 * load)
    noise = np.exp(random.normal(0, 0.035, points))
    fault = 1.0
    if onset is not None:
        inside = (seconds >= onset) & (seconds <= until)
        rise = (found.observed / found.expected - 1) * np.clip((seconds - onset) / 40, 0, 1)
        fault = np.where(inside, 1 + rise, 1)
    seen = expected * noise * fault
    seen[(seconds > 500) & (seconds < 520)] = math.nan
    return SeriesPlot(
        found.series,
        found.unit,
        found.kind.value,
        START + seconds,
        seen,
        expected,
        expected * found.low / found.expected,
        expected * found.high / found.expected,
    )


def build(verdict: Verdict, traces=(), **over) -> Document:
    longer = {
        f.series: wording.times_longer(f.mde, f.detect, f.absolute)
        for f in verdict.findings
        if f.state == "weak" and not f.note
    }
    return document(
        over.pop("run", run()),
        verdict,
        traces,
        config_digest="sha256:4be1d0",
        version="0.1.0",
        edges=EDGES,
        **({"warmup_seconds": 60.0, "window_seconds": 30.0, "times_longer": longer} | over),
    )


def _verdict(
    outcome: Outcome, reasons: tuple[str, ...], findings, coverage: Coverage, **over
) -> Verdict:
    base = {"reference": "production", "budget": 0.01, "phases": PHASES}
    found = Verdict(
        run().id, outcome, reasons, coverage=coverage, findings=tuple(findings), **(base | over)
    )
    risk = assess(Evidence(found, (70.0,), 84.0, EDGES))
    return replace(found, risk=calibrated(risk, OUTCOMES, START, Enough()))


def passing() -> Document:
    close = finding("search", "cpu", factor=1.16, evidence=5.1)
    found = [f for f in good() if f.series != close.series] + [close]
    coverage = Coverage(36, 35, 35, 34, (), ('latency_p95{service="beta"}',))
    reasons = ("35 of 35 series stayed within 5% of production at the same load.",)
    return build(_verdict(Outcome.PASS, reasons, found, coverage), [trace(close, 300)])


def failing() -> Document:
    bad = [
        finding("cart-db", "cpu", factor=1.92, state="fired", evidence=31.4),
        finding("cart", factor=2.31, state="fired", evidence=24.0),
        finding("frontend", factor=1.47, state="fired", evidence=12.6, extrapolated=True),
        finding("payment", "error_ratio", factor=11.5, state="fired", evidence=17.9),
    ]
    close = finding("checkout", factor=1.19, evidence=6.6)
    missing = finding(
        "email", state="missing", observed=math.nan, effect=math.nan, evidence=math.nan
    )
    fired = {f.series for f in [*bad, close]}
    found = [f for f in good() if f.series not in fired] + [*bad, close, missing]
    incidents = (
        Incident(
            "i-1",
            run().id,
            START + 372,
            "critical",
            "cart is slow, and cart-db is the busy one",
            (anomaly(bad[0], 372, 390), anomaly(bad[1], 378, 400), anomaly(bad[2], 384, 445, 1060)),
            (
                Suspect("cart-db", 0.71, "its CPU rose first, and what calls it slowed after it"),
                Suspect("cart", 0.22, "its own time rose, 6 s after cart-db"),
                Suspect("frontend", 0.04, "slow only where it waits for cart"),
            ),
            START + 1110,
        ),
        Incident(
            "i-2",
            run().id,
            START + 905,
            "warning",
            "payment answers with errors during the spike",
            (anomaly(bad[3], 905, 922, 1030),),
            (Suspect("payment", 0.38, "the only service with errors; nothing below it is traced"),),
            START + 1030,
        ),
    )
    faults = (Integrity("gap", "search", START + 500, START + 520, "no scrape for 20 s"),)
    reasons = (
        "cpu of cart-db was 1.19 cores where production has 0.508 to 0.75 cores (+92%).",
        "latency_p95 of cart was 416 ms where production has 148 ms to 218 ms (+131%).",
        "latency_p95 of frontend was 265 ms where production has 148 ms to 218 ms (+47%).",
        "error_ratio of payment was 2.3% where production has 0.164% to 0.242% (+2.1 pp).",
    )
    coverage = Coverage(
        37, 35, 35, 33, ('latency_p95{service="email"}', 'error_ratio{service="email"}'), ()
    )
    calls = Estimate(9.2, 8.9, 9.5, 4100), Estimate(1.01, 1.0, 1.02, 90_000)
    gone = Estimate(0.0, 0.0, 0.004, 4100), Estimate(0.31, 0.3, 0.32, 90_000)
    shape = (
        ShapeChange(Reshaped.MORE_CALLS, "frontend", "GET /cart", "cart", "cart-db", *calls),
        ShapeChange(Reshaped.SERIAL, "frontend", "GET /cart", "frontend", "", *gone),
    )
    verdict = _verdict(
        Outcome.FAIL, reasons, found, coverage, incidents=incidents, integrity=faults, shape=shape
    )
    traces = [trace(bad[0], 372), trace(bad[1], 378), trace(bad[2], 384, 1050)]
    return build(verdict, [*traces, trace(bad[3], 905, 1020), trace(close, 600)])


def inconclusive() -> Document:
    found = [f for f in good() if f.service not in {"payment", "search"}]
    found += [finding("search", row[0], state="weak", mde=0.9, windows=4) for row in SIGNALS]
    nan = {"observed": math.nan, "effect": math.nan, "evidence": math.nan, "mde": math.nan}
    found += [
        finding("payment", row[0], state="missing", note="no scrape target answered", **nan)
        for row in SIGNALS
    ]
    missing = tuple(f.series for f in found if f.state == "missing")
    coverage = Coverage(
        36, 30, 30, 25, missing, ('cpu{service="canary"}',), ('cpu{service="cart"}',)
    )
    reasons = (
        "69% of production's series could have shown a change that matters; a pass takes 80%.",
        "5 series of payment are missing in staging.",
        "search had 4 windows; it needs about 9 minutes more at this load.",
    )
    return build(_verdict(Outcome.INCONCLUSIVE, reasons, found, coverage))


def invalid() -> Document:
    faults = (
        Integrity(
            "query-failed",
            "staging Prometheus",
            START + 240,
            START + 1110,
            "answered 503 to every query for 14m30s",
            breaks_run=True,
        ),
        Integrity("clock-skew", "search", START, START + 1110, "samples are 41 s ahead"),
    )
    coverage = Coverage(36, 0, 0, 0, (), ())
    reasons = ("Staging's Prometheus answered 503 from 14:04:00 UTC to the end of the run.",)
    found = [finding(service, windows=2, evidence=0.0) for service in SERVICES[:3]]
    verdict = _verdict(Outcome.INVALID, reasons, found, coverage, integrity=faults)
    return build(verdict, run=run("broken-mirror"))


ALL = {"pass": passing, "fail": failing, "inconclusive": inconclusive, "invalid": invalid}


def build_findings(*found: Finding) -> list[Document]:
    """The findings as the document has them."""
    return build(_verdict(Outcome.FAIL, (), found, NOTHING))["findings"]


def build_series(*traces: SeriesPlot) -> list[Document]:
    return build(_verdict(Outcome.FAIL, (), (), NOTHING), traces)["series"]


def build_run(bare: Run) -> Document:
    return build(_verdict(Outcome.FAIL, (), (), NOTHING), run=bare)["run"]
