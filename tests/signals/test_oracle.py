"""For the same samples, the numpy evaluator gives a real Prometheus's numbers, to rounding."""

from __future__ import annotations

import math
import subprocess
from pathlib import Path

import numpy as np
import pytest

from anomalyd.model import (
    Gauge,
    HistogramQuantile,
    Kind,
    Matcher,
    Rate,
    Ratio,
    Samples,
    Selector,
    Signal,
)
from anomalyd.signals.evaluate import Evaluator
from anomalyd.signals.identity import Canonical
from anomalyd.signals.promql import compile
from anomalyd.signals.selector import parse_selector
from anomalyd.signals.table import SeriesTable, SignalTable
from tests.servers import prometheus
from tests.signals import naive
from tests.signals.asking import STEP, asked
from tests.signals.history import START, History, exposition, generate
from tests.tools import need

WINDOW = 30.0
SECONDS = 600

REQUESTS = Selector("http_requests_total")
LATENCY = Selector("http_request_duration_seconds")
SIGNALS = (
    Signal("traffic", Kind.TRAFFIC, Rate(REQUESTS)),
    Signal(
        "total_traffic",
        Kind.TRAFFIC,
        Rate(parse_selector('http_requests_total{code!~"4.."}')),
        by=(),
    ),
    Signal(
        "errors", Kind.ERRORS, Ratio(parse_selector('http_requests_total{code=~"5.."}'), REQUESTS)
    ),
    Signal(
        "errors_by_instance",
        Kind.ERRORS,
        Ratio(parse_selector('http_requests_total{code="500"}'), REQUESTS),
        by=("service", "instance"),
    ),
    Signal("p50", Kind.LATENCY, HistogramQuantile(LATENCY, 0.5)),
    Signal("p95", Kind.LATENCY, HistogramQuantile(LATENCY, 0.95), by=("service", "instance")),
    Signal("p99", Kind.LATENCY, HistogramQuantile(LATENCY, 0.99), by=()),
    Signal(
        "edges",
        Kind.TRAFFIC,
        Rate(REQUESTS),
        by=("client", "server"),
        rename=(("instance", "client"), ("service", "server")),
    ),
    *(
        Signal(f"memory_{agg}", Kind.RESOURCE, Gauge(Selector("memory_bytes"), agg))
        for agg in ("sum", "avg", "max", "min")
    ),
)
CANONICAL = Canonical(["service"])
MATCHERS = (Matcher("instance", "=~", "a|b"),)

Point = tuple[str, int]  # (signal{labels}, ms)


def expected(url: str) -> tuple[dict[Point, float], dict[Point, float]]:
    """What Prometheus says of every signal: finite values, and counts."""
    values: dict[Point, float] = {}
    counts: dict[Point, float] = {}
    for signal in SIGNALS:
        compiled = compile(signal, window=WINDOW, matchers=MATCHERS)
        for query, into in ((compiled.value, values), (compiled.count, counts)):
            for labels, points in asked(url, query, SECONDS).items() if query else ():
                for time, value in points.items():
                    if math.isfinite(value):
                        into[f"{signal.name}{CANONICAL.of(signal, labels)}", time] = value
    return values, {point: count for point, count in counts.items() if point in values}


def evaluated(history: History) -> tuple[dict[Point, float], dict[Point, float]]:
    """What the evaluator says, fed as time goes on and asked 8 s behind the newest sample."""
    table = SignalTable(SIGNALS, 1000)
    evaluator = Evaluator(table, SeriesTable(10_000), CANONICAL, WINDOW, matchers=MATCHERS)
    rows = {
        labels: evaluator.series.row(str(labels).encode(), lambda _, labels=labels: labels)
        for labels in history
    }
    stream = sorted((t, rows[labels], v) for labels, samples in history.items() for t, v in samples)
    values: dict[Point, float] = {}
    counts: dict[Point, float] = {}
    fed = 0
    for tick in range(int(SECONDS / STEP) + 1):
        now = START + 10_000 + round(tick * STEP * 1000)
        until = fed
        while until < len(stream) and stream[until][0] <= now + 8000:
            until += 1
        fresh = np.array(stream[fed:until], dtype=float).reshape(-1, 3)
        evaluator.take(Samples(fresh[:, 1].astype(np.intp), fresh[:, 0] / 1000, fresh[:, 2]))
        fed = until
        batch = evaluator.evaluate(now / 1000)
        for row, value, count in zip(batch.rows, batch.values, batch.counts, strict=True):
            values[table.keys[row], now] = value
            if math.isfinite(count):
                counts[table.keys[row], now] = count
    return values, counts


def disputed(history: History) -> set[int]:
    """Times at which Prometheus 2 and 3 differ: 3 looks for the zero point after the threshold."""
    times = [START + 10_000 + round(i * STEP * 1000) for i in range(int(SECONDS / STEP) + 1)]
    window = round(WINDOW * 1000)
    return {
        now
        for labels, samples in history.items()
        if labels.get("__name__") != "memory_bytes"
        for now in times
        if naive.increase(samples, now, window)
        != naive.increase(samples, now, window, prometheus_2=True)
    }


@pytest.fixture(scope="module", params=range(4))
def seeded(request, tmp_path_factory):
    """A history, and a Prometheus that holds it."""
    history = generate(request.param, SECONDS)
    folder: Path = tmp_path_factory.mktemp(f"oracle{request.param}")
    (folder / "history.om").write_text(exposition(history))
    subprocess.run(
        [need("promtool"), "tsdb", "create-blocks-from", "openmetrics", "history.om", "data"],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    with prometheus(folder, "", "--storage.tsdb.retention.time=100y") as url:
        yield history, url


def test_values_and_counts_are_those_of_prometheus(seeded):
    history, url = seeded
    theirs, ours = expected(url), evaluated(history)
    skipped = disputed(history)
    assert len(skipped) < 0.5 * SECONDS / STEP
    for want, have in zip(theirs, ours, strict=True):
        points = {point for point in want.keys() | have.keys() if point[1] not in skipped}
        assert len(points) > 1000
        assert [p for p in sorted(points) if not _same(want.get(p), have.get(p))] == []


def _same(want: float | None, have: float | None) -> bool:
    if want is None or have is None:
        return want is have
    return math.isclose(want, have, rel_tol=1e-9, abs_tol=1e-9)
