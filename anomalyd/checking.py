"""Checks staging's deployment at once, with no run: is it ready to be tested."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

from anomalyd import assembly
from anomalyd.checks import Check, Status
from anomalyd.config import Config
from anomalyd.deployment import checks
from anomalyd.deployment.asking import INTERVAL_SECONDS, Server
from anomalyd.deployment.checks import Wanted
from anomalyd.deployment.probes import probe_all
from anomalyd.deployment.timeline import History
from anomalyd.deployment.told import Names, Span
from anomalyd.model import CheckState, DeploymentCheck, Environment
from anomalyd.sources.discovery import connect, scrape_interval

LOOKBACK_SECONDS = 300.0
"""How far back scrapes that failed are counted."""

_STATUS = {
    CheckState.PASSED: Status.OK,
    CheckState.IGNORED: Status.WARN,
    CheckState.UNKNOWN: Status.FAIL,
    CheckState.FAILED: Status.FAIL,
}


async def check(
    config: Config, version: str = "", now: Callable[[], float] = clock.time
) -> list[DeploymentCheck]:
    """What is so of staging now, what failed first. version: that is expected, '' for the one of
    the configuration. Raises QueryError, SourceError."""
    names = Names(assembly.canonical(config, Environment.STAGING))
    wanted = Wanted(config.deployment, names, version)
    if config.environments.staging.url is not None:
        found = await _of_server(config, wanted, now)
    else:
        found = checks.of_history(History(), wanted, Span(now(), now(), 0.0, at_once=True))
    found += await probe_all(config.deployment.probes, now)
    return _in_order(found, config, now)


async def probed(config: Config, now: Callable[[], float] = clock.time) -> list[DeploymentCheck]:
    """What the probes say alone, where the server that tells the rest is away."""
    return _in_order(await probe_all(config.deployment.probes, now), config, now)


def _in_order(
    found: Sequence[DeploymentCheck], config: Config, now: Callable[[], float]
) -> list[DeploymentCheck]:
    return list(checks.merged((), checks.excused(found, config.deployment, now())))


async def _of_server(
    config: Config, wanted: Wanted, now: Callable[[], float]
) -> list[DeploymentCheck]:
    staging = config.environments.staging
    async with AsyncExitStack() as stack:
        api = await connect(Environment.STAGING, staging, config.limits, stack)
        step = await scrape_interval(api, staging.matchers) or INTERVAL_SECONDS
        server, history, end = Server(api, staging.matchers, step), History(), now()
        back = max(LOOKBACK_SECONDS, 2 * config.deployment.scrapes * step)
        for kind, tracks in (await server.seen(wanted.kinds, end - back, end)).items():
            history.take(kind, tracks)
    return checks.of_history(history, wanted, Span(end - back, end, step, at_once=True))


def told(found: Sequence[DeploymentCheck]) -> list[Check]:
    """As the rows of an examination."""
    if not found:
        detail = "nothing was found to check, and nothing is configured"
        mend = "scrape staging's targets, or set deployment.probes"
        return [Check("deployment", Status.WARN, detail, mend)]
    return [
        Check(f"{one.kind} {one.place}".strip(), _STATUS[one.state], one.detail, one.mend)
        for one in found
    ]
