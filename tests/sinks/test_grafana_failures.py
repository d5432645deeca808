from __future__ import annotations

import pytest

from anomalyd.sinks.base import IncidentChanged, RunStarted
from tests.fakes.grafana import FakeGrafana
from tests.sinks.examples import (
    NOW,
    DictMemory,
)
from tests.sinks.grafanas import Server, a_sink, server


async def test_a_wrong_token_is_refused_with_the_mend(grafana: Server) -> None:
    async with a_sink(grafana, token="wrong") as sink:
        result = await sink.deliver(RunStarted(grafana.run))
    assert (result.ok, result.retryable, result.status) == (False, False, 401)
    assert "give the service account of sinks.grafana.token" in result.detail


@pytest.mark.parametrize("right", ["create", "write", "read"])
async def test_a_missing_permission_is_refused_with_the_mend(
    faked: tuple[Server, FakeGrafana], right: str
) -> None:
    seen, fake = faked
    incident = seen.incident()
    async with a_sink(seen) as sink:
        if right == "write":
            await sink.deliver(IncidentChanged(seen.run, incident))
        fake.permissions.remove(f"annotations:{right}")
        result = await sink.deliver(IncidentChanged(seen.run, incident))
        fake.permissions.add(f"annotations:{right}")
    assert (result.ok, result.retryable, result.status) == (False, False, 403)
    assert f"annotations:{right}" in result.detail


async def test_an_answer_lost_on_the_way_makes_no_second_region(
    faked: tuple[Server, FakeGrafana],
) -> None:
    seen, fake = faked
    notice = IncidentChanged(seen.run, seen.incident())
    async with a_sink(seen) as sink:
        for method in ("POST", "PATCH"):
            fake.lose = [method]
            result = await sink.deliver(notice)
            assert (result.ok, result.retryable) == (False, True)
            assert (await sink.deliver(notice)).ok
            assert len(fake.annotations) == 1


@pytest.mark.parametrize(
    ("status", "headers", "retryable", "wait"),
    [
        (500, {}, True, None),
        (502, {"Retry-After": "7"}, True, 7.0),
        (429, {"Retry-After": "30"}, True, 30.0),
        (408, {}, True, None),
        (400, {}, False, None),
        (302, {"Location": "https://login.example"}, False, None),
    ],
)
async def test_a_failed_create_is_retried_where_that_can_help(
    faked: tuple[Server, FakeGrafana],
    status: int,
    headers: dict[str, str],
    retryable: bool,
    wait: float | None,
) -> None:
    seen, fake = faked
    fake.script = [("POST", status, "no", headers)]
    async with a_sink(seen) as sink:
        result = await sink.deliver(RunStarted(seen.run))
        assert (result.ok, result.retryable, result.retry_after) == (False, retryable, wait)
        assert (await sink.deliver(RunStarted(seen.run))).ok
    assert len(fake.annotations) == 1


async def test_a_dashboard_that_cannot_be_asked_for_now_makes_no_misplaced_region(
    faked: tuple[Server, FakeGrafana],
) -> None:
    seen, fake = faked
    uid = await seen.dashboard()
    async with a_sink(seen, dashboard_uid=uid) as sink:
        fake.script = [("GET", 200, "[]", {}), ("GET", 503, "starting", {})]
        result = await sink.deliver(RunStarted(seen.run))
        assert (result.ok, result.retryable) == (False, True)
        assert fake.annotations == {}
        assert (await sink.deliver(RunStarted(seen.run))).ok
    assert next(iter(fake.annotations.values()))["dashboardId"] == fake.dashboards[uid]


async def test_a_dashboard_we_may_not_read_is_used_unchecked(
    faked: tuple[Server, FakeGrafana], caplog: pytest.LogCaptureFixture
) -> None:
    seen, fake = faked
    uid = await seen.dashboard()
    fake.script = [("GET", 200, "[]", {}), ("GET", 403, "{}", {})]
    async with a_sink(seen, dashboard_uid=uid) as sink:
        assert (await sink.deliver(RunStarted(seen.run))).ok
    assert caplog.messages == [
        f"sink grafana: does not let us read dashboard {uid}: used without a check"
    ]


@pytest.mark.parametrize("said", ["<html>log in</html>", "[{}]", '{"message": "hello"}'])
async def test_what_is_not_a_grafana_is_said_so(
    faked: tuple[Server, FakeGrafana], said: str
) -> None:
    seen, fake = faked
    fake.script = [("GET", 200, said, {}), ("POST", 200, said, {})]
    async with a_sink(seen) as sink:
        result = await sink.deliver(RunStarted(seen.run))
    assert (result.ok, result.retryable) == (False, False)
    assert "is sinks.grafana.url right?" in result.detail


async def test_a_grafana_that_is_away_is_worth_another_try() -> None:
    async with server("13") as (seen, _):
        pass
    async with a_sink(seen) as sink:
        result = await sink.deliver(RunStarted(seen.run))
    assert (result.ok, result.retryable) == (False, True)
    assert "cannot be reached" in result.detail


async def test_an_old_memory_is_forgotten_and_a_new_one_kept(
    faked: tuple[Server, FakeGrafana],
) -> None:
    seen, _ = faked
    memory = DictMemory()
    async with a_sink(seen, memory) as sink:
        await sink.deliver(RunStarted(seen.run))
        assert (await sink.refresh(NOW + 86400)).ok
        assert len(memory.kept) == 1
        assert (await sink.refresh(NOW + 31 * 86400)).ok
    assert memory.kept == {}
