"""Can decisions go out: reaches Grafana, Alertmanager and the webhook without leaving a trace."""

from __future__ import annotations

import asyncio
import time as clock
from collections.abc import Mapping
from typing import Any

import aiohttp
from yarl import URL

from anomalyd import http
from anomalyd.checks import Check, Status
from anomalyd.config import AlertmanagerSink, Endpoint, GrafanaSink, Sinks, WebhookSink

PERMISSIONS = ("annotations:create", "annotations:read", "annotations:write")


class Unreached(Exception):
    """One sentence: why there is no answer."""


async def examine_sinks(sinks: Sinks) -> list[Check]:
    """One or more checks per configured sink; alerts and annotations are not sent."""
    checks: list[Check] = []
    if sinks.grafana:
        checks += await _grafana(sinks.grafana)
    if sinks.alertmanager:
        checks += await _alertmanager(sinks.alertmanager)
    if sinks.webhook:
        checks.append(await _webhook(sinks.webhook))
    return checks


async def _grafana(sink: GrafanaSink) -> list[Check]:
    subject = "sinks.grafana"
    try:
        token = sink.secret()
    except OSError as error:
        return [_unreadable(subject, error)]
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        async with http.session(sink) as session:
            ask = _Asker(session, headers)
            status, health, took = await ask(f"{sink.url}/api/health")
            if status != 200 or not isinstance(health, dict):
                detail = f"{sink.url}/api/health answers HTTP {status}"
                return [Check(subject, Status.FAIL, detail, "check sinks.grafana.url")]
            version = f"Grafana {health.get('version', '?')} at {sink.url}, {took * 1000:.0f} ms"
            checks = [Check(subject, Status.OK, version), await _permission(sink, ask)]
            if sink.dashboard_uid:
                checks.append(await _dashboard(sink, ask))
            return checks
    except Unreached as error:
        return [Check(subject, Status.FAIL, str(error), "check sinks.grafana.url and tls")]
    except OSError as error:
        return [_unreadable(subject, error)]


class _Asker:
    """GETs JSON: (status, body or None, seconds). Raises Unreached."""

    def __init__(self, session: aiohttp.ClientSession, headers: Mapping[str, str]) -> None:
        self._session, self._headers = session, headers

    async def __call__(self, url: str) -> tuple[int, Any, float]:
        began = clock.monotonic()
        try:
            async with self._session.get(url, headers=self._headers) as response:
                try:
                    body = await response.json(content_type=None)
                except ValueError:
                    body = None
                return response.status, body, clock.monotonic() - began
        except TimeoutError as error:
            raise Unreached(f"{url} did not answer in time") from error
        except http.NETWORK_ERRORS as error:
            raise Unreached(f"{url} cannot be reached: {error}") from error


async def _permission(sink: GrafanaSink, ask: _Asker) -> Check:
    """Reading is tried; writing is read off the token's permissions where Grafana tells them."""
    subject = "sinks.grafana.token"
    status, _, _ = await ask(f"{sink.url}/api/annotations?limit=1")
    if status == 401:
        mend = "give a valid service-account token in sinks.grafana.token or token_file"
        return Check(subject, Status.FAIL, "Grafana does not know the token (HTTP 401)", mend)
    needs = f"grant the service account {', '.join(PERMISSIONS)}"
    if status != 200:
        return Check(subject, Status.FAIL, f"annotations cannot be read (HTTP {status})", needs)
    status, granted, _ = await ask(f"{sink.url}/api/access-control/user/permissions")
    if status != 200 or not isinstance(granted, dict):
        return Check(subject, Status.OK, "annotations can be read; Grafana does not tell the rest")
    lacking = [permission for permission in PERMISSIONS if permission not in granted]
    if lacking:
        return Check(subject, Status.FAIL, f"the token lacks {', '.join(lacking)}", needs)
    return Check(subject, Status.OK, "annotations can be read and written")


async def _dashboard(sink: GrafanaSink, ask: _Asker) -> Check:
    subject = "sinks.grafana.dashboard_uid"
    status, _, _ = await ask(f"{sink.url}/api/dashboards/uid/{sink.dashboard_uid}")
    if status == 200:
        return Check(subject, Status.OK, f"dashboard {sink.dashboard_uid} is there")
    detail = f"dashboard {sink.dashboard_uid} is not to be had (HTTP {status})"
    return Check(subject, Status.FAIL, detail, "set the uid from the dashboard's URL, or leave it")


async def _alertmanager(sink: AlertmanagerSink) -> list[Check]:
    checks = []
    for url in sink.urls:
        subject, mend = "sinks.alertmanager", f"check {url} in sinks.alertmanager.urls, auth, tls"
        try:
            async with http.session(sink) as session:
                status, body, took = await _Asker(session, {})(f"{url}/api/v2/status")
        except Unreached as error:
            checks.append(Check(subject, Status.FAIL, str(error), mend))
            continue
        except OSError as error:
            checks.append(_unreadable(subject, error))
            continue
        if status != 200 or not isinstance(body, dict):
            detail = f"{url}/api/v2/status answers HTTP {status}"
            checks.append(Check(subject, Status.FAIL, detail, mend))
            continue
        version = (body.get("versionInfo") or {}).get("version", "?")
        detail = f"Alertmanager {version} at {url}, {took * 1000:.0f} ms"
        checks.append(Check(subject, Status.OK, detail))
    return checks


async def _webhook(sink: WebhookSink) -> Check:
    """A TCP connection only: a request would be a notice."""
    url = URL(sink.url)
    subject, where = "sinks.webhook", f"{url.host}:{url.port}"
    try:
        async with asyncio.timeout(sink.timeout):
            _, writer = await asyncio.open_connection(url.host, url.port)
    except TimeoutError:
        detail = f"{where} does not accept a connection within {sink.timeout:g}s"
        return Check(subject, Status.FAIL, detail, "check sinks.webhook.url")
    except OSError as error:
        detail = f"{where} cannot be reached: {error.strerror or error}"
        return Check(subject, Status.FAIL, detail, "check sinks.webhook.url")
    writer.close()
    return Check(subject, Status.OK, f"{where} accepts connections (nothing was sent)")


def _unreadable(subject: str, error: OSError) -> Check:
    detail = f"{error.filename or 'a file of its settings'}: {error.strerror or error}"
    return Check(subject, Status.FAIL, detail, "correct the path or its permissions")


def readable(endpoint: Endpoint, subject: str) -> Check | None:
    """A failed check where a secret or TLS file of `endpoint` cannot be read, else None."""
    try:
        endpoint.auth.authorization()
        http.ssl_context(endpoint.tls)
    except OSError as error:
        return _unreadable(subject, error)
    return None
