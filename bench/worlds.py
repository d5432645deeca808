"""Signal series of a made-up system, production's profiles of them, and good runs; from a seed."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import NormalDist

import numpy as np

from anomalyd.baseline.lookup import Lookup
from anomalyd.baseline.profile import LOAD_BINS, QUANTILES, Baseline, Profiles
from anomalyd.detectors.base import Context, Mask
from anomalyd.explain.suspects import Graph
from anomalyd.judgement.context import Reference
from anomalyd.model import (
    LOAD_SIGNAL,
    Batch,
    Floats,
    Gauge,
    HistogramQuantile,
    Kind,
    Labels,
    Matcher,
    Rate,
    Ratio,
    Rows,
    Run,
    RunState,
    Selector,
    Signal,
    Worse,
)
from anomalyd.pipeline import Pipeline, Settings
from anomalyd.signals.table import SignalTable

WINDOW, STEP = 30.0, 5.0
"""Seconds: the defaults `window: auto` (with scrapes of up to 7.5 s) and `step`."""
TICKS_PER_WINDOW = round(WINDOW / STEP)
START = 1_700_000_010.0
LOAD, EVENTS = 100.0, 300.0
NOISE, PHI = 0.08, 0.5

BAD = Selector("http_requests_total", (Matcher("code", "=~", "5.."),))
SIGNALS = (
    Signal(LOAD_SIGNAL, Kind.TRAFFIC, Rate(Selector("entry_requests_total")), by=()),
    Signal(
        "latency_p95",
        Kind.LATENCY,
        HistogramQuantile(Selector("http_request_duration_seconds"), 0.95),
        ("service", "route"),
        "s",
    ),
    Signal(
        "error_ratio",
        Kind.ERRORS,
        Ratio(BAD, Selector("http_requests_total")),
        ("service", "route"),
    ),
    Signal(
        "traffic",
        Kind.TRAFFIC,
        Rate(Selector("http_requests_total")),
        ("service", "route"),
        worse=Worse.BOTH,
    ),
    Signal(
        "cpu",
        Kind.SATURATION,
        Rate(Selector("process_cpu_seconds_total")),
        ("service", "route"),
    ),
    Signal(
        "memory",
        Kind.RESOURCE,
        Gauge(Selector("process_resident_memory_bytes")),
        ("service", "route"),
        "By",
    ),
)
JUDGED = len(SIGNALS) - 1
ROUTES = 20
"""Routes per service: every label set carries all judged signals."""


def table(series: int) -> SignalTable:
    """Row 0 is the load; `series` judged rows follow, one in five a ratio of counts."""
    made = SignalTable(SIGNALS, limit=series + 1)
    made.row(0, Labels())
    for i in range(series):
        of = i // JUDGED
        labels = {"service": f"service-{of // ROUTES}", "route": f"/v1/resource/{of % ROUTES}"}
        made.row(1 + i % JUDGED, Labels.of(labels))
    return made


def baseline(of: SignalTable, medians: Floats | None = None) -> Baseline:
    """Profiles of every judged row, flat in load, 8 bins well filled.

    medians: float64[judged rows]; None: of every size, and 1% of bad requests.
    """
    rows = judged_rows(of)
    n, counted = len(rows), is_counted(of)[rows]
    if medians is None:
        medians = np.where(counted, 0.01, np.exp(np.random.default_rng(3).normal(size=n) * 2))
    spread = NOISE / np.sqrt(1 - PHI**2)
    levels = spread * np.array([NormalDist().inv_cdf(q) for q in QUANTILES])
    quantiles = np.broadcast_to(levels[:, np.newaxis, np.newaxis], (len(QUANTILES), LOAD_BINS, n))
    per_bin = np.broadcast_to(np.where(counted, medians, np.nan), (LOAD_BINS, n))
    single = np.float32
    return Baseline(
        Profiles(
            keys=tuple(of.keys[row] for row in rows),
            logarithmic=~counted,
            median=medians.astype(single),
            scale=np.where(counted, 0.001, 1.0).astype(single),
            load_bins=np.log(LOAD) + np.linspace(-1, 1, LOAD_BINS),
            quantiles=quantiles.astype(np.float16),
            sampling=np.where(counted, 0.0, 0.05).astype(single),
            noise=np.full(n, NOISE, single),
            phi=np.full(n, PHI, single),
            support=np.full((LOAD_BINS, n), 1000, single),
            present=np.ones(n, single),
            longest_gap=np.ones(n, single),
            floor=np.where(counted, 0.0, medians * 1e-3).astype(single),
            rate=per_bin.astype(single),
            events=np.full((LOAD_BINS, n), 1e6, single),
            spread=np.ones((LOAD_BINS, n), np.float16),
        ),
        {"window": WINDOW, "step": WINDOW, "conditioned": True, "load_range": [30.0, 300.0]},
    )


def judged_rows(of: SignalTable) -> Rows:
    loads = [i for i, signal in enumerate(of.signals) if signal.name == LOAD_SIGNAL]
    return np.flatnonzero(~np.isin(of.signal_index, loads))


def is_counted(of: SignalTable) -> Mask:
    """bool[n]: ratios of counts."""
    ratios = [i for i, signal in enumerate(of.signals) if isinstance(signal.definition, Ratio)]
    return np.isin(of.signal_index, ratios)


class GoodRun:
    """Values that production would have shown too: AR(1) around the profile, binomial errors."""

    def __init__(self, of: SignalTable, reference: Baseline, seed: int = 11) -> None:
        self._rng = np.random.default_rng(seed)
        self._counted = is_counted(of)[1:]
        self._median = reference.profiles.median.astype(np.float64)
        self._state = self._rng.normal(size=len(self._median)) * NOISE / np.sqrt(1 - PHI**2)
        self._rows = np.arange(len(of))
        self._answered = frozenset(signal.name for signal in of.signals)

    def batch(self, time: float) -> Batch:
        """The next disjoint window, as a source would hand it over."""
        n, rng = len(self._median), self._rng
        self._state = PHI * self._state + NOISE * rng.normal(size=n)
        values = self._median * np.exp(self._state)
        bad = rng.binomial(int(EVENTS), 0.01, size=n) / EVENTS
        values = np.where(self._counted, bad, values)
        counts = np.append(np.nan, np.full(n, EVENTS))
        return Batch(time, self._rows, np.append(LOAD, values), counts, self._answered)


def windows(of: SignalTable, reference: Baseline, count: int) -> Iterator[Batch]:
    run = GoodRun(of, reference)
    for i in range(count):
        yield run.batch(START + i * WINDOW)


def contexts(series: int, count: int) -> list[Context]:
    """What the detectors are given in `count` windows of a good run; the load's row left out."""
    of = table(series)
    known = baseline(of)
    reference = Reference(of, Lookup(known), None)
    rows = np.arange(1, len(of))
    answered, loads = np.ones(series, dtype=bool), np.full(series, LOAD)
    band = reference.band(LOAD, rows)
    return [
        reference.context(
            batch.time, WINDOW, batch.values[1:], batch.counts[1:], loads, band, answered, rows
        )
        for batch in windows(of, known, count)
    ]


def judging(of: SignalTable, reference: Baseline, window: float = WINDOW) -> Pipeline:
    """A pipeline with a run under way that is being judged."""
    pipeline = Pipeline(of, Settings(window=window), Graph({}))
    pipeline.use_baseline(reference)
    pipeline.start_run(run(RunState.ACTIVE))
    return pipeline


def run(state: RunState, stopped_at: float | None = None) -> Run:
    return Run("bench", "bench", state, START, active_at=START, stopped_at=stopped_at)


def residuals(series: int, count: int) -> Floats:
    """float64[count, series]: what the residuals of a good run look like, for detectors alone."""
    rng = np.random.default_rng(5)
    state = np.zeros(series)
    out = np.empty((count, series))
    for i in range(count):
        state = PHI * state + NOISE * rng.normal(size=series)
        out[i] = state
    return out
