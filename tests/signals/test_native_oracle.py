"""For the same native histograms the evaluator gives a real Prometheus 3's numbers, to rounding."""

from __future__ import annotations

import math
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from anomalyd.config import EnvironmentConfig
from anomalyd.http import session
from anomalyd.model import HistogramQuantile, Kind, Rate, Ratio, Selector, Signal
from anomalyd.signals.evaluate import Evaluator
from anomalyd.signals.identity import Canonical
from anomalyd.signals.native.names import SUFFIXES, natives
from anomalyd.signals.promql import compile
from anomalyd.signals.selector import parse_selector
from anomalyd.signals.table import SeriesTable, SignalTable
from anomalyd.sources.discovery import discover
from anomalyd.sources.native import read
from anomalyd.sources.promapi import PromApi
from anomalyd.sources.prometheus import PrometheusSource
from anomalyd.sources.wire import WRITE_1
from tests.fakes import native, sender
from tests.servers import prometheus
from tests.signals.asking import STEP, asked
from tests.signals.history import START
from tests.signals.native_history import NAME, History, generate

WINDOW = 30.0
SECONDS = 300
SAME = '{service!="rebounded"}'
"""Whether counts are there where boundaries change depends on what else Prometheus has decoded."""
COUNT = parse_selector(f"{NAME}_count{SAME}")
LATENCY = Selector(NAME)
SIGNALS = (
    Signal("traffic", Kind.TRAFFIC, Rate(COUNT)),
    Signal(
        "seconds",
        Kind.OTHER,
        Rate(parse_selector(f"{NAME}_sum{SAME}")),
        by=("instance", "service"),
    ),
    Signal(
        "a_share",
        Kind.ERRORS,
        Ratio(parse_selector(f'{NAME}_count{SAME[:-1]},instance="a"}}'), COUNT),
    ),
    Signal("p05", Kind.LATENCY, HistogramQuantile(LATENCY, 0.05)),
    Signal("p50", Kind.LATENCY, HistogramQuantile(LATENCY, 0.5), by=("service", "instance")),
    Signal("p95", Kind.LATENCY, HistogramQuantile(LATENCY, 0.95)),
    Signal(
        "p99",
        Kind.LATENCY,
        HistogramQuantile(parse_selector(f'{NAME}{{service!~"custom|rebounded"}}'), 0.99),
        by=(),
    ),
)
CANONICAL = Canonical(["service"])
Point = tuple[str, int]


def expected(url: str) -> tuple[dict[Point, float], dict[Point, float]]:
    found: tuple[dict[Point, float], dict[Point, float]] = ({}, {})
    for signal in SIGNALS:
        compiled = compile(signal, window=WINDOW, native={NAME})
        for query, into in zip((compiled.value, compiled.count), found, strict=True):
            for labels, points in asked(url, query, SECONDS).items() if query else ():
                for time, value in points.items():
                    if math.isfinite(value):
                        into[f"{signal.name}{CANONICAL.of(signal, labels)}", time] = value
    return found[0], {point: found[1][point] for point in found[1] if _told(point, found[0])}


def _told(point: Point, values: dict[Point, float]) -> bool:
    return point in values and "rebounded" not in point[0]


def evaluated(history: History) -> tuple[dict[Point, float], dict[Point, float]]:
    """What the evaluator says, fed as time goes on and asked 8 s behind the newest sample."""
    table = SignalTable(SIGNALS, 1000)
    evaluator = Evaluator(table, SeriesTable(10_000), CANONICAL, WINDOW)
    rows = {
        labels: evaluator.series.row(str(labels).encode(), lambda _, labels=labels: labels)
        for labels in history
    }
    stream = sorted(
        ((time, rows[labels], one) for labels, samples in history.items() for time, one in samples),
        key=lambda each: each[:2],
    )
    values: dict[Point, float] = {}
    counts: dict[Point, float] = {}
    fed = 0
    for tick in range(int(SECONDS / STEP) + 1):
        now = START + 10_000 + round(tick * STEP * 1000)
        until = fed
        while until < len(stream) and stream[until][0] <= now + 8000:
            until += 1
        pairs = [(row, parsed(native.message(one, time))) for time, row, one in stream[fed:until]]
        if pairs:
            samples, sound = read(pairs)
            assert sound.all()
            evaluator.take_histograms(samples)
        fed = until
        batch = evaluator.evaluate(now / 1000)
        for row, value, count in zip(batch.rows, batch.values, batch.counts, strict=True):
            values[table.keys[row], now] = value
            if math.isfinite(count) and "rebounded" not in table.keys[row]:
                counts[table.keys[row], now] = count
    return values, counts


def parsed(message: bytes) -> object:
    series = WRITE_1["TimeSeries"].FromString(sender.held(4, message))
    return series.histograms[0]


@pytest.fixture(scope="module", params=range(2))
def seeded(request, tmp_path_factory) -> Iterator[tuple[History, str]]:
    """A history, and a Prometheus that it was pushed to."""
    history = generate(request.param, SECONDS)
    folder: Path = tmp_path_factory.mktemp(f"native{request.param}")
    flags = (
        "--web.enable-remote-write-receiver",
        "--enable-feature=native-histograms",
        "--storage.tsdb.retention.time=100y",
    )
    with prometheus(folder, "", *flags, version=3) as url:
        for labels, samples in history.items():
            post(url, native.series(dict(labels), ((one, time) for time, one in samples)))
        yield history, url


def post(url: str, *series: bytes) -> None:
    body = sender.packed(sender.request(*series))
    request = urllib.request.Request(f"{url}/api/v1/write", body, sender.HEADERS, method="POST")
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 204


def test_values_and_counts_are_those_of_prometheus(seeded):
    history, url = seeded
    theirs, ours = expected(url), evaluated(history)
    for want, have in zip(theirs, ours, strict=True):
        points = want.keys() | have.keys()
        assert len(points) > 1000
        assert [
            (p, want.get(p), have.get(p))
            for p in sorted(points)
            if not _same(want.get(p), have.get(p))
        ] == []


async def test_a_prometheus_that_has_them_is_found_out_and_answers_the_same(seeded):
    history, url = seeded
    tick = START + 10_000 + round(40 * STEP * 1000)
    wanted = {NAME + suffix for suffix in SUFFIXES}.__contains__
    endpoint = EnvironmentConfig.model_validate({"url": url})
    async with session(endpoint) as http:
        api = PromApi(endpoint, http, name="staging")
        metrics = await discover(api, (), wanted, now=tick / 1000)
        assert natives(metrics) == {NAME}
        table = SignalTable(SIGNALS, 1000)
        source = PrometheusSource(api, table, CANONICAL, window=WINDOW, metrics=metrics)
        batch = await source.collect(tick / 1000)
    theirs = {table.keys[row]: v for row, v in zip(batch.rows, batch.values, strict=True)}
    ours = {key: value for (key, time), value in evaluated(history)[0].items() if time == tick}
    assert theirs == pytest.approx(ours, rel=1e-9, abs=1e-9)
    assert len(theirs) > 15


def _same(want: float | None, have: float | None) -> bool:
    if want is None or have is None:
        return want is have
    return math.isclose(want, have, rel_tol=1e-9, abs_tol=1e-9)
