"""The daemon is asked over its API, and what goes wrong is said in one sentence."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from anomalyd import config
from anomalyd.demo.judge import Api, Judge
from anomalyd.demo.plan import Plan
from anomalyd.demo.process import DemoError
from anomalyd.demo.system import Target
from anomalyd.report import FORMATS


@asynccontextmanager
async def api_of(*routes: web.RouteDef) -> AsyncIterator[Api]:
    application = web.Application()
    application.add_routes(routes)
    async with TestServer(application) as server, aiohttp.ClientSession() as session:
        yield Api(str(server.make_url("")).rstrip("/"), session)


def frame(kind: str, data: object) -> bytes:
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode()


async def test_incidents_are_read_from_the_stream_until_the_run_is_finished() -> None:
    async def events(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(frame("run", {"run": {"id": "r1"}}))
        await response.write(b": heartbeat\n\n")
        await response.write(frame("incident", {"incident": {"id": "i1", "ended_at": None}}))
        await response.write(frame("incident", {"incident": {"id": "i1", "ended_at": 5.0}}))
        await response.write(frame("finished", {"outcome": "fail"}))
        await response.write(frame("incident", {"incident": {"id": "too late"}}))
        return response

    async with api_of(web.get("/api/v1/runs/r1/events", events)) as api:
        seen = [(found["id"], found["ended_at"]) async for found in api.incidents("r1")]
    assert seen == [("i1", None), ("i1", 5.0)]


async def test_it_waits_until_there_is_a_baseline() -> None:
    answers = iter([(503, "not ready"), (503, "not ready"), (200, "ready")])
    asked = []

    async def ready(_: web.Request) -> web.Response:
        status, word = next(answers)
        asked.append(status)
        return web.json_response({"status": word}, status=status)

    async with api_of(web.get("/-/ready", ready)) as api:
        await api.ready()
    assert asked == [503, 503, 200]


async def test_waiting_ends_with_a_sentence() -> None:
    async def never(_: web.Request) -> web.Response:
        return web.json_response({"total": 0})

    async with api_of(web.get("/api/v1/series", never)) as api:
        with pytest.raises(DemoError, match=r"/api/v1/series was not there within 0.3 s"):
            await api.sees(timeout=0.3)


async def test_reports_are_there_when_the_last_format_is() -> None:
    asked = []

    async def report(request: web.Request) -> web.Response:
        asked.append(request.match_info["form"])
        late = request.match_info["form"] == "html" and asked.count("html") < 3
        return web.Response(status=404 if late else 200, text="<p>report</p>")

    async with api_of(web.get("/api/v1/runs/r1/report.{form}", report)) as api:
        await api.reported("r1")
    assert asked == ["json", "xml", "md", "html", "html", "html"]


async def test_a_refusal_is_told_with_what_was_asked() -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=409, text="a run is under way")

    async with api_of(web.post("/api/v1/runs", refuse)) as api:
        with pytest.raises(DemoError, match=r"answered 409 to POST .*: a run is under way"):
            await api.start("good")


async def test_a_daemon_that_is_gone_is_told() -> None:
    async with aiohttp.ClientSession() as session:
        api = Api(f"http://127.0.0.1:{unused_port()}", session)
        with pytest.raises(DemoError, match="does not answer"):
            await api.start("good")
        with pytest.raises(DemoError, match="does not answer"):
            await api.ready()


def targets() -> list[Target]:
    return [Target("http://127.0.0.1:9/metrics", {"service": "cart"})]


def test_the_daemon_takes_the_configuration_and_it_is_the_plan(tmp_path: Path) -> None:
    judge, plan = Judge(tmp_path), Plan()
    judge.configure(plan.configuration(targets(), targets(), judge.state))
    taken = config.load(tmp_path / "anomalyd.yaml")
    assert taken.window == plan.window
    assert taken.judgement.warmup == plan.warmup
    assert taken.state_dir == tmp_path / "state"
    assert taken.environments.staging.scrape is not None
    assert taken.environments.staging.scrape.interval == plan.scrape_interval
    assert taken.graph == {"gateway": ("cart",), "cart": ("pricing", "inventory")}


def test_the_tests_run_inside_the_loads_that_production_is_seen_at() -> None:
    plan = Plan()
    assert plan.low < plan.rate < plan.high
    assert plan.good_test().seconds > plan.bad_test().seconds - plan.fault
    assert plan.before_fault > plan.warmup + 8 * plan.window


async def test_a_daemon_that_refuses_its_configuration_is_told_with_its_log(tmp_path: Path) -> None:
    judge = Judge(tmp_path)
    judge.configure({"environments": {}})
    with pytest.raises(DemoError, match=r"ended before it was ready; .*anomalyd\.log says why"):
        async with judge.serving():
            pytest.fail("it does not serve")
    assert "environments.staging: is required" in judge.log.read_text("utf-8")


async def test_a_fit_without_history_is_told_with_its_log(tmp_path: Path) -> None:
    judge = Judge(tmp_path)
    judge.configure(Plan().configuration(targets(), targets(), judge.state))
    with pytest.raises(DemoError, match=r"could not be fitted; .*anomalyd\.log says why"):
        await judge.fit()
    assert judge.log.read_text("utf-8").startswith("anomalyd: ")


def test_the_reports_that_are_named_are_the_ones_that_are_written(tmp_path: Path) -> None:
    named = {path.name for path in Judge(tmp_path).reports("run")}
    assert named == {form.filename for form in FORMATS}
