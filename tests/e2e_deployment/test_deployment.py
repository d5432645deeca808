"""Deployment checks against real targets: each fault fails the run with a reason of its own."""

from __future__ import annotations

import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from anomalyd.model import Outcome
from tests.deployment.test_probes import Service, serving
from tests.e2e_deployment.world import Judged, Shop, judged_run, replayed, shop
from tests.fakes.certificates import Authority

pytestmark = pytest.mark.e2e
CLOCK = r"\d\d:\d\d:\d\d UTC"


@pytest.fixture
async def staging(tmp_path: Path) -> AsyncIterator[Shop]:
    async with shop(tmp_path) as made:
        yield made


def only(judged: Judged, kind: str, place: str, said: str) -> None:
    """One check failed, and it is the reason."""
    print(f"{judged.document['verdict']['outcome']}: {'; '.join(judged.reasons)}")
    ((found, where, detail),) = judged.failed
    assert (found, where) == (kind, place)
    assert re.search(said, detail)
    assert judged.reasons[0] == f"deployment: {detail}"
    assert judged.code == Outcome.FAIL.exit_code


def well(judged: Judged) -> None:
    """There is no production to judge by, which is no pass; nothing is said of the deployment."""
    print(f"{judged.document['verdict']['outcome']}: {'; '.join(judged.reasons)}")
    assert judged.failed == []
    assert not any("deployment" in reason for reason in judged.reasons)
    assert judged.code == Outcome.INCONCLUSIVE.exit_code
    kinds = {row["kind"] for row in judged.document["deployment"] if row["state"] == "passed"}
    assert {"targets", "restarts"} <= kinds


async def test_a_staging_that_an_autoscaler_grows_and_shrinks_is_well(staging: Shop) -> None:
    async def scale() -> None:
        third = await staging.add("cart")
        await staging.sees('up{service="cart"} == 1', 3)
        staging.remove(third)
        await staging.sees('up{service="cart"}', 2)

    well(await judged_run(staging, scale, version="v2.4"))


async def test_services_that_are_deployed_right_before_the_run_are_well(staging: Shop) -> None:
    for one in staging.instances:
        one.kill()
        await one.start()
    await staging.sees("up == 1", 3)
    well(await judged_run(staging))


async def test_a_service_that_restarts_in_the_middle_fails_and_replays_to_that(
    staging: Shop,
) -> None:
    pricing = staging.instances[-1]

    async def crash() -> None:
        pricing.kill()
        await pricing.start()

    # Where the machine is at work it takes longer to start than three scrapes.
    judged = await judged_run(staging, crash, scrapes=20)
    only(judged, "restarts", "pricing", rf"pricing restarted at {CLOCK} \({pricing.address}\)")
    code, again = await replayed(judged)
    assert code == Outcome.FAIL.exit_code
    assert again["reasons"] == judged.reasons


async def test_a_service_that_dies_in_the_middle_is_down(staging: Shop) -> None:
    pricing = staging.instances[-1]

    async def die() -> None:
        pricing.kill()

    judged = await judged_run(staging, die)
    only(judged, "targets", "pricing", rf"is down at {pricing.address} since {CLOCK}")


async def test_one_instance_on_the_wrong_version_fails(staging: Shop) -> None:
    late = await staging.add("cart", "v2.3")
    await staging.sees("up == 1", 4)
    judged = await judged_run(staging, version="v2.4")
    only(judged, "version", "cart", rf"cart ran v2\.3 at {late.address}, v2\.4 is expected")


@asynccontextmanager
async def secured(root: Path, **server: Any) -> AsyncIterator[tuple[str, str, Service]]:
    """A server with a certificate: its URL, what signs it, and what it answers."""
    authority, service = Authority(root), Service()
    context: ssl.SSLContext = authority.server(**server)
    async with serving(service, context) as url:
        yield url, str(authority.ca_file), service


@pytest.mark.parametrize(
    ("server", "said"),
    [({"valid": (-48, -24)}, "has expired"), ({"address": "127.0.0.9"}, "is not for 127.0.0.1")],
    ids=["expired", "another-host"],
)
async def test_a_bad_certificate_fails(
    staging: Shop, tmp_path: Path, server: dict[str, Any], said: str
) -> None:
    async with secured(tmp_path, **server) as (url, ca_file, _):
        judged = await judged_run(staging, probes=[{"url": url, "tls": {"ca_file": ca_file}}])
    place = url.removeprefix("https://").partition("/")[0]
    only(judged, "certificate", place, said)


async def test_a_probe_with_the_wrong_body_fails_from_when_it_is_wrong(
    staging: Shop, tmp_path: Path
) -> None:
    async with secured(tmp_path, valid=(-24, 24 * 30)) as (url, ca_file, service):

        async def breaks() -> None:
            service.body = "maintenance"

        probe = {"url": url, "body": "ready", "tls": {"ca_file": ca_file}}
        judged = await judged_run(staging, breaks, probes=[probe])
    only(judged, "probe", url, rf"lacked 'ready' at {CLOCK}")
