"""Probes against real servers, with real certificates."""

from __future__ import annotations

import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from anomalyd.config import Probe
from anomalyd.deployment.probes import ATTEMPTS, BODY_LIMIT, probe_all, shown
from anomalyd.model import CheckKind, CheckState, DeploymentCheck
from tests.fakes import receiver
from tests.fakes.certificates import Authority
from tests.servers import free_port

DAYS = 24.0


class Service:
    """Answers with what it is told to; `asked` has what it was asked with."""

    def __init__(self) -> None:
        self.status, self.body, self.asked = 200, "all is ready, v2.4", list[web.Request]()
        self.fails = 0
        self.content_type = "text/plain; charset=utf-8"

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request)
        if len(self.asked) <= self.fails:
            return web.Response(status=503)
        headers = {"Location": "/elsewhere", "Content-Type": self.content_type}
        return web.Response(status=self.status, body=self.body.encode(), headers=headers)


@asynccontextmanager
async def serving(service: Service, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", service.answer)
    async with receiver.serving(app, context) as url:
        yield f"{url}/healthz"


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


async def nowait(seconds: float) -> None:
    """In place of the pause between attempts."""


async def probed(**settings: object) -> list[DeploymentCheck]:
    return await probe_all([Probe.model_validate(settings)], time.time, nowait)


async def only(**settings: object) -> DeploymentCheck:
    (found,) = await probed(**settings)
    return found


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"body": "ready"},
        {"body_regex": r"v2\.\d"},
        {"body": "ready", "body_regex": "^all"},
        {"method": "HEAD"},
    ],
)
async def test_an_answer_as_it_should_be_passes(service: Service, settings: dict[str, str]) -> None:
    async with serving(service) as url:
        assert (await only(url=url, **settings)).state is CheckState.PASSED


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"status": 204}, "answered 200 at"),
        ({"body": "v2.5"}, "lacked 'v2.5' at"),
        ({"body_regex": r"v2\.5"}, "did not match"),
    ],
)
async def test_another_answer_fails_with_what_is_wrong_with_it(
    service: Service, settings: dict[str, str], said: str
) -> None:
    async with serving(service) as url:
        found = await only(url=url, **settings)
    assert found.state is CheckState.FAILED
    assert said in found.detail
    assert found.at is not None
    assert len(service.asked) == ATTEMPTS


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/json",
        "text/plain; charset=base64",
        "text/plain; charset=idna",
        "text/plain; charset=klingon",
        "text/plain; charset=",
    ],
)
async def test_a_body_without_a_charset_that_decodes_it_is_read_as_utf_8(
    service: Service, content_type: str
) -> None:
    service.content_type, service.body = content_type, "größer"
    async with serving(service) as url:
        assert (await only(url=url, body="größer")).state is CheckState.PASSED
        assert (await only(url=url, body="kleiner")).state is CheckState.FAILED


async def test_a_body_is_read_in_the_charset_that_it_names(service: Service) -> None:
    service.content_type, service.body = "text/plain; charset=latin-1", "ä"
    async with serving(service) as url:
        assert (await only(url=url, body="Ã¤")).state is CheckState.PASSED


async def test_redirects_are_not_followed(service: Service) -> None:
    service.status = 302
    async with serving(service) as url:
        assert "answered 302" in (await only(url=url)).detail
        assert (await only(url=url, status=302)).state is CheckState.PASSED


async def test_what_failed_once_and_then_answers_passes(service: Service) -> None:
    service.fails = ATTEMPTS - 1
    async with serving(service) as url:
        assert (await only(url=url)).state is CheckState.PASSED


async def test_nobody_there_fails() -> None:
    found = await only(url=f"http://127.0.0.1:{free_port()}/")
    assert found.state is CheckState.FAILED
    assert "was not answered at" in found.detail


async def test_a_body_is_not_read_without_end(service: Service) -> None:
    service.body = "x" * BODY_LIMIT + "ready"
    async with serving(service) as url:
        assert (await only(url=url, body="ready")).state is CheckState.FAILED


async def test_secrets_of_a_probe_are_sent_and_not_told(service: Service) -> None:
    async with serving(service) as url:
        settings = {"url": f"{url}?token=hush", "status": 204, "auth": {"bearer": "hush"}}
        found = await only(**settings)
    assert service.asked[0].headers["Authorization"] == "Bearer hush"
    assert "hush" not in f"{found}"
    assert shown(Probe.model_validate(settings)) == url


async def secured(
    authority: Authority, service: Service, context: ssl.SSLContext, **settings: object
) -> list[DeploymentCheck]:
    async with serving(service, context) as url:
        tls = {"ca_file": str(authority.ca_file)}
        return await probed(url=url, **{"tls": tls, "min_days": 0, **settings})


async def test_a_good_certificate_passes_beside_its_probe(
    authority: Authority, service: Service
) -> None:
    found = await secured(authority, service, authority.server())
    assert [(one.kind, one.state) for one in found] == [
        (CheckKind.CERTIFICATE, CheckState.PASSED),
        (CheckKind.PROBE, CheckState.PASSED),
    ]


@pytest.mark.parametrize(
    ("server", "settings", "said"),
    [
        ({"valid": (-2, -1)}, {}, "has expired"),
        ({"valid": (1, 2)}, {}, "is not valid yet"),
        ({"address": "127.0.0.9"}, {}, "is not for 127.0.0.1"),
        ({}, {"server_name": "staging.example"}, "is not for staging.example"),
        ({}, {"tls": {}}, "is signed by nobody who is trusted"),
    ],
    ids=["expired", "too-early", "another-host", "another-name", "unknown-issuer"],
)
async def test_a_bad_certificate_fails_and_nothing_is_sent_to_it(
    authority: Authority,
    service: Service,
    server: dict[str, object],
    settings: dict[str, object],
    said: str,
) -> None:
    context = authority.server(**server)  # type: ignore[arg-type]
    (found,) = await secured(authority, service, context, **settings)
    assert found.kind is CheckKind.CERTIFICATE
    assert found.state is CheckState.FAILED
    assert said in found.detail
    assert service.asked == []


async def test_a_certificate_that_is_about_to_expire_fails_before_it_does(
    authority: Authority, service: Service
) -> None:
    context = authority.server(valid=(-1, 3 * DAYS + 0.5))
    certificate, probe = await secured(authority, service, context, min_days=7)
    assert "expires in 3.02 days; at least 7 are required" in certificate.detail
    assert (certificate.state, probe.state) == (CheckState.FAILED, CheckState.PASSED)


async def test_a_certificate_is_not_looked_at_where_that_is_switched_off(
    authority: Authority, service: Service
) -> None:
    context = authority.server(valid=(-2, -1))
    found = await secured(authority, service, context, tls={"insecure_skip_verify": True})
    assert [(one.kind, one.state) for one in found] == [(CheckKind.PROBE, CheckState.PASSED)]


async def test_a_server_without_tls_is_no_bad_certificate(service: Service) -> None:
    async with serving(service) as url:
        found = await only(url=url.replace("http:", "https:"))
    assert (found.kind, found.state) == (CheckKind.PROBE, CheckState.FAILED)


async def test_a_ca_file_that_is_gone_is_named(tmp_path: Path) -> None:
    found = await only(url="https://127.0.0.1:1", tls={"ca_file": str(tmp_path / "gone.pem")})
    assert "cannot be read" in found.detail
