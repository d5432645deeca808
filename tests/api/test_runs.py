"""Runs over HTTP: from start to verdict and report."""

from __future__ import annotations

import asyncio
import io

import pytest

from anomalyd import codec
from anomalyd.model import Enrichment, Exemplar, Run, RunState, Verdict
from tests.api.daemon import until


async def start(api, **fields):
    status, run = await api.call("POST", "/api/v1/runs", {"name": "nightly"} | fields)
    assert status == 201
    return run


async def finish(api, run_id):
    await api.call("POST", f"/api/v1/runs/{run_id}/stop")
    api.daemon.tick(30.0)


async def test_a_run_is_started_looked_at_stopped_and_judged(api):
    run = await start(api, labels={"team": "shop"})
    assert run["state"] == "warmup"
    assert run["labels"] == {"team": "shop"}
    api.daemon.tick(60.0)
    status, live = await api.call("GET", f"/api/v1/runs/{run['id']}")
    assert status == 200
    assert live["run"]["state"] == "active"
    assert live["elapsed"] == 60.0
    assert live["likely"] is None
    status, stopped = await api.call("POST", f"/api/v1/runs/{run['id']}/stop")
    assert (status, stopped["state"]) == (200, "settling")
    api.daemon.tick(30.0)
    status, verdict = await api.call("GET", f"/api/v1/runs/{run['id']}/verdict")
    assert status == 200
    assert verdict["outcome"] == "fail"
    assert verdict["exit_code"] == 1
    assert codec.from_dict(Verdict, verdict).coverage.matched == 9


async def test_what_a_run_looks_like_is_what_the_codec_reads(api):
    plain = await start(api)
    run = codec.from_dict(Run, plain)
    assert run == api.daemon.store.run(run.id)


async def test_the_place_of_a_new_run_is_told(api):
    async with api.http.post(f"{api.url}/api/v1/runs", json={"name": "n"}) as response:
        run = await response.json()
        assert response.headers["Location"] == f"/api/v1/runs/{run['id']}"


async def test_a_second_run_is_a_conflict_that_names_the_first(api):
    first = await start(api)
    status, body = await api.call("POST", "/api/v1/runs", {"name": "other"})
    assert status == 409
    assert body["error"]["code"] == "run_conflict"
    assert body["error"]["run"] == first["id"]
    assert "stop it first" in body["error"]["message"]


async def test_a_settling_run_says_when_to_come_back(api):
    run = await start(api)
    await api.call("POST", f"/api/v1/runs/{run['id']}/stop")
    api.daemon.tick(9.5)
    async with api.http.post(f"{api.url}/api/v1/runs", json={"name": "other"}) as response:
        assert response.status == 409
        assert response.headers["Retry-After"] == "21"


async def test_a_selector_that_nothing_reads_is_refused(api):
    status, body = await api.call("POST", "/api/v1/runs", {"name": "n", "selector": "a"})
    assert (status, body["error"]["code"]) == (400, "selector_refused")


async def test_a_run_is_accepted_and_that_is_undone(api):
    run = await start(api)
    path = f"/api/v1/runs/{run['id']}/accept"
    status, body = await api.call("POST", path, {})
    assert (status, body["error"]["code"]) == (409, "not_acceptable")
    api.daemon.tick(60.0)
    await finish(api, run["id"])
    status, body = await api.call("POST", path, {"note": "why"})
    assert (status, body["error"]["code"]) == (409, "not_acceptable")
    status, row = await api.call("POST", path, {"note": "why", "force": True})
    assert (status, row["accepted"], row["outcome"]) == (200, True, "fail")
    assert row["notes"] == ["why"]
    for accepted in (True, False):
        _, listed = await api.call("GET", "/api/v1/runs")
        assert [one["accepted"] for one in listed["runs"]] == [accepted]
        _, seen = await api.call("GET", f"/api/v1/runs/{run['id']}")
        assert seen["accepted"] is accepted
        async with api.http.get(f"{api.url}/") as page:
            assert (">accepted<" in await page.text()) is accepted
        status, row = await api.call("DELETE", path)
        assert (status, row["accepted"]) == (200, False)


