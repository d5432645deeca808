"""What k6 pushes is read, and its preset's signals come of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from anomalyd.config import EnvironmentConfig, Limits
from anomalyd.model import Environment
from anomalyd.push import Post
from anomalyd.signals import presets
from anomalyd.signals.identity import Canonical
from anomalyd.signals.table import SignalTable
from anomalyd.sources.base import Make, Side, Wanted
from anomalyd.sources.decode import Identity, decode, decode_fully
from anomalyd.sources.pushed import build
from anomalyd.sources.remote_write import RemoteWrite, inflated
from tests.fakes import sender
from tests.sources import k6_bodies
from tests.sources.k6_bodies import FAILING, FLUSH, PER_FLUSH, START, Script
from tests.sources.test_decode import Names, both

WINDOW = 30.0


def test_the_files_are_what_their_generator_makes():
    for name, body in k6_bodies.files().items():
        assert (k6_bodies.FOLDER / name).read_bytes() == body


@pytest.mark.parametrize(
    ("name", "samples", "histograms"), [("trends", 39, 0), ("stale", 39, 0), ("native", 11, 2)]
)
def test_every_series_of_a_flush_is_read_the_same_by_the_fast_path(name, samples, histograms):
    body = inflated((k6_bodies.FOLDER / f"k6-{name}.snappy").read_bytes(), 2**20)
    both(body, body)
    found = decode(body, Identity(Names()))
    assert (len(found.codes), len(found.histograms)) == (samples, histograms)
    is_stale = found.values.view(np.uint64) == 0x7FF0000000000002
    assert bool(is_stale.all()) == (name == "stale")


def test_names_and_tags_are_those_that_k6_documents():
    body = inflated((k6_bodies.FOLDER / "k6-trends.snappy").read_bytes(), 2**20)
    names = Names()
    decode_fully(body, Identity(names))
    metrics = [labels.get("__name__") for labels in names.labels]
    assert {"k6_vus", "k6_checks_rate", "k6_http_req_duration_p95"} <= set(metrics)
    assert dict(names.labels[metrics.index("k6_http_reqs_total")]) == {
        "__name__": "k6_http_reqs_total",
        "expected_response": "true",
        "method": "GET",
        "name": "http://shop/checkout",
        "proto": "HTTP/1.1",
        "scenario": "checkout",
        "status": "200",
        "url": "http://shop/checkout",
    }


class Staging:
    """An environment that k6 pushes to, with the signals of its preset."""

    def __init__(self, tmp_path, metrics: Sequence[str]) -> None:
        config = EnvironmentConfig.model_validate({"remote_write": {}})
        side = Side(Environment.STAGING, config, None, {}, None, section="remote_write")
        names = presets.metric_names(["k6"])
        wanted = Wanted(names.__contains__, Limits(), tmp_path)
        labels = frozenset({"scenario", "expected_response", "le"})
        known = dict.fromkeys(metrics, labels)
        self.table = SignalTable(presets.resolve(["k6"], known), 1000)
        signals = frozenset(signal.name for signal in self.table.signals)
        canonical = Canonical(["service"])
        self.source = build(Make(side, self.table, canonical, WINDOW, wanted, signals))
        self.receiver = RemoteWrite({Environment.STAGING: self.source}, 2**25)

    def send(self, plain: bytes, at: float) -> int:
        post = Post("staging", k6_bodies.HEADERS, sender.packed(plain), at)
        return self.receiver.receive(post).status

    async def values(self, at: float) -> dict[str, float]:
        batch = await self.source.collect(at)
        return {self.table.keys[r]: v for r, v in zip(batch.rows, batch.values, strict=True)}


TRENDS = (
    "k6_http_req_duration_p95",
    "k6_http_req_duration_p99",
    "k6_http_reqs_total",
    "k6_dropped_iterations_total",
)


async def test_flush_by_flush_the_presets_signals_say_what_the_script_did(tmp_path):
    staging, script = Staging(tmp_path, TRENDS), Script(native=False, statistics=(95, 99))
    for nth in range(1, 11):
        assert staging.send(script.flush(), START + FLUSH * nth) == 204
    found = await staging.values(START + FLUSH * 10)
    assert found == {
        'k6_latency_p95{scenario="checkout"}': pytest.approx(0.155, rel=0.15),
        'k6_latency_p99{scenario="checkout"}': pytest.approx(0.2, rel=0.25),
        'k6_error_ratio{scenario="checkout"}': pytest.approx(FAILING / PER_FLUSH, rel=0.01),
        'k6_dropped_iterations{scenario="checkout"}': pytest.approx(3 / FLUSH, rel=0.05),
    }


async def test_trends_as_native_histograms_have_a_quantile_of_the_window(tmp_path):
    staging = Staging(tmp_path, ("k6_http_req_duration_seconds_bucket",))
    script = Script(native=True)
    for nth in range(1, 11):
        assert staging.send(script.flush(), START + FLUSH * nth) == 204
    found = await staging.values(START + FLUSH * 10)
    assert found == {'k6_latency_p95{scenario="checkout"}': pytest.approx(0.155, rel=0.15)}


async def test_the_stale_markers_of_a_script_that_ended_are_no_values(tmp_path):
    staging, script = Staging(tmp_path, TRENDS), Script(native=False, statistics=(95, 99))
    for nth in range(1, 11):
        staging.send(script.flush(), START + FLUSH * nth)
    ended = START + FLUSH * 10
    before = await staging.values(ended)
    assert staging.send(script.stale(), ended) == 204
    assert await staging.values(ended) == before
