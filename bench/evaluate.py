"""Signals from raw scraped series: one window of rates, ratios, quantiles and means."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from anomalyd.model import (
    Floats,
    Gauge,
    HistogramQuantile,
    Kind,
    Labels,
    Rate,
    Ratio,
    Samples,
    Selector,
    Signal,
)
from anomalyd.signals.evaluate import Evaluator
from anomalyd.signals.identity import Canonical
from anomalyd.signals.table import SeriesTable, SignalTable
from bench.measure import Figure, alternate
from bench.worlds import BAD, START, WINDOW

SCRAPE = 5.0
SCRAPES = 8
BOUNDS = (
    *("0.005", "0.01", "0.025", "0.05", "0.075", "0.1", "0.25"),
    *("0.5", "0.75", "1", "2.5", "5", "10", "+Inf"),
)
INSTANCES, CODES = 7, ("200", "404", "500")
"""With one histogram, 50 raw series per service, of which 5 signal series come."""

SIGNALS = (
    Signal("p95", Kind.LATENCY, HistogramQuantile(Selector("latency_seconds"), 0.95)),
    Signal("errors", Kind.ERRORS, Ratio(BAD, Selector("http_requests_total"))),
    Signal("traffic", Kind.TRAFFIC, Rate(Selector("http_requests_total"))),
    Signal("cpu", Kind.SATURATION, Rate(Selector("process_cpu_seconds_total"))),
    Signal("memory", Kind.RESOURCE, Gauge(Selector("process_resident_memory_bytes"))),
)


def run(quick: bool) -> Iterator[Figure]:
    services = 20 if quick else 2_000
    evaluator = Evaluator(
        SignalTable(SIGNALS, 10**6), SeriesTable(10**6), Canonical(("service",)), WINDOW
    )
    rows, is_counter = raw_series(evaluator.series, services)
    values = samples(is_counter)
    times: Floats = START + SCRAPE * np.arange(SCRAPES, dtype=np.float64)
    for time, row in zip(times, values, strict=True):
        evaluator.take(Samples(rows, np.full(len(rows), time), row))
    now = float(times[-1])
    if len(evaluator.evaluate(now).rows) != services * len(SIGNALS):
        raise RuntimeError("not every signal series has a value: this measures something else")
    frame = wide(evaluator.series, values, times)
    latest: dict[int, float] = {}

    def take() -> None:
        nonlocal now
        now += SCRAPE
        evaluator.take(Samples(rows, np.full(len(rows), now), values[-1] + now))

    taken, window, pandas, kept = alternate(
        3 if quick else 9,
        take,
        lambda: evaluator.evaluate(now),
        lambda: sums(frame),
        lambda: latest.update(zip(rows.tolist(), values[-1].tolist(), strict=True)),
    )
    per_series = 1e9 / len(rows)
    yield Figure(
        "evaluate.window",
        f"{services * len(SIGNALS)} signal series from {len(rows)} raw series, one window",
        "ns per raw series",
        window.times(per_series),
        "pandas, sums of rates only",
        pandas.times(per_series),
    )
    yield Figure(
        "evaluate.take",
        f"one scrape of {len(rows)} known raw series stored for its windows",
        "ns per sample",
        taken.times(per_series),
        "a dict of the latest values",
        kept.times(per_series),
    )


def raw_series(series: SeriesTable, services: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of every service's raw series, and which of them are counters."""
    rows: list[int] = []
    counters: list[bool] = []
    for i in range(services):
        for name, more in of_service():
            labels = Labels.of({"__name__": name, "service": f"service-{i}", **more})
            rows.append(series.row(str(labels).encode(), lambda _, labels=labels: labels))
            counters.append(name != "process_resident_memory_bytes")
    return np.array(rows, dtype=np.intp), np.array(counters)


def of_service() -> Iterator[tuple[str, dict[str, str]]]:
    for bound in BOUNDS:
        yield "latency_seconds_bucket", {"le": bound}
    yield "latency_seconds_count", {}
    for instance in map(str, range(INSTANCES)):
        for code in CODES:
            yield "http_requests_total", {"instance": instance, "code": code}
        yield "process_cpu_seconds_total", {"instance": instance}
        yield "process_resident_memory_bytes", {"instance": instance}


def samples(is_counter: np.ndarray) -> Floats:
    """float64[SCRAPES, raw]: counters that grow, gauges that wander."""
    rng = np.random.default_rng(8)
    steps = rng.integers(1, 50, size=(SCRAPES, len(is_counter))).astype(np.float64)
    return np.where(is_counter, steps.cumsum(axis=0), 1e8 + 1e6 * steps)


def wide(series: SeriesTable, values: Floats, times: Floats) -> pd.DataFrame:
    """The same samples as people keep them in pandas: a column per raw series."""
    columns = pd.MultiIndex.from_tuples(
        [(labels.get("__name__"), labels.get("service")) for labels in series.labels],
        names=["name", "service"],
    )
    return pd.DataFrame(values, index=pd.to_datetime(times, unit="s"), columns=columns)


def sums(frame: pd.DataFrame) -> pd.Series[float]:
    """Increases with resets, summed by metric and service: no extrapolation, no quantiles."""
    inside = frame.iloc[-round(WINDOW / SCRAPE) :]
    grown = inside.diff().clip(lower=0).sum() / WINDOW
    return grown.groupby(level=["name", "service"]).sum()