async def test_an_unknown_run_is_neither_accepted_nor_undone(api):
    for method, body in (("POST", {}), ("DELETE", None)):
        status, answer = await api.call(method, "/api/v1/runs/none/accept", body)
        assert (status, answer["error"]["code"]) == (404, "unknown_run")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "required field `name`"),
        ({"name": ""}, "length >= 1"),
        ({"name": 5}, "Expected `str`"),
        ({"name": "a\nb"}, "matching regex"),
        ({"name": "a", "colour": "red"}, "unknown field `colour`"),
        ({"name": "a", "labels": {"1a": "b"}}, "matching regex"),
        ({"name": "a", "labels": {"a": 1}}, "Expected `str`"),
        (["name"], "Expected `object`"),
    ],
)
async def test_a_start_that_does_not_fit_says_what(api, body, message):
    status, answer = await api.call("POST", "/api/v1/runs", body)
    assert (status, answer["error"]["code"]) == (400, "bad_request")
    assert message in answer["error"]["message"]
    assert api.daemon.lifecycle.runs == []


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b'{"name": "\xff"}'])
async def test_a_body_that_is_not_json_is_refused(api, data):
    headers = {"Content-Type": "application/json"}
    async with api.http.post(f"{api.url}/api/v1/runs", data=data, headers=headers) as response:
        assert response.status == 400
        assert (await response.json())["error"]["code"] in {"bad_json", "bad_request"}


async def test_a_body_over_a_mebibyte_is_refused(api):
    data = io.BytesIO(b'{"name": "' + b"a" * 2**20 + b'"}')
    headers = {"Content-Type": "application/json"}
    status, answer = await api.call("POST", "/api/v1/runs", data=data, headers=headers)
    assert (status, answer["error"]["code"]) == (413, "body_too_large")


async def test_runs_are_listed_newest_first_with_their_outcome(api):
    first = await start(api, name="first")
    await finish(api, first["id"])
    second = await start(api, name="second")
    _, body = await api.call("GET", "/api/v1/runs")
    assert [(run["id"], run["outcome"]) for run in body["runs"]] == [
        (second["id"], None),
        (first["id"], "fail"),
    ]
    _, body = await api.call("GET", "/api/v1/runs?limit=1")
    assert [run["id"] for run in body["runs"]] == [second["id"]]


@pytest.mark.parametrize("limit", ["-1", "many", "", "10001", "9" * 40, "1.5", "²"])
async def test_a_limit_that_is_no_number_is_named(api, limit):
    status, body = await api.call("GET", "/api/v1/runs", params={"limit": limit})
    assert (status, body["error"]["code"]) == (400, "bad_request")
    assert "write a whole number from 0 to 10000" in body["error"]["message"]


async def test_notes_are_kept_with_the_run_after_its_end_too(api):
    run = await start(api)
    await api.call("POST", f"/api/v1/runs/{run['id']}/notes", {"text": "cold cache"})
    await finish(api, run["id"])
    status, body = await api.call("POST", f"/api/v1/runs/{run['id']}/notes", {"text": "was fine"})
    assert status == 201
    assert body["notes"] == ["cold cache", "was fine"]
    assert body["state"] == "finished"


async def test_stopping_again_changes_nothing(api):
    run = await start(api)
    await finish(api, run["id"])
    status, body = await api.call("POST", f"/api/v1/runs/{run['id']}/stop")
    assert (status, body["state"]) == (200, RunState.FINISHED)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("POST", "/stop", None),
        ("POST", "/notes", {"text": "a"}),
        ("GET", "/verdict", None),
        ("GET", "/verdict?wait=1s", None),
        ("GET", "/report.json", None),
        ("GET", "/events", None),
    ],
)
async def test_an_unknown_run_is_not_found(api, method, path, body):
    status, answer = await api.call(method, f"/api/v1/runs/r9{path}", body)
    assert (status, answer["error"]["code"]) == (404, "unknown_run")
    assert answer["error"]["message"] == "there is no run r9"


async def test_a_verdict_that_is_not_there_is_accepted_with_the_status(api):
    run = await start(api)
    status, body = await api.call("GET", f"/api/v1/runs/{run['id']}/verdict")
    assert (status, body["run"]["state"]) == (202, "warmup")


async def test_waiting_for_a_verdict_ends_with_it(api):
    run = await start(api)
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(api.call("GET", f"/api/v1/runs/{run['id']}/verdict?wait=60s"))
        await until(lambda: api.daemon.hub.listeners)
        await finish(api, run["id"])
    status, verdict = asked.result()
    assert (status, verdict["outcome"]) == (200, "fail")
    assert api.daemon.hub.listeners == 0


async def test_waiting_in_vain_ends_with_the_status(api):
    run = await start(api)
    status, body = await api.call("GET", f"/api/v1/runs/{run['id']}/verdict?wait=10ms")
    assert (status, body["run"]["id"]) == (202, run["id"])


