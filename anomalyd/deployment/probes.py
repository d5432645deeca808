"""Does a URL answer as it should: its certificate, its status, its body."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import aiohttp
from yarl import URL

from anomalyd import http
from anomalyd.config import Probe
from anomalyd.deployment import certificates
from anomalyd.deployment.certificates import Address, Certificate
from anomalyd.deployment.told import clock
from anomalyd.model import CheckKind, CheckState, DeploymentCheck

ATTEMPTS = 3
PAUSE_SECONDS = 1.0
AT_ONCE = 5
BODY_LIMIT = 2**20
SHOWN_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class _Answer:
    """trouble: why it is not as it should be, '' where it is; mend: what to do."""

    trouble: str = ""
    mend: str = ""


Pause = Callable[[float], Awaitable[None]]


async def probe_all(
    probes: Sequence[Probe], now: Callable[[], float], pause: Pause = asyncio.sleep
) -> list[DeploymentCheck]:
    """Each probe's checks, in order; what fails is tried `ATTEMPTS` times."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(probe: Probe) -> list[DeploymentCheck]:
        async with slots:
            return await _patiently(probe, now, pause)

    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(one(probe), name=f"probe {shown(probe)}") for probe in probes]
    return [check for task in asked for check in task.result()]


async def _patiently(probe: Probe, now: Callable[[], float], pause: Pause) -> list[DeploymentCheck]:
    checks: list[DeploymentCheck] = []
    for attempt in range(ATTEMPTS):
        if attempt:
            await pause(PAUSE_SECONDS)
        checks = await _once(probe, now)
        if all(check.state is CheckState.PASSED for check in checks):
            break
    return checks


def shown(probe: Probe) -> str:
    """Its URL without what may be secret in it."""
    return str(URL(probe.url).with_user(None).with_query(None).with_fragment(None))


def address(probe: Probe) -> Address | None:
    """Whose certificate is looked at, None where there is none to verify."""
    url = URL(probe.url)
    if url.scheme != "https" or probe.tls.insecure_skip_verify or url.host is None:
        return None
    return Address(url.host, url.port or 443, probe.server_name or url.host)


async def _once(probe: Probe, now: Callable[[], float]) -> list[DeploymentCheck]:
    checks, at = [], address(probe)
    try:
        context = http.ssl_context(probe.tls)
        session = http.session(probe)
    except OSError as error:
        said = f"{shown(probe)} is not asked: a secret or certificate cannot be read: {error}"
        return [_check(CheckKind.PROBE, shown(probe), _Answer(said, "mend auth or tls"), "", now())]
    async with session:
        if at is not None:
            found = await certificates.look(at, context, probe.timeout)
            found = certificates.remaining(at, found, now(), probe.min_days)
            if not found.away:
                checks.append(_certificate(at, found, now()))
                if found.valid_until is None:
                    return checks
        began = now()
        answer = await _ask(probe, session, began)
    said = f"{probe.method} {shown(probe)} answers as it should"
    return [*checks, _check(CheckKind.PROBE, shown(probe), answer, said, began)]


def _certificate(at: Address, found: Certificate, now: float) -> DeploymentCheck:
    until = found.valid_until
    days = f" for {(until - now) / certificates.DAY:.0f} days" if until is not None else ""
    said = f"the certificate of {at} is valid{days}"
    answer = _Answer(found.trouble, found.mend)
    return _check(CheckKind.CERTIFICATE, str(at), answer, said, now)


def _check(kind: CheckKind, place: str, answer: _Answer, well: str, now: float) -> DeploymentCheck:
    if not answer.trouble:
        return DeploymentCheck(kind, place, CheckState.PASSED, well)
    return DeploymentCheck(kind, place, CheckState.FAILED, answer.trouble, now, answer.mend)


async def _ask(probe: Probe, session: aiohttp.ClientSession, began: float) -> _Answer:
    what = f"{probe.method} {shown(probe)}"
    try:
        async with session.request(
            probe.method, probe.url, allow_redirects=False, server_hostname=probe.server_name
        ) as response:
            body = await response.content.read(BODY_LIMIT) if _reads(probe) else b""
            while _reads(probe) and len(body) < BODY_LIMIT:
                more = await response.content.read(BODY_LIMIT - len(body))
                if not more:
                    break
                body += more
            status = response.status
            text = _text(body, response.charset)
    except http.NETWORK_ERRORS as error:
        said = f"{what} was not answered at {clock(began)}: {_reason(error, probe)}"
        return _Answer(said, "start what serves it, or correct deployment.probes")
    if status != probe.status:
        said = f"{what} answered {status} at {clock(began)}, {probe.status} is expected"
        return _Answer(said, "look at what it serves, or correct the probe's status")
    return _body(probe, what, text, began)


def _text(body: bytes, charset: str | None) -> str:
    """By the charset of the header, by UTF-8 where it names none or none that decodes text."""
    try:
        return body.decode(charset or "utf-8", "replace")
    except (LookupError, ValueError):
        return body.decode("utf-8", "replace")


def _reads(probe: Probe) -> bool:
    return bool(probe.body or probe.body_regex)


def _body(probe: Probe, what: str, text: str, began: float) -> _Answer:
    mend = "look at what it serves, or correct the probe's body"
    if probe.body is not None and probe.body not in text:
        wanted = probe.body[:SHOWN_CHARACTERS]
        return _Answer(f"the body of {what} lacked {wanted!r} at {clock(began)}", mend)
    if probe.body_regex is not None and not re.search(probe.body_regex, text):
        wanted = probe.body_regex[:SHOWN_CHARACTERS]
        return _Answer(f"the body of {what} did not match {wanted!r} at {clock(began)}", mend)
    return _Answer()


def _reason(error: Exception, probe: Probe) -> str:
    if isinstance(error, TimeoutError):
        return f"nothing came within {probe.timeout:g} s"
    return http.reason(error)
