from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from anomalyd import config
from anomalyd.sinks.base import IncidentChanged, Notice, RunStarted, SinkError
from anomalyd.sinks.payload import payload
from anomalyd.sinks.webhook import Webhook
from tests.fakes.receiver import Receiver
from tests.sinks.examples import NOW, Clock, a_run, an_incident, context, grown

NOTICE = IncidentChanged(a_run(), an_incident())


@asynccontextmanager
async def a_sink(url: str, clock: Clock | None = None, **settings: Any) -> AsyncIterator[Webhook]:
    section = config.WebhookSink.model_validate({"url": f"{url}/hook", **settings})
    sink = Webhook(section, context(clock=clock))
    await sink.start()
    yield sink
    await sink.stop()


async def test_a_notice_arrives_as_signed_json(heard: Receiver) -> None:
    async with a_sink(heard.url, token="key", headers={"X-Team": "shop"}) as sink:
        assert (await sink.deliver(NOTICE)).ok
    (request,) = heard.received
    assert (request.method, request.path) == ("POST", "/hook")
    assert request.json() == payload(NOTICE)
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["X-Team"] == "shop"
    assert request.headers["X-Anomalyd-Timestamp"] == str(int(NOW))
    signed = str(int(NOW)).encode() + b"." + request.body
    expected = hmac.new(b"key", signed, hashlib.sha256).hexdigest()
    assert request.headers["X-Anomalyd-Signature"] == f"sha256={expected}"


async def test_without_a_token_nothing_is_signed(heard: Receiver) -> None:
    async with a_sink(heard.url) as sink:
        await sink.deliver(NOTICE)
    assert "X-Anomalyd-Signature" not in heard.received[0].headers


async def test_an_attempt_keeps_its_delivery_id_and_gets_a_new_timestamp(heard: Receiver) -> None:
    heard.script = [(503, "", {})]
    clock = Clock()
    async with a_sink(heard.url, clock) as sink:
        assert (await sink.deliver(NOTICE)).retryable
        clock.now += 30
        assert (await sink.deliver(NOTICE)).ok
    async with a_sink(heard.url, clock) as sink:
        assert (await sink.deliver(NOTICE)).ok
    ids = [request.headers["X-Anomalyd-Delivery"] for request in heard.received]
    times = [request.headers["X-Anomalyd-Timestamp"] for request in heard.received]
    assert len(set(ids)) == 1
    assert times == [str(int(NOW)), str(int(NOW) + 30), str(int(NOW) + 30)]


async def test_every_change_has_a_delivery_id_of_its_own(heard: Receiver) -> None:
    incident = an_incident()
    notices: list[Notice] = [RunStarted(a_run())]
    for one in (incident, grown(incident), replace(incident, ended_at=NOW)):
        notices.append(IncidentChanged(a_run(), one))
    async with a_sink(heard.url) as sink:
        for notice in notices:
            await sink.deliver(notice)
    assert len({request.headers["X-Anomalyd-Delivery"] for request in heard.received}) == 4


@pytest.mark.parametrize(
    ("status", "headers", "ok", "retryable", "wait"),
    [
        (200, {}, True, False, None),
        (202, {}, True, False, None),
        (204, {}, True, False, None),
        (400, {}, False, False, None),
        (401, {}, False, False, None),
        (404, {}, False, False, None),
        (410, {}, False, False, None),
        (408, {}, False, True, None),
        (429, {"Retry-After": "12"}, False, True, 12.0),
        (500, {}, False, True, None),
        (503, {"Retry-After": "Mon, 21 Sep 2026 14:14:20 GMT"}, False, True, 60.0),
        (503, {"Retry-After": "Mon, 21 Sep 2020 14:14:20 GMT"}, False, True, 0.0),
        (503, {"Retry-After": "soon"}, False, True, None),
    ],
)
async def test_answers(
    heard: Receiver,
    status: int,
    headers: dict[str, str],
    ok: bool,
    retryable: bool,
    wait: float | None,
) -> None:
    heard.answer = (status, "", headers)
    async with a_sink(heard.url) as sink:
        result = await sink.deliver(NOTICE)
    assert (result.ok, result.retryable, result.status) == (ok, retryable, status)
    assert result.retry_after == wait


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(heard: Receiver, status: int) -> None:
    heard.script = [(status, "", {"Location": f"{heard.url}/other"})]
    async with a_sink(heard.url, token="key") as sink:
        result = await sink.deliver(NOTICE)
    assert len(heard.received) == 1
    assert (result.ok, result.retryable) == (False, False)
    assert result.detail == (
        f"answered {status}, a redirect to {heard.url}/other: set url to the final address"
    )


async def test_an_endless_answer_is_not_read_to_its_end(heard: Receiver) -> None:
    heard.answer = (400, "x" * (16 * 2**20), {})
    async with a_sink(heard.url) as sink:
        result = await sink.deliver(NOTICE)
    assert result.detail == "answered 400: " + "x" * 300


async def test_a_silent_receiver_is_worth_another_try(heard: Receiver) -> None:
    heard.script = [(0, "", {})]
    async with a_sink(heard.url) as sink:
        result = await sink.deliver(NOTICE)
    assert (result.ok, result.retryable) == (False, True)
    assert result.detail.startswith("cannot be reached")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"token_file": "absent"}, "sinks.webhook.token_file: No such file or directory"),
        ({"tls": {"ca_file": "absent"}}, "sinks.webhook: a TLS file: No such file or directory"),
        ({"auth": {"bearer_file": "absent"}}, "sinks.webhook: absent: No such file or directory"),
    ],
)
async def test_a_file_that_is_not_there_is_said_in_one_sentence(
    settings: dict[str, Any], message: str
) -> None:
    section = config.WebhookSink.model_validate({"url": "http://127.0.0.1:1", **settings})
    with pytest.raises(SinkError) as raised:
        await Webhook(section, context()).start()
    assert str(raised.value) == message


async def test_the_token_may_come_from_a_file(heard: Receiver, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("key\n")
    async with a_sink(heard.url, token_file=str(tmp_path / "token")) as sink:
        await sink.deliver(NOTICE)
    async with a_sink(heard.url, token="key") as sink:
        await sink.deliver(NOTICE)
    signatures = {request.headers["X-Anomalyd-Signature"] for request in heard.received}
    assert len(signatures) == 1
