"""What a run tests is checked while it runs, decides its verdict, and is recorded with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from anomalyd import config
from anomalyd.config import Config
from anomalyd.control import DaemonControl
from anomalyd.deployment import probes
from anomalyd.model import CheckState, Labels, Outcome, Run, Verdict
from tests.daemon.bench import Bench
from tests.daemon.shop import START, Series, Shop
from tests.daemon.test_record import replays
from tests.fakes.prometheus import refuse

INSTANCES = {"cart": "10.0.0.1:80", "pricing": "10.0.0.2:80"}
OLD = START - 86_400


class Deployment:
    """Two services. When each restarted, went down, and what it runs."""

    def __init__(self) -> None:
        self.restarted: dict[str, float] = {}
        self.down: dict[str, tuple[float, float]] = {}
        self.versions: dict[str, str] = {}

    def answer(self, query: str, time: float) -> list[Series]:
        found: list[Series] = []
        for service, instance in INSTANCES.items():
            labels = {"service": service, "instance": instance}
            since, until = self.down.get(service, (0.0, 0.0))
            is_down = since <= time < until
            if query.startswith("(timestamp(up{}) - ") or query.startswith("(timestamp(up) - "):
                zero = float(query.partition(" - ")[2].partition(")")[0])
                found += [(labels, time - zero)] if is_down else []
            elif query.startswith("up"):
                found.append((labels, float(not is_down)))
            elif query.startswith("process_start_time_seconds"):
                zero = float(query.partition(" - ")[2])
                at = self.restarted.get(service)
                found.append((labels, (at if at is not None and time >= at else OLD) - zero))
            elif "build_info" in query and service in self.versions:
                named = {"__name__": "app_build_info", "version": self.versions[service]}
                found.append((labels | named, 1.0))
        return found


@pytest.fixture
def deployment(staging: Shop) -> Deployment:
    made = Deployment()
    staging.more = made.answer
    return made


async def passes(shop: Bench, seconds: float) -> None:
    """As the daemon goes on: ticks, and looks between them."""
    assert shop.session is not None
    for _ in range(round(seconds / 10)):
        await shop.session.deploying.turn(shop.session.runs.by_id)
        await shop.passes(10)


async def judged(
    shop: Bench,
    settings: Config | None = None,
    version: str = "",
    before: Callable[[], None] = lambda: None,
    midst: Callable[[], None] = lambda: None,
) -> tuple[Run, Verdict]:
    """A run of eight minutes; `midst` happens in its fourth."""
    async with shop.at_work(settings) as session:
        await shop.passes(60)
        before()
        run = session.runs.start("nightly", "", labelled(version))
        await passes(shop, 200)
        midst()
        await passes(shop, 280)
        verdict = await shop.verdict(run)
    return run, verdict


def labelled(version: str) -> Labels:
    return Labels.of({"version": version})


def failed(verdict: Verdict) -> list[str]:
    return [one.detail for one in verdict.deployment if one.state is CheckState.FAILED]


async def test_a_staging_that_stays_as_it_is_passes_and_is_told(
    shop: Bench, deployment: Deployment
) -> None:
    run, verdict = await judged(shop)
    assert verdict.outcome is Outcome.PASS
    assert [one.detail for one in verdict.deployment] == [
        "1 target of cart up",
        "1 target of pricing up",
        "cart did not restart",
        "pricing did not restart",
    ]
    replays(shop, run.id)


async def test_a_restart_in_the_midst_fails_the_run_and_its_recording(
    shop: Bench, deployment: Deployment
) -> None:
    def crash() -> None:
        deployment.restarted["pricing"] = shop.now - 2

    run, verdict = await judged(shop, midst=crash)
    assert verdict.outcome is Outcome.FAIL
    assert verdict.reasons[0].startswith("deployment: pricing restarted at 08:04:18 UTC")
    found = replays(shop, run.id)
    assert found.ended.checks == verdict.deployment


async def test_deploying_right_before_the_run_is_as_it_should_be(
    shop: Bench, deployment: Deployment
) -> None:
    def deploy() -> None:
        deployment.restarted = dict.fromkeys(INSTANCES, shop.now - 3)

    _, verdict = await judged(shop, before=deploy)
    assert verdict.outcome is Outcome.PASS


async def test_a_restart_while_the_daemon_was_away_is_found_afterwards(
    shop: Bench, deployment: Deployment
) -> None:
    async with shop.at_work() as session:
        await shop.passes(60)
        run = session.runs.start("nightly", "", labelled(""))
        await passes(shop, 200)
    deployment.restarted["cart"] = shop.now + 5
    deployment.down["pricing"] = shop.now - 100, shop.now - 40
    shop.now += 30
    async with shop.at_work():
        await passes(shop, 200)
        verdict = await shop.verdict(run)
    assert [told.partition(" at ")[0] for told in failed(verdict)] == [
        "pricing was down",
        "cart restarted",
    ]


async def test_a_probe_that_failed_stays_failed_over_a_restart(
    shop: Bench, production: Shop, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "PAUSE_SECONDS", 0.0)
    probe = {"url": f"{production.url}/api/v1/status/buildinfo", "body": "2.42"}
    settings = with_deployment(shop.config, probes=[probe])
    async with shop.at_work(settings) as session:
        await shop.passes(60)
        run = session.runs.start("nightly", "", labelled(""))
        await passes(shop, 60)
        production.version = "broken"
        await passes(shop, 40)
        assert len(failed_now(shop, run)) == 1
    production.version = "2.42.0"
    async with shop.at_work(settings):
        await passes(shop, 200)
        verdict = await shop.verdict(run)
    assert verdict.outcome is Outcome.FAIL
    assert "lacked '2.42'" in verdict.reasons[0]
    assert shop.store.memory("deployment").items("") == []


def failed_now(shop: Bench, run: Run) -> list[str]:
    assert shop.session is not None
    checks = shop.session.deploying.checks(run.id)
    return [one.detail for one in checks if one.state is CheckState.FAILED]


def with_deployment(settings: Config, **deployment: object) -> Config:
    section = config.DeploymentConfig.model_validate(deployment)
    return settings.model_copy(update={"deployment": section})


@pytest.mark.parametrize(
    ("versions", "outcome", "reason"),
    [
        ({"cart": "v2.4", "pricing": "v2.4"}, Outcome.PASS, ""),
        (
            {"cart": "v2.4", "pricing": "v2.3"},
            Outcome.FAIL,
            "deployment: pricing ran v2.3 at 10.0.0.2:80, v2.4 is expected",
        ),
        ({}, Outcome.INCONCLUSIVE, "deployment: v2.4 is expected, but the version of any service"),
    ],
)
async def test_the_version_that_comes_with_a_run_is_checked(
    shop: Bench,
    deployment: Deployment,
    versions: dict[str, str],
    outcome: Outcome,
    reason: str,
) -> None:
    deployment.versions = versions
    _, verdict = await judged(shop, version="v2.4")
    assert verdict.outcome is outcome
    assert verdict.reasons[0].startswith(reason)


async def test_a_staging_that_refuses_to_say_is_no_pass_only_where_it_was_asked(
    shop: Bench, staging: Shop, deployment: Deployment
) -> None:
    staging.trouble = refuse(403, "forbidden", "no ranges for you")
    staging.troubled = lambda query: query.startswith(("up", "(timestamp", "process_start"))
    _, verdict = await judged(shop)
    assert (verdict.outcome, verdict.deployment) == (Outcome.PASS, ())
    _, verdict = await judged(shop, with_deployment(shop.config, targets=True))
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert any("could not be seen" in reason for reason in verdict.reasons)


async def test_what_is_away_at_the_end_is_no_pass(
    shop: Bench, staging: Shop, deployment: Deployment, tmp_path: Path
) -> None:
    def away() -> None:
        staging.trouble = refuse(503)
        staging.troubled = lambda query: query.startswith("up")

    _, verdict = await judged(shop, midst=away)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "deployment: targets, restarts and versions could not be seen from" in verdict.reasons[0]


async def test_a_check_that_fails_is_told_at_once_and_is_in_the_status(
    shop: Bench, deployment: Deployment
) -> None:
    async with shop.at_work() as session:
        await shop.passes(60)
        run = session.runs.start("nightly", "", labelled(""))
        await passes(shop, 100)
        deployment.restarted["cart"] = shop.now - 2
        with session.hub.subscribe(run.id, lambda: None) as events:
            await passes(shop, 60)
            event = await events.get()
        asked = asking(shop).status(run.id)
    assert event is not None
    told = "deployment: cart restarted at 08:02:38 UTC (10.0.0.1:80)"
    assert event.data["reason"] == told
    assert (asked.likely, asked.reasons) == (Outcome.FAIL, (told,))


def asking(shop: Bench) -> DaemonControl:
    """The facade of the API, over this session alone."""
    unasked: Any = None
    session, clock = lambda: shop.session, lambda: shop.now
    return DaemonControl(shop.store, unasked, session, clock, unasked, unasked, unasked, unasked)
