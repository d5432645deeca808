"""What a server has, how often it scrapes, what its clock says; over plain HTTP and TLS."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from anomalyd.config import EnvironmentConfig
from anomalyd.http import session
from anomalyd.model import Matcher
from anomalyd.query import QueryError, Trouble
from anomalyd.sources.discovery import clock_skew, discover, scrape_interval
from anomalyd.sources.promapi import PromApi
from tests.fakes.certificates import Authority
from tests.fakes.prometheus import FakePrometheus, matrix, refuse, serve, vector

METRICS = {"http_requests_total": ["service", "code"], "up": ["job"], "go_goroutines": ["job"]}
STAGING = (Matcher("env", "=", "staging"),)


@asynccontextmanager
async def client(url: str, **settings: Any) -> AsyncIterator[PromApi]:
    endpoint = EnvironmentConfig.model_validate({"url": url, "timeout": "5s", **settings})
    async with session(endpoint) as http:
        yield PromApi(endpoint, http, name="staging")


async def test_wanted_metrics_are_found_with_their_labels_and_others_are_not_asked() -> None:
    fake = FakePrometheus(metrics=METRICS)
    async with serve(fake), client(fake.url) as api:
        found = await discover(api, STAGING, lambda name: name.startswith("http_"), now=7200.0)
    assert found == {"http_requests_total": frozenset({"service", "code"})}
    assert fake.asked("labels") == [
        {"match[]": 'http_requests_total{env="staging"}', "start": "3600.000"}
    ]


async def test_a_server_that_refuses_discovery_is_a_named_trouble() -> None:
    fake = FakePrometheus(metrics=METRICS, trouble=refuse(403))
    async with serve(fake), client(fake.url) as api:
        with pytest.raises(QueryError) as caught:
            await discover(api, STAGING)
    assert caught.value.kind is Trouble.FORBIDDEN


async def test_one_refused_metric_among_many_is_one_trouble_not_a_group() -> None:
    fake = FakePrometheus(metrics=METRICS, trouble=refuse(500, "internal", "boom"))
    fake.troubled = lambda path: path == "labels"
    async with serve(fake), client(fake.url) as api:
        with pytest.raises(QueryError, match="boom"):
            await discover(api, ())


def targets(*intervals: str, env: str = "staging") -> list[dict[str, Any]]:
    return [{"labels": {"env": env}, "scrapeInterval": interval} for interval in intervals]


@pytest.mark.parametrize(
    ("found", "interval"),
    [
        (targets("15s", "15s", "30s"), 30.0),
        (targets("15s") + targets("5m", env="production"), 15.0),
        (targets(*["15s"] * 20, "5m"), 15.0),
        (targets("1m30s"), 90.0),
    ],
    ids=["slowest", "of this environment", "but not of a lone exporter", "as Go writes it"],
)
async def test_the_scrape_interval_is_that_of_the_targets(
    found: list[dict[str, Any]], interval: float
) -> None:
    fake = FakePrometheus(targets=found)
    async with serve(fake), client(fake.url) as api:
        assert await scrape_interval(api, STAGING) == interval


async def test_without_targets_the_scrape_interval_is_read_off_the_samples_of_up() -> None:
    points = {1_700_000_000.1 + 15 * k: "1" for k in range(10)}
    fake = FakePrometheus({'up{env="staging"}[5m]': matrix(({"job": "a"}, points))})
    async with serve(fake), client(fake.url) as api:
        assert await scrape_interval(api, STAGING) == 15.0
        assert await scrape_interval(api, ()) is None


async def test_a_clock_that_runs_ahead_is_measured() -> None:
    fake = FakePrometheus(skew=90.0)
    async with serve(fake), client(fake.url) as api:
        skew = await clock_skew(api, time.time)
    assert 85 < skew.seconds < 95
    assert 85 < skew.certain <= abs(skew.seconds)
    assert 0 <= skew.uncertainty < 5


async def test_tls_with_our_authority_serves_queries_and_discovery(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    fake = FakePrometheus({"up": vector(({}, 1.0))}, metrics=METRICS)
    settings = {"tls": {"ca_file": authority.ca_file}, "auth": {"basic": BASIC}}
    async with serve(fake, authority.server()), client(fake.url, **settings) as api:
        assert len((await api.instant("up")).keys) == 1
        assert "up" in await discover(api, ())
    sent = {headers["Authorization"] for headers in fake.headers}
    assert sent == {"Basic YW5uOmxldCBtZSBpbg=="}
    agents = {headers["User-Agent"].partition("/")[0] for headers in fake.headers}
    assert agents == {"Python", "python-requests"}


BASIC = {"username": "ann", "password": "let me in"}


async def test_mutual_tls_serves_queries_and_discovery(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    mine = authority.issue("client")
    tls = {"ca_file": authority.ca_file, "cert_file": mine.cert_file, "key_file": mine.key_file}
    fake = FakePrometheus({"up": vector(({}, 1.0))}, metrics=METRICS)
    async with serve(fake, authority.server(mutual=True)):
        async with client(fake.url, tls=tls) as api:
            assert len((await api.instant("up")).keys) == 1
            assert "up" in await discover(api, ())
        without = {"ca_file": authority.ca_file}
        async with client(fake.url, tls=without) as api:
            with pytest.raises(QueryError):
                await api.instant("up")
    agents = {headers["User-Agent"].partition("/")[0] for headers in fake.headers}
    assert agents == {"Python", "python-requests"}


@pytest.mark.parametrize(
    ("address", "tls"),
    [("127.0.0.1", {}), ("127.0.0.9", None)],
    ids=["unknown authority", "another host's certificate"],
)
async def test_a_certificate_that_does_not_hold_names_the_setting(
    tmp_path: Path, address: str, tls: dict[str, str] | None
) -> None:
    authority = Authority(tmp_path)
    chosen = {"ca_file": authority.ca_file} if tls is None else tls
    fake = FakePrometheus()
    context = authority.server(address=address)
    async with serve(fake, context), client(fake.url, tls=chosen) as api:
        with pytest.raises(QueryError, match=r"check tls\.ca_file") as caught:
            await api.instant("up")
    assert caught.value.kind is Trouble.TLS


async def test_skipping_verification_serves_queries_and_discovery_without_a_warning(
    tmp_path: Path,
) -> None:
    fake = FakePrometheus({"up": vector(({}, 1.0))}, metrics=METRICS)
    settings = {"tls": {"insecure_skip_verify": True}}
    async with serve(fake, Authority(tmp_path).server()), client(fake.url, **settings) as api:
        assert len((await api.instant("up")).keys) == 1
        assert "up" in await discover(api, ())
