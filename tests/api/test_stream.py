"""Server-sent events of a run, from how it stands to its verdict."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import msgspec

from anomalyd.api.hub import Event, Hub, run_event
from tests.api.daemon import served, until
from tests.runs import samples


async def frames(response):
    """Kind and data of each event, `(None, comment)` for comments."""
    kind = None
    async for raw in response.content:
        line = raw.decode().rstrip("\n")
        if line.startswith("event: "):
            kind = line[7:]
        elif line.startswith("data: "):
            yield kind, msgspec.json.decode(line[6:])
        elif line.startswith(":"):
            yield None, line


async def test_a_stream_tells_how_it_stands_what_happens_and_ends_with_the_verdict(api):
    daemon = api.daemon
    run = daemon.start_run("nightly", "", {})
    daemon.open_incident(run.id, "before")
    async with api.http.get(f"{api.url}/api/v1/runs/{run.id}/events") as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        stream = frames(response)
        told = [await anext(stream), await anext(stream)]
        daemon.open_incident(run.id, "after")
        daemon.open_incident("another-run", "elsewhere")
        daemon.tick(60.0)
        daemon.stop_run(run.id)
        daemon.tick(30.0)
        told += [event async for event in stream]
    assert [kind for kind, _ in told] == ["run", "incident", "incident", "run", "run", "finished"]
    assert told[0][1]["run"]["state"] == "warmup"
    assert [data["incident"]["id"] for kind, data in told if kind == "incident"] == [
        "before",
        "after",
    ]
    assert told[3][1]["reason"] == "the warm-up is over"
    assert told[-1][1]["outcome"] == "fail"
    assert told[-1][1]["exit_code"] == 1
    assert daemon.hub.listeners == 0


async def test_the_stream_of_a_finished_run_ends_at_once(api):
    run = api.daemon.start_run("nightly", "", {})
    api.daemon.stop_run(run.id)
    api.daemon.tick(30.0)
    async with api.http.get(f"{api.url}/api/v1/runs/{run.id}/events") as response:
        told = [kind async for kind, _ in frames(response)]
    assert told == ["run", "finished"]


async def test_a_quiet_stream_has_heartbeats(daemon):
    run = daemon.start_run("nightly", "", {})
    async with (
        served(daemon, heartbeat=0.01) as running,
        running.http.get(f"{running.url}/api/v1/runs/{run.id}/events") as response,
    ):
        stream = frames(response)
        assert (await anext(stream))[0] == "run"
        assert await anext(stream) == (None, ": heartbeat")
        assert await anext(stream) == (None, ": heartbeat")


async def test_a_client_that_does_not_read_is_disconnected_and_no_other(api):
    """Both listen; the slow one never reads, and its socket's buffers fill."""
    daemon = api.daemon
    run = daemon.start_run("nightly", "", {})
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(slow, ("127.0.0.1", api.port))
    await loop.sock_sendall(
        slow, f"GET /api/v1/runs/{run.id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    )
    await until(lambda: daemon.hub.listeners == 1)
    async with api.http.get(f"{api.url}/api/v1/runs/{run.id}/events") as response:
        reading = frames(response)
        await anext(reading)
        big = Event("run", run.id, {"filler": "x" * 500_000})
        told = 0
        while daemon.hub.listeners == 2:
            assert told < 200, "the slow client was never dropped"
            daemon.hub.publish(big)
            await anext(reading)
            told += 1
        assert daemon.hub.listeners == 1
        daemon.hub.publish(run_event(run, "still here"))
        assert (await anext(reading))[1]["reason"] == "still here"
    async with asyncio.timeout(5):
        with contextlib.suppress(ConnectionResetError):
            while await loop.sock_recv(slow, 2**20):
                pass
    slow.close()


async def test_a_client_that_left_is_forgotten_at_the_next_heartbeat(daemon):
    run = daemon.start_run("nightly", "", {})
    async with served(daemon, heartbeat=0.01) as running:
        async with running.http.get(f"{running.url}/api/v1/runs/{run.id}/events") as response:
            await anext(frames(response))
            assert daemon.hub.listeners == 1
            response.close()
        await until(lambda: daemon.hub.listeners == 0)


async def test_streams_and_waits_end_when_the_server_does(daemon):
    run = daemon.start_run("nightly", "", {})
    async with asyncio.timeout(5):
        async with served(daemon) as running, asyncio.TaskGroup() as group:
            path = f"/api/v1/runs/{run.id}/verdict?wait=60s"
            waiting = group.create_task(running.call("GET", path))
            async with running.http.get(f"{running.url}/api/v1/runs/{run.id}/events") as response:
                stream = frames(response)
                await anext(stream)
                await until(lambda: daemon.hub.listeners == 2)
                daemon.hub.close()
                assert [event async for event in stream] == []
    assert waiting.result()[0] == 202


async def test_who_comes_after_the_end_is_sent_away():
    hub = Hub()
    hub.close()
    with hub.subscribe("r1", lambda: None) as subscription:
        assert await subscription.get() is None


async def test_an_overflow_is_told_once_and_ends_the_subscription():
    hub = Hub(size=2)
    overflows = []
    with hub.subscribe("r1", lambda: overflows.append(1)):
        for _ in range(5):
            hub.publish(run_event(samples.run("r1")))
        assert hub.listeners == 0
    assert overflows == [1]