@pytest.mark.parametrize(
    ("wait", "message"),
    [
        ("61s", "wait=61s: wait 60s at most, and ask again"),
        ("30", "wait: '30' is not a duration; write a number with its unit, like 5s, 10m or 7d"),
    ],
)
async def test_a_wait_that_cannot_be_is_named(api, wait, message):
    run = await start(api)
    status, body = await api.call("GET", f"/api/v1/runs/{run['id']}/verdict?wait={wait}")
    assert (status, body["error"]["message"]) == (400, message)


@pytest.mark.parametrize(
    ("ending", "content_type", "form"),
    [
        ("json", "application/json", "json"),
        ("xml", "application/xml", "junit"),
        ("md", "text/markdown; charset=utf-8", "markdown"),
        ("html", "text/html; charset=utf-8", "html"),
    ],
)
async def test_reports_are_downloaded_as_what_they_are(api, ending, content_type, form):
    run = await start(api)
    await finish(api, run["id"])
    async with api.http.get(f"{api.url}/api/v1/runs/{run['id']}/report.{ending}") as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == content_type
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert await response.text() == f"{form} of {run['id']}"
        policy = response.headers.get("Content-Security-Policy", "")
        assert policy.startswith("sandbox allow-scripts") == (ending == "html")


async def test_a_recording_is_downloaded_once_the_run_is_over(api):
    run = await start(api)
    status, body = await api.call("GET", f"/api/v1/runs/{run['id']}/recording")
    assert (status, body["error"]["code"]) == (404, "no_recording")
    await finish(api, run["id"])
    async with api.http.get(f"{api.url}/api/v1/runs/{run['id']}/recording") as response:
        assert (response.status, await response.read()) == (200, b"recorded")
        assert response.headers["Content-Type"] == "application/zip"


async def test_a_report_that_is_not_there_says_so(api):
    run = await start(api)
    status, body = await api.call("GET", f"/api/v1/runs/{run['id']}/report.html")
    assert (status, body["error"]["code"]) == (404, "no_report")
    assert "(warmup) has no report as html" in body["error"]["message"]


async def test_a_report_that_was_deleted_says_so(api):
    run = await start(api)
    await finish(api, run["id"])
    (api.daemon.reports / run["id"] / "report.md").unlink()
    status, body = await api.call("GET", f"/api/v1/runs/{run['id']}/report.md")
    assert (status, body["error"]["code"]) == (404, "no_report")


async def test_a_report_of_another_ending_is_no_route(api):
    run = await start(api)
    status, body = await api.call("GET", f"/api/v1/runs/{run['id']}/report.pdf")
    assert (status, body["error"]["code"]) == (404, "unknown_route")


async def test_incidents_are_listed_by_run_and_state(api):
    run = await start(api)
    api.daemon.open_incident(run["id"], "i1")
    api.daemon.open_incident("older", "i2")
    _, body = await api.call("GET", f"/api/v1/incidents?run={run['id']}")
    assert [incident["id"] for incident in body["incidents"]] == ["i1"]
    assert body["incidents"][0]["anomalies"][0]["labels"] == {"service": "cart"}
    _, body = await api.call("GET", "/api/v1/incidents?open=true")
    assert body["total"] == 2
    _, body = await api.call("GET", "/api/v1/incidents?limit=1")
    assert (len(body["incidents"]), body["total"]) == (1, 2)
    _, live = await api.call("GET", f"/api/v1/runs/{run['id']}")
    assert [incident["id"] for incident in live["incidents"]] == ["i1"]
    status, _ = await api.call("GET", "/api/v1/incidents?run=r9")
    assert status == 404
    status, body = await api.call("GET", "/api/v1/incidents?open=maybe")
    assert (status, body["error"]["message"]) == (400, "open=maybe: write true or false")


async def test_an_incident_has_what_was_fetched_for_it(api):
    run = api.daemon.start_run("nightly", "", {})
    api.daemon.open_incident(run.id)
    _, body = await api.call("GET", f"/api/v1/incidents?run={run.id}")
    assert body["incidents"][0]["enrichment"] is None
    trace = Exemplar("4bf9", "cart", "GET /cart", 1.0, 0.8, "slow")
    api.daemon.store.save_enrichment(Enrichment(run.id, "i1", 2.0, (trace,)))
    _, body = await api.call("GET", f"/api/v1/incidents?run={run.id}")
    [shown] = body["incidents"][0]["enrichment"]["traces"]
    assert (shown["trace_id"], shown["why"]) == ("4bf9", "slow")
