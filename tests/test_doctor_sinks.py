"""The doctor on sinks: reached without leaving a trace, refusals named with what to check."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from anomalyd.checks import Check, Status
from anomalyd.config import Sinks
from anomalyd.doctor_sinks import examine_sinks
from tests.fakes.grafana import TOKEN, FakeGrafana
from tests.fakes.receiver import serving
from tests.servers import free_port


async def examine(settings: dict[str, Any]) -> list[Check]:
    return await examine_sinks(Sinks.model_validate(settings))


def of(checks: list[Check], subject: str) -> Check:
    found = [check for check in checks if check.subject == subject]
    assert len(found) == 1, f"{subject}: {checks}"
    return found[0]


def closed_port() -> str:
    return f"http://127.0.0.1:{free_port()}"


async def test_sinks_that_nobody_answers_for_fail_with_the_setting_to_check() -> None:
    url = closed_port()
    settings = {
        "grafana": {"url": url},
        "alertmanager": {"urls": [url, url + "/am"]},
        "webhook": {"url": url},
    }
    checks = await examine(settings)
    assert of(checks, "sinks.grafana").mend == "check sinks.grafana.url and tls"
    assert [c.status for c in checks if c.subject == "sinks.alertmanager"] == [Status.FAIL] * 2
    assert "cannot be reached" in of(checks, "sinks.webhook").detail
    assert "sinks.webhook.url" in of(checks, "sinks.webhook").mend


async def grafana_checks(grafana: FakeGrafana, **settings: Any) -> list[Check]:
    async with serving(grafana.app()) as url:
        return await examine({"grafana": {"url": url, "token": TOKEN, **settings}})


async def test_grafana_is_asked_for_health_permission_and_dashboard() -> None:
    grafana = FakeGrafana()
    grafana.dashboards["shop"] = 1
    checks = await grafana_checks(grafana, dashboard_uid="shop")
    assert [check.status for check in checks] == [Status.OK] * 3
    assert "Grafana 13" in checks[0].detail
    assert grafana.annotations == {}


@pytest.mark.parametrize(
    ("settings", "permissions", "subject", "says"),
    [
        ({"token": "wrong"}, {"annotations:read"}, "sinks.grafana.token", "HTTP 401"),
        ({}, set(), "sinks.grafana.token", "cannot be read"),
        ({"dashboard_uid": "gone"}, {"annotations:read"}, "sinks.grafana.dashboard_uid", "gone"),
    ],
)
async def test_what_grafana_refuses_is_named(
    settings: dict[str, str], permissions: set[str], subject: str, says: str
) -> None:
    grafana = FakeGrafana()
    grafana.permissions = permissions
    check = of(await grafana_checks(grafana, **settings), subject)
    assert check.status is Status.FAIL
    assert says in check.detail
    assert check.mend


@pytest.mark.parametrize(
    ("granted", "status"),
    [
        (["annotations:create", "annotations:read", "annotations:write"], Status.OK),
        (["annotations:read"], Status.FAIL),
    ],
)
async def test_write_permission_is_read_off_the_token_where_grafana_tells(
    granted: list[str], status: Status
) -> None:
    async def answer(request: web.Request) -> web.Response:
        told = {right: [""] for right in granted}
        return web.json_response(told if "permissions" in request.path else {"version": "13.0"})

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    async with serving(app) as url:
        settings = {"grafana": {"url": url, "token": TOKEN}}
        check = of(await examine(settings), "sinks.grafana.token")
    assert check.status is status
    assert ("annotations:create, annotations:write" in check.detail) is (status is Status.FAIL)


async def test_alertmanager_tells_its_version_and_a_webhook_only_gets_a_connection() -> None:
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.json_response({"versionInfo": {"version": "0.25.0"}})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with serving(app) as url:
        checks = await examine({"alertmanager": {"urls": [url]}, "webhook": {"url": url}})
    assert "Alertmanager 0.25.0" in of(checks, "sinks.alertmanager").detail
    assert of(checks, "sinks.webhook").status is Status.OK
    assert asked == ["/api/v2/status"]
