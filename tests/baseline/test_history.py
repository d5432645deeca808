"""Stored rows as a fit wants them; and the whole way from a real Prometheus's blocks."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from anomalyd.baseline.history import Request, aligned, load_history
from anomalyd.baseline.reader import HistoryReader
from anomalyd.baseline.rows import RowStore, Stored
from anomalyd.config import EnvironmentConfig
from anomalyd.http import session
from anomalyd.model import (
    LOAD_SIGNAL,
    HistogramQuantile,
    Kind,
    Matcher,
    PromQL,
    Rate,
    Ratio,
    Selector,
    Signal,
)
from anomalyd.signals.identity import Canonical
from anomalyd.sources.discovery import discover
from anomalyd.sources.promapi import PromApi
from anomalyd.sources.queries import compile_all, metrics_of
from tests.servers import prometheus
from tests.tools import need

STEP = 60.0
LATENCY = Signal("latency", Kind.LATENCY, Rate(Selector("latency_total")))
LOAD = Signal(LOAD_SIGNAL, Kind.TRAFFIC, PromQL("load"), by=())
CANONICAL = Canonical(("service", "job"), rewrite=[(r"(\w+)-v\d", r"\1")])


def stored(name: str, origin: str = "prometheus") -> Stored:
    return Stored(name, 30.0, STEP, origin)


def put(store: RowStore, of: Stored, start: int, rows: dict[str, list[float]]) -> None:
    values = np.array(list(rows.values()), dtype=np.float32)
    keys = [json.dumps(json.loads(key)) for key in rows]
    store.write(of, start * STEP, (start + values.shape[1]) * STEP, keys, values)


NAN = float("nan")


def test_keys_are_canonical_and_load_is_per_unit_of_capacity(tmp_path: Path) -> None:
    store = RowStore(tmp_path)
    put(store, stored("latency"), 0, {'{"job":"a-v1"}': [1, 2, 3], '{"service":"b"}': [4, NAN, 6]})
    put(store, stored("count"), 0, {'{"job":"a-v1"}': [10, 20, 30]})
    put(store, stored("load"), 0, {"{}": [100, NAN, 300]})
    put(store, stored("pods"), 0, {"{}": [2, 2, 3]})
    requests = (
        Request(LATENCY, stored("latency"), stored("count")),
        Request(LOAD, stored("load")),
    )
    history = load_history(store, requests, 0, 3 * STEP, CANONICAL, stored("pods"))
    assert history.times.tolist() == [0, 60, 120]
    np.testing.assert_array_equal(history.load, [50, NAN, 100])
    latency = history.signals["latency"]
    assert latency.keys == ['latency{service="a"}', 'latency{service="b"}']
    np.testing.assert_array_equal(latency.values, [[1, 2, 3], [4, NAN, 6]])
    np.testing.assert_array_equal(latency.counts, [[10, 20, 30], [NAN, NAN, NAN]])
    assert history.meta["queries"] == {"latency": "latency", "load": "load"}
    constant = load_history(store, requests, 0, 3 * STEP, CANONICAL, 4.0)
    np.testing.assert_array_equal(constant.load, [25, NAN, 75])


def test_times_that_nobody_answered_are_left_out_and_counted_as_gaps(tmp_path: Path) -> None:
    store = RowStore(tmp_path)
    put(store, stored("latency"), 0, {'{"service":"a"}': [1, 2]})
    put(store, stored("latency"), 3, {'{"service":"a"}': [4]})
    requests = (Request(LATENCY, stored("latency")), Request(LOAD, stored("load")))
    history = load_history(store, requests, 0, 4 * STEP, CANONICAL)
    assert history.times.tolist() == [0, 60, 180]
    assert history.signals["latency"].values.tolist() == [[1, 2, 4]]
    assert np.isnan(history.load).all()
    assert history.meta["gaps"] == 0.25


def test_of_two_versions_of_one_service_the_busier_counts_and_the_other_fills_its_gaps(
    tmp_path: Path,
) -> None:
    store = RowStore(tmp_path)
    old, new = '{"service":"a-v1"}', '{"service":"a-v2"}'
    put(store, stored("latency"), 0, {old: [1, 1, NAN], new: [NAN, 2, 2]})
    put(store, stored("count"), 0, {old: [5, 5, NAN], new: [NAN, 50, 50]})
    requests = (Request(LATENCY, stored("latency"), stored("count")),)
    history = load_history(store, requests, 0, 3 * STEP, CANONICAL)
    assert history.signals["latency"].values.tolist() == [[1, 2, 2]]
    assert history.signals["latency"].counts.tolist() == [[5, 50, 50]]
    assert len(history.meta["duplicates"]) == 1
    assert "a-v1" in history.meta["duplicates"][0]


def test_rows_that_were_scraped_keep_their_labels(tmp_path: Path) -> None:
    store = RowStore(tmp_path)
    put(store, stored("latency", "scrape"), 0, {'{"service":"a-v1"}': [1]})
    requests = (Request(LATENCY, stored("latency", "scrape")),)
    history = load_history(store, requests, 0, STEP, CANONICAL)
    assert history.signals["latency"].keys == ['latency{service="a-v1"}']


def test_an_empty_store_is_a_history_without_times(tmp_path: Path) -> None:
    requests = (Request(LATENCY, stored("latency")),)
    history = load_history(RowStore(tmp_path), requests, 0, 10 * STEP, CANONICAL)
    assert len(history.times) == len(history.load) == 0
    assert history.meta["gaps"] == 1.0


def test_requests_of_unlike_windows_are_refused(tmp_path: Path) -> None:
    requests = (
        Request(LATENCY, stored("latency")),
        Request(LATENCY, Stored("latency", 60.0, STEP)),
    )
    with pytest.raises(ValueError, match="one window"):
        load_history(RowStore(tmp_path), requests, 0, STEP, CANONICAL)


@pytest.mark.parametrize(
    ("start", "end", "step", "inside"),
    [(61, 239, 60, (120, 180)), (60, 180, 60, (60, 180)), (0.3, 1.2, 0.5, (0.5, 1.0))],
)
def test_ranges_are_aligned_to_the_step(
    start: float, end: float, step: float, inside: tuple[float, float]
) -> None:
    assert aligned(start, end, step) == inside


BEGIN = 1_700_000_040
SECONDS = 3 * 3600
SCRAPE = 15
RATES = {"cart": 20, "web": 40}


def exposition() -> str:
    """Three hours of two services in production and one in staging, without resets."""
    lines = ["# TYPE http_requests counter"]
    for env, services in (("production", RATES), ("staging", {"cart": 1})):
        for service, rate in services.items():
            for code, share in (("200", 0.95), ("500", 0.05)):
                labels = f'env="{env}",service="{service}",code="{code}",instance="i"'
                lines += [
                    f"http_requests_total{{{labels}}} {rate * share * (t + 1)} {BEGIN + t}"
                    for t in range(0, SECONDS, SCRAPE)
                ]
    lines.append("# TYPE http_seconds histogram")
    for service, rate in RATES.items():
        labels = f'env="production",service="{service}"'
        for le, share in (("0.1", 0.5), ("0.2", 1.0), ("+Inf", 1.0)):
            lines += [
                f'http_seconds_bucket{{{labels},le="{le}"}} {rate * share * (t + 1)} {BEGIN + t}'
                for t in range(0, SECONDS, SCRAPE)
            ]
        lines += [
            f"http_seconds_count{{{labels}}} {rate * (t + 1)} {BEGIN + t}"
            for t in range(0, SECONDS, SCRAPE)
        ]
    return "\n".join([*lines, "# EOF", ""])


REQUESTS = Selector("http_requests_total")
BAD = Selector("http_requests_total", (Matcher("code", "=~", "5.."),))
SIGNALS = (
    Signal("p95", Kind.LATENCY, HistogramQuantile(Selector("http_seconds"), 0.95)),
    Signal("errors", Kind.ERRORS, Ratio(BAD, REQUESTS)),
    Signal(LOAD_SIGNAL, Kind.TRAFFIC, Rate(REQUESTS), by=()),
)


@pytest.fixture
def backfilled(tmp_path: Path) -> Path:
    """A folder with the exposition as blocks in `data`."""
    text = tmp_path / "metrics.txt"
    text.write_text(exposition())
    blocks = ["tsdb", "create-blocks-from", "openmetrics", str(text), str(tmp_path / "data")]
    subprocess.run([need("promtool"), *blocks], check=True, capture_output=True)
    return tmp_path


async def test_history_of_a_real_prometheus_is_what_was_put_in(backfilled: Path) -> None:
    forever = "--storage.tsdb.retention.time=10000d"
    start, end = BEGIN + 600.0, BEGIN + SECONDS - 600.0
    with prometheus(backfilled, "global: {}\n", forever) as url:
        history, fetched = await read_all(url, RowStore(backfilled / "history"), start, end)
    assert fetched == {}
    assert len(history.times) == (end - start) / STEP
    assert history.meta["gaps"] == 0
    np.testing.assert_allclose(history.load, 60 / 4, rtol=1e-5)
    errors, p95 = history.signals["errors"], history.signals["p95"]
    assert errors.keys == ['errors{service="cart"}', 'errors{service="web"}']
    np.testing.assert_allclose(errors.values, 0.05, rtol=1e-4)
    np.testing.assert_allclose(errors.counts, np.repeat([[1200], [2400]], 160, axis=1), rtol=1e-3)
    assert p95.keys == ['p95{service="cart"}', 'p95{service="web"}']
    np.testing.assert_allclose(p95.values, 0.19, rtol=1e-4)


async def read_all(url: str, store: RowStore, start: float, end: float):
    window = 60.0
    settings = {"url": url, "matchers": 'env="production"'}
    endpoint = EnvironmentConfig.model_validate(settings)
    async with session(endpoint) as http:
        api = PromApi(endpoint, http, name="production")
        needed = {name for signal in SIGNALS for name in metrics_of(signal)}
        metrics = await discover(api, endpoint.matchers, needed.__contains__, now=end)
        assert "service" in metrics["http_seconds_bucket"]
        compiled = compile_all(
            SIGNALS, CANONICAL, metrics, window=window, matchers=endpoint.matchers
        )
        requests = [
            Request(
                signal,
                Stored(one.value, window, STEP),
                Stored(one.count, window, STEP) if one.count else None,
            )
            for signal, one in zip(SIGNALS, compiled, strict=True)
        ]
        reader = HistoryReader(api, store, max_points=100)
        estimate = await reader.estimate(requests, start, end)
        assert estimate.series == {"p95": 2, "errors": 2, "load": 1}
        assert estimate.queries == 10
        fetched = await reader.fetch(requests, start, end)
    return load_history(store, requests, start, end, CANONICAL, 4.0), fetched.failures
