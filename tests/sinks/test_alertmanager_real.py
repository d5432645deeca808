"""Against a real Alertmanager: what it keeps, whom it tells, and what it refuses."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from anomalyd.model import Incident
from anomalyd.sinks.base import IncidentChanged
from tests.fakes.receiver import Receiver, receiver
from tests.servers import alertmanager
from tests.sinks.alertmanagers import a_sink
from tests.sinks.examples import DictMemory, a_run, an_incident, context, grown, until

RUN = a_run()
CONFIG = """
route: {receiver: hook, group_by: [incident], group_wait: 20ms, group_interval: 100ms}
receivers:
  - {name: hook, webhook_configs: [{url: "%s/hook", send_resolved: true}]}
"""


@pytest.fixture
async def told() -> AsyncIterator[Receiver]:
    async with receiver() as kept:
        yield kept


@pytest.fixture
def url(tmp_path: Path, told: Receiver) -> Iterator[str]:
    with alertmanager(tmp_path, CONFIG % told.url) as base:
        yield base


async def listed(url: str) -> list[dict[str, Any]]:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/api/v2/alerts") as answer:
        assert answer.status == 200
        return list(await answer.json())


def opened(name: str = "i1") -> Incident:
    return replace(an_incident(name), started_at=time.time() - 120)


def statuses(told: Receiver) -> list[str]:
    return [request.json()["status"] for request in told.received]


async def test_an_incident_fires_grows_and_resolves_as_one_alert_over_a_restart(
    url: str, told: Receiver
) -> None:
    incident, memory = opened(), DictMemory()
    async with a_sink(url, within=context(memory, time.time), resend_delay="1s") as sink:
        assert (await sink.deliver(IncidentChanged(RUN, incident))).ok
        (first,) = await listed(url)
        await until(lambda: statuses(told) == ["firing"])
        assert (await sink.deliver(IncidentChanged(RUN, grown(incident)))).ok
        (second,) = await listed(url)
    assert first["fingerprint"] == second["fingerprint"]
    assert "1.5 s" in second["annotations"]["description"]

    async with a_sink(url, within=context(memory, time.time), resend_delay="1s") as sink:
        assert (await sink.refresh(time.time())).ok
        (third,) = await listed(url)
        assert moment(third["endsAt"]) > moment(first["endsAt"])
        assert moment(third["startsAt"]) == moment(first["startsAt"])
        closed = replace(incident, ended_at=time.time())
        for _ in range(2):
            assert (await sink.deliver(IncidentChanged(RUN, closed))).ok
        await until(lambda: "resolved" in statuses(told))
    assert await listed(url) == []
    assert statuses(told) == ["firing", "resolved"]


async def test_an_alert_ends_by_itself_if_nobody_sends_it_again(url: str, told: Receiver) -> None:
    within = replace(context(clock=time.time), interval=0.2)
    async with a_sink(url, within=within, resend_delay="200ms") as sink:
        assert (await sink.deliver(IncidentChanged(RUN, opened()))).ok
    await until(lambda: "resolved" in statuses(told))
    assert await listed(url) == []


@pytest.mark.parametrize(
    "labels",
    [
        {"team.name": "shop", "1st": "x", "ünïcode": "Größe", "empty": ""},
        {"quoted": 'a "b" \\ \n c', "lone": "\ud800"},
    ],
)
async def test_any_label_a_user_may_write_is_accepted(url: str, labels: dict[str, str]) -> None:
    async with a_sink(url, within=context(clock=time.time), labels=labels) as sink:
        result = await sink.deliver(IncidentChanged(RUN, opened()))
    assert result.ok, result.detail
    assert len(await listed(url)) == 1


async def test_more_alerts_than_a_batch_all_arrive(url: str) -> None:
    memory = DictMemory()
    async with receiver() as away:
        away.answer = (503, "", {})
        async with a_sink(away.url, within=context(memory, time.time)) as sink:
            for number in range(70):
                await sink.deliver(IncidentChanged(RUN, opened(f"i{number}")))
    async with a_sink(url, within=context(memory, time.time)) as sink:
        assert (await sink.refresh(time.time())).ok
    assert len(await listed(url)) == 70


async def test_one_of_a_pair_is_enough(url: str) -> None:
    async with receiver() as gone:
        pass
    async with a_sink(gone.url, url, within=context(clock=time.time)) as sink:
        assert (await sink.deliver(IncidentChanged(RUN, opened()))).ok
    assert len(await listed(url)) == 1


GOOD = {"labels": {"alertname": "good"}}


@pytest.mark.parametrize(
    ("alerts", "kind", "status", "says", "stored"),
    [
        ([GOOD, {"labels": {"a.b": "x"}}], "application/json", 400, str, 1),
        ([GOOD, {"labels": {}}], "application/json", 400, str, 1),
        ({"labels": {}}, "application/json", 400, dict, 0),
        ([GOOD], "text/plain", 415, dict, 0),
        ([{**GOOD, "generatorURL": "no uri"}], "application/json", 422, dict, 0),
    ],
    ids=["bad name beside a good one", "no labels", "not a list", "content type", "not a URI"],
)
async def test_what_alertmanager_refuses(
    url: str, alerts: Any, kind: str, status: int, says: type, stored: int
) -> None:
    body = aiohttp.JsonPayload(alerts, content_type=kind)
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/api/v2/alerts", data=body) as answer,
    ):
        assert answer.status == status
        assert isinstance(await answer.json(content_type=None), says)
    assert len(await listed(url)) == stored


def moment(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()
