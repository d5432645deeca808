"""What a real Prometheus tells of real processes that restart, die and run another version."""

from __future__ import annotations

import re
import time
from pathlib import Path

from anomalyd import http
from anomalyd.config import DeploymentConfig, EnvironmentConfig
from anomalyd.deployment.asking import Server
from anomalyd.deployment.checks import Wanted, of_history
from anomalyd.deployment.timeline import History
from anomalyd.deployment.told import Span
from anomalyd.model import CheckState
from anomalyd.sources.promapi import PromApi
from tests.deployment.world import NAMES
from tests.e2e_deployment.world import Shop, shop


async def history(staging: Shop, wanted: Wanted, since: float) -> History:
    endpoint, made = EnvironmentConfig(url=staging.prometheus), History()
    async with http.session(endpoint) as session:
        server = Server(PromApi(endpoint, session), (), 1.0)
        for kind, tracks in (await server.seen(wanted.kinds, since - 1, time.time())).items():
            made.take(kind, tracks)
    return made


async def test_each_fault_is_found_and_a_target_that_was_taken_away_is_none(
    tmp_path: Path,
) -> None:
    async with shop(tmp_path) as staging:
        first, second, pricing = staging.instances
        await staging.add("db", "v1.0")
        await staging.sees("up == 1", 4)
        since = time.time()
        await staging.sees("timestamp(up) > " + str(since + 2), 4)
        pricing.kill()
        staging.remove(second)
        first.kill()
        await pricing.start()
        await staging.sees(f"process_start_time_seconds > {since}", 1)
        await staging.sees("sum_over_time((1 - up)[20s:1s]) >= 5 and up == 0", 1)
        wanted = Wanted(DeploymentConfig(), NAMES, "v2.4")
        found = of_history(
            await history(staging, wanted, since), wanted, Span(since, time.time(), 1.0)
        )
    failed = {(one.kind.value, one.place): one for one in found if one.state is CheckState.FAILED}
    # Where the machine is at work it takes longer to start than three scrapes.
    assert set(failed) - {("targets", "pricing")} == {
        ("targets", "cart"),
        ("restarts", "pricing"),
        ("version", "db"),
    }
    assert f"cart is down at {first.address} since" in failed["targets", "cart"].detail
    told = failed["restarts", "pricing"].detail
    assert re.fullmatch(rf"pricing restarted at .* UTC \({pricing.address}\)", told)
    assert "db ran v1.0 at" in failed["version", "db"].detail
    passed = {(one.kind.value, one.place) for one in found if one.state is CheckState.PASSED}
    assert {("targets", "db"), ("restarts", "cart"), ("version", "pricing")} <= passed
