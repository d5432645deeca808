"""What probes and scrapers see; reload; series; a store out of reach."""

from __future__ import annotations

import pytest

from anomalyd.api.control import NotReady
from anomalyd.runs.errors import StoreError


async def test_health_is_200_and_tells_what_is_degraded(api):
    assert await api.call("GET", "/-/healthy") == (200, {"status": "ok", "reasons": []})
    api.daemon.reasons_degraded = ["the disk is full"]
    assert await api.call("GET", "/-/healthy") == (
        200,
        {"status": "degraded", "reasons": ["the disk is full"]},
    )


async def test_readiness_is_503_with_reasons_until_there_are_none(api):
    api.daemon.reasons_not_ready = ["no baseline"]
    assert await api.call("GET", "/-/ready") == (
        503,
        {"status": "not ready", "reasons": ["no baseline"]},
    )
    api.daemon.reasons_not_ready = []
    assert await api.call("GET", "/-/ready") == (200, {"status": "ready", "reasons": []})


async def test_reload_applies_or_names_every_error(api):
    assert await api.call("POST", "/-/reload") == (200, {"status": "reloaded"})
    assert api.daemon.reloads == 1
    api.daemon.reload_errors = ["step: is required", "window: is too short"]
    status, body = await api.call("POST", "/-/reload")
    assert (status, body["error"]["code"]) == (400, "config_invalid")
    assert body["error"]["errors"] == ["step: is required", "window: is too short"]
    status, _ = await api.call("GET", "/-/reload")
    assert status == 405
    assert api.daemon.reloads == 1


async def test_metrics_are_text_exposition(api):
    async with api.http.get(f"{api.url}/metrics") as response:
        assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert await response.read() == b"anomalyd_ticks_total 3\n"


async def test_series_come_in_pages(api):
    seen = []
    offset = 0
    while offset is not None:
        _, body = await api.call("GET", f"/api/v1/series?offset={offset}&limit=10")
        assert body["total"] == 25
        seen += [row["series"] for row in body["series"]]
        offset = body["next_offset"]
    assert seen == api.daemon.keys


async def test_series_are_chosen_by_what_their_name_contains(api):
    status, body = await api.call("GET", "/api/v1/series", params={"match": '="s7"'})
    assert status == 200
    (row,) = body["series"]
    assert row["service"] == "s7"
    assert row["labels"] == {"service": "s7"}
    assert (row["observed"], row["low"], row["score"]) == (0.1, None, 0.5)
    assert body["next_offset"] is None
    _, body = await api.call("GET", "/api/v1/series?match=nothing")
    assert body == {"series": [], "total": 0, "next_offset": None}


@pytest.mark.parametrize("query", ["limit=10001", "offset=-1", "offset=9999999999999"])
async def test_a_page_that_cannot_be_is_named(api, query):
    status, body = await api.call("GET", f"/api/v1/series?{query}")
    assert (status, body["error"]["code"]) == (400, "bad_request")


async def test_a_store_out_of_reach_is_503(api, monkeypatch):
    def broken(limit):
        raise StoreError("the state database x: is damaged; move it away")

    monkeypatch.setattr(api.daemon, "runs", broken)
    status, body = await api.call("GET", "/api/v1/runs")
    assert (status, body["error"]["code"]) == (503, "store_unavailable")
    assert body["error"]["message"] == "the state database x: is damaged; move it away"


async def test_a_daemon_that_is_not_ready_says_so(api, monkeypatch):
    def applying(*_):
        raise NotReady("the configuration is being applied")

    monkeypatch.setattr(api.daemon, "start_run", applying)
    status, body = await api.call("POST", "/api/v1/runs", {"name": "nightly"})
    assert (status, body["error"]["code"]) == (503, "not_ready")
    assert body["error"]["message"] == "the configuration is being applied"
