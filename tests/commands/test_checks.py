"""`anomalyd checks` as people call it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.commands.here import answered
from tests.daemon.test_deployment import Deployment
from tests.fakes.prometheus import FakePrometheus, serve
from tests.servers import free_port


@pytest.fixture
def deployment() -> Deployment:
    return Deployment()


@pytest.fixture
async def staging(deployment: Deployment) -> AsyncIterator[FakePrometheus]:
    async with serve(FakePrometheus(ranges=deployment.answer, targets=[])) as fake:
        yield fake


@pytest.fixture
def path(staging: FakePrometheus, tmp_path: Path) -> str:
    path = tmp_path / "anomalyd.yaml"
    path.write_text(f"environments: {{staging: {{url: {staging.url}}}}}\n")
    return str(path)


async def test_a_staging_that_is_well_exits_with_0(path: str, deployment: Deployment) -> None:
    deployment.versions = {"cart": "v2.4", "pricing": "v2.4"}
    done = await answered("checks", "-c", path, "--version", "v2.4")
    assert done.code == 0
    assert "ok    version pricing   pricing runs v2.4 (1 instance)" in done.out
    assert done.out[-1] == "Nothing to mend."


async def test_what_failed_exits_with_1_and_says_what_to_do(
    path: str, deployment: Deployment
) -> None:
    deployment.versions = {"cart": "v2.4", "pricing": "v2.3"}
    deployment.down["cart"] = 0.0, float("inf")
    done = await answered("checks", "-c", path, "--version", "v2.4", "--json")
    assert done.code == 1
    told = json.loads(done.out[0])
    failed = [one for one in told["checks"] if one["status"] == "fail"]
    assert [one["subject"] for one in failed] == ["targets cart", "version pricing"]
    assert all(one["mend"] for one in failed)


async def test_nothing_to_check_is_said_and_exits_with_0(
    path: str, staging: FakePrometheus
) -> None:
    staging.ranges = None
    done = await answered("checks", "-c", path)
    assert done.code == 0
    assert "nothing was found to check" in done.out[0]


async def test_a_probe_needs_no_prometheus_that_is_there(tmp_path: Path, path: str) -> None:
    probes = f"deployment.probes=[{{url: 'http://127.0.0.1:{free_port()}'}}]"
    done = await answered("checks", "-c", path, "--set", probes)
    assert done.code == 1
    assert any("was not answered at" in line for line in done.out)


async def test_a_staging_that_is_away_exits_with_2(tmp_path: Path) -> None:
    path = tmp_path / "anomalyd.yaml"
    path.write_text(f"environments: {{staging: {{url: 'http://127.0.0.1:{free_port()}'}}}}\n")
    done = await answered("checks", "-c", str(path))
    assert done.code == 2
    assert done.has_said("cannot be reached")
