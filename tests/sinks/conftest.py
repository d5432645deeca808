from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from anomalyd import telemetry
from tests.fakes.grafana import FakeGrafana
from tests.fakes.receiver import Receiver, receiver
from tests.sinks.examples import Dropped
from tests.sinks.grafanas import FLAVOURS, SERVERS, Server, server


@pytest.fixture
def dropped(monkeypatch: pytest.MonkeyPatch) -> Dropped:
    counter = Dropped()
    monkeypatch.setattr(telemetry, "sink_dropped", counter)
    return counter


@pytest.fixture(params=SERVERS)
async def grafana(request: pytest.FixtureRequest) -> AsyncIterator[Server]:
    async with server(request.param) as (seen, _):
        yield seen


@pytest.fixture(params=FLAVOURS)
async def faked(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Server, FakeGrafana]]:
    async with server(request.param) as (seen, fake):
        assert fake is not None
        yield seen, fake


@pytest.fixture
async def heard() -> AsyncIterator[Receiver]:
    async with receiver() as kept:
        yield kept
