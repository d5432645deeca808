"""Release risk over HTTP: what became of releases, the reliability, and the pages of both."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from anomalyd import codec
from anomalyd.model import Verdict
from anomalyd.risk.calibration import Enough
from tests.api.test_page import page
from tests.api.test_runs import finish, start
from tests.risk.outcomes import overstated


async def judged(api) -> str:
    run = await start(api)
    await finish(api, run["id"])
    return run["id"]


async def test_the_verdict_and_the_run_have_the_risk(api):
    run_id = await judged(api)
    _, body = await api.call("GET", f"/api/v1/runs/{run_id}/verdict")
    risk = codec.from_dict(Verdict, body).risk
    assert risk is not None
    assert body["risk"]["score"] == risk.score > 90
    assert {"name", "value", "weight", "points", "reason"} <= body["risk"]["terms"][0].keys()
    _, status = await api.call("GET", f"/api/v1/runs/{run_id}")
    assert status["risk"] == body["risk"]
    assert status["became"] is None


async def test_an_outcome_is_recorded_listed_and_undone(api):
    run_id = await judged(api)
    path = f"/api/v1/runs/{run_id}/outcome"
    status, done = await api.call("POST", path, {"outcome": "incident", "note": "down"})
    assert (status, done["became"], done["note"]) == (200, "incident", "down")
    assert done["recorded_at"] == api.daemon.clock
    _, live = await api.call("GET", f"/api/v1/runs/{run_id}")
    assert live["became"] == "incident"
    assert await api.call("GET", "/api/v1/outcomes") == (200, {"outcomes": [done]})
    assert await api.call("DELETE", path) == (200, {"undone": done})
    assert await api.call("DELETE", path) == (200, {"undone": None})
    assert await api.call("GET", "/api/v1/outcomes") == (200, {"outcomes": []})


async def test_an_outcome_of_no_verdict_is_refused(api):
    run = await start(api)
    path = f"/api/v1/runs/{run['id']}/outcome"
    status, body = await api.call("POST", path, {"outcome": "clean"})
    assert (status, body["error"]["code"]) == (409, "not_recordable")
    for method, asked in (("POST", {"outcome": "clean"}), ("DELETE", None)):
        status, body = await api.call(method, "/api/v1/runs/none/outcome", asked)
        assert (status, body["error"]["code"]) == (404, "unknown_run")


@pytest.mark.parametrize("body", [{}, {"outcome": "fine"}, {"outcome": "clean", "more": 1}])
async def test_an_outcome_that_is_none_is_refused(api, body):
    run_id = await judged(api)
    status, answer = await api.call("POST", f"/api/v1/runs/{run_id}/outcome", body)
    assert (status, answer["error"]["code"]) == (400, "bad_request")


async def test_the_reliability_says_how_far_to_believe_it(api):
    status, body = await api.call("GET", "/api/v1/risk")
    assert (status, body["calibrated"]) == (200, False)
    assert body["standing"] == "uncalibrated: 0 of 30 outcomes recorded"
    for one in overstated(60):
        api.daemon.store.save_outcome(one)
    _, body = await api.call("GET", "/api/v1/risk")
    assert body["calibrated"]
    assert sum(one["count"] for one in body["recalibrated"]["bins"]) == 60


async def test_a_run_s_page_shows_the_number_with_every_term(api):
    run_id = await judged(api)
    text = await page(api, f"/runs/{run_id}")
    assert re.search(r"Release risk: \d+ of 100", text)
    assert "uncalibrated" in text
    assert text.count("<meter") == 11
    await api.call("POST", f"/api/v1/runs/{run_id}/outcome", {"outcome": "incident"})
    assert "The release became: <strong>incident</strong>" in await page(api, f"/runs/{run_id}")


async def test_the_page_of_the_risk_draws_what_was_said_and_seen(api):
    assert "None is recorded" in await page(api, "/risk")
    run_id = await judged(api)
    asked = {"outcome": "clean", "note": "<b>well"}
    await api.call("POST", f"/api/v1/runs/{run_id}/outcome", asked)
    assert "&lt;b&gt;well" in await page(api, "/risk")
    for one in overstated(60):
        api.daemon.store.save_outcome(one)
    api.daemon.needed = Enough(10, 2)
    text = await page(api, "/risk")
    drawings = re.findall(r"<svg.*?</svg>", text)
    assert len(drawings) == 2
    for one in drawings:
        assert ET.fromstring(one).tag == "svg"  # noqa: S314
    assert "Brier score" in text
    assert "<script" not in text
