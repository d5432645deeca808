"""The client against a real server, one that comes and goes, and things that are no server."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from anomalyd.api.access import Access
from anomalyd.api.app import create_app
from anomalyd.api.client import ServerAway, ServerClient, ServerRefused
from anomalyd.api.hub import Hub
from anomalyd.api.server import serve
from anomalyd.model import Outcome, RunState
from tests.api.daemon import served, until
from tests.fakes.receiver import serving
from tests.servers import free_port


def client(url: str, token: str | None = None, patience: float = 0.2) -> ServerClient:
    return ServerClient(
        url,
        token,
        patience_seconds=patience,
        shortest_pause_seconds=0.002,
        longest_pause_seconds=0.01,
    )


@pytest.fixture
async def api(daemon):
    async with served(daemon, "t0ken") as running:
        yield running


@pytest.fixture
async def server(api):
    async with client(api.url + "/", "t0ken") as opened:
        yield opened


async def test_a_run_from_start_to_report(api, server):
    run = await server.start_run("nightly", labels={"team": "shop"})
    assert run.labels.get("team") == "shop"
    assert (await server.note(run.id, "cold cache")).notes == ("cold cache",)
    api.daemon.open_incident(run.id)
    assert [incident.id for incident in await server.incidents(run.id)] == ["i1"]
    assert (await server.status(run.id)).incidents[0].summary == "cart is slow"
    stopped = await server.stop_run(run.id)
    assert stopped.state is RunState.SETTLING
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(server.wait_verdict(run.id))
        await until(lambda: api.daemon.hub.listeners)
        api.daemon.tick(30.0)
    assert waiting.result().outcome is Outcome.FAIL
    assert await server.report(run.id, "md") == f"markdown of {run.id}".encode()
    (row,) = await server.runs()
    assert (row["id"], row["outcome"]) == (run.id, "fail")


async def test_events_end_with_the_verdict(api, server):
    run = await server.start_run("nightly")
    kinds = []
    async for event in server.events(run.id):
        kinds.append(event.kind)
        if len(kinds) == 1:
            api.daemon.open_incident(run.id)
            api.daemon.stop_run(run.id)
            api.daemon.tick(30.0)
    assert kinds == ["run", "incident", "run", "finished"]


async def test_a_conflict_is_said_with_when_to_come_back(api, server):
    run = await server.start_run("nightly")
    await server.stop_run(run.id)
    with pytest.raises(
        ServerRefused, match=r"answered 409: run .* is settling for another 30s"
    ) as e:
        await server.start_run("other")
    assert (e.value.code, e.value.status, e.value.retry_after) == ("run_conflict", 409, 30.0)


async def test_a_wrong_token_is_said(api):
    async with client(api.url, "wrong") as stranger:
        with pytest.raises(ServerRefused, match="401: send the header Authorization: Bearer"):
            await stranger.runs()
        with pytest.raises(ServerRefused, match="401"):
            await anext(stranger.events("r1"))


async def test_an_id_with_strange_characters_stays_one_part_of_the_path(server):
    with pytest.raises(ServerRefused, match="404: there is no run a/b"):
        await server.status("a/b")


async def test_a_server_that_is_away_is_one_sentence(unused_port):
    url = f"http://127.0.0.1:{unused_port}"
    async with client(url, patience=0.02) as away:
        for call in (away.start_run("n"), away.runs(), anext(away.events("r1"))):
            with pytest.raises(ServerAway) as error:
                await call
            assert str(error.value).startswith(f"anomalyd at {url} cannot be reached (")
            assert str(error.value).endswith("is it running, and is the address right?")
            assert "\n" not in str(error.value)


@pytest.fixture
async def unused_port():
    return free_port()


@pytest.mark.parametrize("url", ["localhost:8642", "ftp://x", "http://", "", "http://me:pass@x"])
def test_what_is_no_url_is_said_at_once_but_not_shown(url):
    with pytest.raises(ServerAway, match="is not the URL of a server; write http://host") as said:
        ServerClient(url)
    assert "pass" not in str(said.value)


class Noticing(ServerClient):
    """Says when it first found nobody there."""

    def _away(self, error):
        self.found_nobody = True
        return super()._away(error)


async def test_a_server_that_comes_back_is_asked_again(daemon, unused_port):
    app = create_app(daemon, daemon.hub, Access("127.0.0.1:0"))
    patient = Noticing(
        f"http://127.0.0.1:{unused_port}",
        patience_seconds=10.0,
        shortest_pause_seconds=0.002,
        longest_pause_seconds=0.01,
    )
    patient.found_nobody = False
    async with patient, asyncio.TaskGroup() as group:
        started = group.create_task(patient.start_run("nightly"))
        await until(lambda: patient.found_nobody)
        async with serve(app, f"127.0.0.1:{unused_port}"):
            await started
    assert [run.name for run in daemon.lifecycle.runs] == ["nightly"]


@asynccontextmanager
async def answering(*answers):
    """A server that gives each answer once, the last one for ever; yields its URL and requests."""
    asked = []

    async def handle(request):
        asked.append((request.method, request.path))
        answer = answers[min(len(asked), len(answers)) - 1]
        if answer is None:
            request.transport.abort()
            return web.Response()
        status, text, content_type = answer
        return web.Response(status=status, text=text, content_type=content_type)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    async with serving(app) as url:
        yield url, asked


UNAVAILABLE = (503, '{"error": {"code": "store_unavailable", "message": "m"}}', "application/json")
EMPTY = (200, '{"runs": []}', "application/json")


async def test_what_can_be_repeated_is_repeated():
    async with answering(UNAVAILABLE, None, EMPTY) as (url, asked):
        async with client(url, patience=10.0) as server:
            assert await server.runs() == []
        assert len(asked) >= 3


NOT_READY = (503, '{"error": {"code": "not_ready", "message": "m"}}', "application/json")
STARTED = (
    201,
    '{"id": "r1", "name": "n", "state": "warmup", "started_at": 1.0}',
    "application/json",
)


async def test_a_start_of_which_nothing_came_is_sent_again():
    async with answering(NOT_READY, NOT_READY, STARTED) as (url, asked):
        async with client(url, patience=10.0) as server:
            assert (await server.start_run("nightly")).id == "r1"
        assert len(asked) == 3


@pytest.mark.parametrize("answer", [UNAVAILABLE, None], ids=["503", "cut off"])
async def test_a_start_that_may_have_arrived_is_not_sent_again(answer):
    async with answering(answer) as (url, asked), client(url, patience=10.0) as server:
        with pytest.raises(ServerAway):
            await server.start_run("nightly")
        assert asked == [("POST", "/api/v1/runs")]


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ((200, "<html>", "text/html"), "does not answer as anomalyd does"),
        ((200, "[]", "application/json"), "does not answer as anomalyd does"),
        ((200, '{"runs": 3}', "application/json"), r"as anomalyd does \(runs is not an array\)"),
        ((404, "not found", "text/plain"), "answered 404: Not Found"),
        ((400, '{"error": "x"}', "application/json"), "answered 400: Bad Request"),
    ],
)
async def test_what_is_no_anomalyd_is_said(answer, sentence):
    async with answering(answer) as (url, _), client(url) as server:
        with pytest.raises(ServerRefused, match=sentence):
            await server.runs()


async def test_a_run_that_is_none_is_said():
    async with answering((200, "{}", "application/json")) as (url, _), client(url) as server:
        with pytest.raises(ServerRefused, match=r"as anomalyd does \(id: is required\)"):
            await server.stop_run("r1")


async def test_a_lost_stream_is_taken_up_again(daemon, unused_port):
    """The server restarts while the client listens; nothing is told twice but how it stands."""
    listen = f"127.0.0.1:{unused_port}"
    run = daemon.start_run("nightly", "", {})
    async with client(f"http://{listen}", patience=10.0) as server:
        stream = server.events(run.id)
        async with serve(create_app(daemon, daemon.hub, Access(listen)), listen):
            assert (await anext(stream)).kind == "run"
        daemon.hub = Hub()
        async with serve(create_app(daemon, daemon.hub, Access(listen)), listen):
            again = await anext(stream)
            assert (again.kind, again.data["run"]["id"]) == ("run", run.id)
            daemon.stop_run(run.id)
            daemon.tick(30.0)
            assert [event.kind async for event in stream] == ["run", "finished"]


async def test_a_client_outside_its_block_is_a_bug():
    with pytest.raises(RuntimeError, match="outside of its `async with`"):
        await ServerClient("http://localhost").runs()
