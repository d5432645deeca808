"""Is everything there that judging needs: both environments, their signals, and the sinks."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from anomalyd import assembly, checking
from anomalyd.assembly import Plan
from anomalyd.checks import Check, Status, as_json, failed, render
from anomalyd.config import Config
from anomalyd.doctor_disk import kept_in
from anomalyd.doctor_sinks import examine_sinks, readable
from anomalyd.doctor_traces import examine_traces
from anomalyd.enrich.gather import reached
from anomalyd.model import LOAD_SIGNAL, Environment, Signal
from anomalyd.query import QueryError
from anomalyd.signals.quantities import SPANS
from anomalyd.signals.table import SignalTable
from anomalyd.sources import PUSHED
from anomalyd.sources.base import Side, SourceError
from anomalyd.sources.combined import Combined
from anomalyd.sources.discovery import SKEW_SECONDS, clock_skew
from anomalyd.sources.metadata import misfit
from anomalyd.sources.promapi import PromApi
from anomalyd.sources.prometheus import PrometheusSource
from anomalyd.sources.scrape import ScrapeSource
from anomalyd.units import format_duration

__all__ = ["Check", "Status", "as_json", "examine", "failed", "render"]

SHOWN = 5


@dataclass(frozen=True, slots=True)
class Found:
    """What one environment has of each signal: keys without run label, and those without service.

    troubles: signal → why its query failed.
    """

    keys: dict[str, set[str]]
    nameless: dict[str, int]
    troubles: dict[str, str]


async def examine(config: Config, now: Callable[[], float] = clock.time) -> list[Check]:
    """Reach all that `config` names and look at every signal in both environments."""
    broken = _unreadable_files(config)
    if broken:
        return broken
    checks: list[Check] = []
    async with AsyncExitStack() as stack:
        try:
            plan = await assembly.look(config, stack)
        except SourceError as error:
            plan = None
            checks.append(Check("environments", Status.FAIL, str(error), "see the detail"))
        if plan is not None:
            found: dict[Environment, Found] = {}
            for side in (plan.staging, plan.production):
                if side is not None:
                    more, there = await _environment(config, plan, side, now)
                    checks += more
                    if there is not None:
                        found[side.name] = there
            checks += _plan(config, plan) + _misfits(plan) + _signals(plan, found)
    checks += await _deployment(config, now)
    checks.append(kept_in(config.state_dir))
    return checks + await _enrich(config) + await examine_sinks(config.sinks)


async def _deployment(config: Config, now: Callable[[], float]) -> list[Check]:
    """What would fail a run that began now; a server that is away is told of elsewhere, and what
    is probed needs none."""
    try:
        found = await checking.check(config, now=now)
    except (QueryError, SourceError):
        found = await checking.probed(config, now)
    return checking.told(found) if found else []


async def _enrich(config: Config) -> list[Check]:
    """Whether what keeps traces and log lines answers."""
    return [
        Check(name, Status.OK if there else Status.FAIL, said, "" if there else f"correct {name}")
        for name, said, there in await reached(config.enrich)
    ]


def _unreadable_files(config: Config) -> list[Check]:
    sides = {"staging": config.environments.staging, "production": config.environments.production}
    found = (readable(side, f"environments.{name}") for name, side in sides.items() if side)
    return [check for check in found if check is not None]


async def _environment(
    config: Config, plan: Plan, side: Side, now: Callable[[], float]
) -> tuple[list[Check], Found | None]:
    if side.api is not None:
        checks = await _server(side, side.api, now)
        if any(check.status is Status.FAIL for check in checks):
            return checks, None
    else:
        checks = []
    checks += await examine_traces(config, side, plan.window, now())
    if any(check.status is Status.FAIL for check in checks):
        return checks, None
    source, table = assembly.source(config, plan, side)
    try:
        await source.start()
        await source.collect(now())
    except SourceError as error:
        return [*checks, Check(side.name.value, Status.FAIL, str(error), "see the detail")], None
    finally:
        await source.stop()
    for part in source.parts.values():
        if isinstance(part, ScrapeSource):
            checks += _targets(side, part)
    if side.config.pushed:
        return [*checks, _pushed(side)], None
    return checks, _found(config, source, table)


async def _server(side: Side, api: PromApi, now: Callable[[], float]) -> list[Check]:
    """Reached, how fast, which version, and whether its clock is ours."""
    subject, where = side.name.value, f"environments.{side.name}"
    began = clock.monotonic()
    try:
        await api.instant("vector(1)")
        took = clock.monotonic() - began
        skew = await clock_skew(api, now)
    except QueryError as error:
        return [Check(subject, Status.FAIL, str(error), f"correct {where}")]
    try:
        info = await api.buildinfo()
        version = f"{info.application or 'Prometheus'} {info.version}".strip()
    except QueryError:
        version = "a server that does not tell its version"
    interval = f", scraped every {format_duration(side.interval)}" if side.interval else ""
    checks = [Check(subject, Status.OK, f"{version}, {took * 1000:.0f} ms{interval}")]
    if skew.certain > SKEW_SECONDS:
        ahead = "ahead of" if skew.seconds > 0 else "behind"
        detail = f"its clock is {format_duration(abs(skew.seconds))} {ahead} ours"
        checks.append(Check(f"{subject} clock", Status.FAIL, detail, "synchronise both with NTP"))
    if side.trouble:
        mend = f"allow the account of {where} to read labels and metadata"
        checks.append(Check(f"{subject} discovery", Status.WARN, side.trouble, mend))
    return checks


def _targets(side: Side, source: ScrapeSource) -> list[Check]:
    checks = []
    for health in source.scrape_health():
        if health.up:
            detail = f"{health.url}: {health.samples} samples, {health.duration * 1000:.0f} ms"
            checks.append(Check(side.name.value, Status.OK, detail))
        else:
            mend = f"start it, or correct environments.{side.name}.scrape.targets"
            detail = f"{health.url}: {health.error or 'was not scraped'}"
            checks.append(Check(side.name.value, Status.FAIL, detail, mend))
    return checks


def _pushed(side: Side) -> Check:
    """What is sent goes to the daemon; here is what it kept of it."""
    subject = f"{side.name} pushed"
    for part in side.parts or (side,):
        if part.section in PUSHED and part.away:
            mend = "point the sender at the daemon, and let the daemon run"
            return Check(subject, Status.WARN, part.trouble, mend)
    metrics = side.metrics.keys() - {SPANS}
    told = [f"{len(metrics)} metrics that signals need were seen"] if metrics else []
    if SPANS in side.metrics:
        told.append("spans are measured as they come")
    return Check(subject, Status.OK, "; ".join(told))


def _found(config: Config, source: Combined, table: SignalTable) -> Found:
    keys: dict[str, set[str]] = {signal.name: set() for signal in table.signals}
    nameless = dict.fromkeys(keys, 0)
    label = config.runs.label
    for row, index in enumerate(table.signal_index.tolist()):
        signal = table.signals[index]
        labels = table.labels[row].without([label] if label else [])
        keys[signal.name].add(f"{signal.name}{labels}")
        nameless[signal.name] += "service" in signal.by and not table.services[row]
    url = source.parts.get("url")
    troubles = url.failures() if isinstance(url, PrometheusSource) else {}
    return Found(keys, nameless, troubles)


def _plan(config: Config, plan: Plan) -> list[Check]:
    checks = []
    if plan.production is None:
        mend = "set environments.production; without it there is nothing to judge by"
        checks.append(Check("production", Status.WARN, "is not set", mend))
    judged = [signal for signal in plan.signals if signal.name != LOAD_SIGNAL]
    if not judged and plan.staging.trouble:
        checks.append(Check("signals", Status.WARN, "are not known until staging answers"))
    elif not judged:
        mend = "choose signals.presets that fit the metrics, or declare signals.custom"
        checks.append(Check("signals", Status.FAIL, "none of them matches any metric", mend))
    else:
        detail = f"{len(judged)} signals over windows of {format_duration(plan.window)}"
        checks.append(Check("signals", Status.OK, detail))
    if len(judged) == len(plan.signals):
        mend = "set load.rate or load.promql to the offered load at the entry"
        checks.append(Check("load", Status.WARN, "nothing tells the offered load", mend))
    return checks


def _misfits(plan: Plan) -> list[Check]:
    """Signals that read a metric as what its sender says that it is not."""
    sides = [side for side in (plan.staging, plan.production) if side is not None]
    found = {
        signal.name: told
        for side in sides
        for signal in plan.signals
        if (told := misfit(signal, side.described))
    }
    mend = "correct the signal's definition in signals.custom"
    return [Check(name, Status.WARN, told, mend) for name, told in found.items()]


def _signals(plan: Plan, found: dict[Environment, Found]) -> list[Check]:
    return [check for signal in plan.signals for check in _signal(signal, found) if found]


def _signal(signal: Signal, found: dict[Environment, Found]) -> list[Check]:
    """One check of what it matches, one of services that no identity label names."""
    subject = f"signal {signal.name}"
    for environment, one in found.items():
        if signal.name in one.troubles:
            return [
                Check(
                    subject, Status.FAIL, one.troubles[signal.name], f"correct it for {environment}"
                )
            ]
    counts = ", ".join(f"{len(one.keys[signal.name])} in {name}" for name, one in found.items())
    checks = [_partners(subject, signal, counts, found)]
    for environment, one in found.items():
        if one.nameless[signal.name]:
            detail = f"{one.nameless[signal.name]} series in {environment} carry no identity label"
            mend = "add the label that names their service to identity.service"
            checks.append(Check(subject, Status.WARN, detail, mend))
    return checks


def _partners(subject: str, signal: Signal, counts: str, found: dict[Environment, Found]) -> Check:
    present = {name: one.keys[signal.name] for name, one in found.items()}
    if not any(present.values()):
        mend = "check its metric and environments.*.matchers, or leave it out"
        return Check(subject, Status.WARN, f"matches nothing ({counts})", mend)
    if len(present) < 2:
        return Check(subject, Status.OK, f"{counts} series")
    staging, production = present[Environment.STAGING], present[Environment.PRODUCTION]
    if not staging:
        mend = "start the system under test, or check environments.staging.matchers"
        return Check(subject, Status.WARN, f"{counts}: staging has none of it", mend)
    both = staging & production
    detail = f"{counts}, {len(both)} with a partner"
    lacking = _listed("staging lacks", production - staging)
    alone = _listed("production lacks", staging - production)
    parts = "; ".join(part for part in (detail, lacking, alone) if part)
    if both == production and not staging - production:
        return Check(subject, Status.OK, detail)
    mend = "drop or rename the labels that differ under match, or rewrite names under identity"
    status = Status.FAIL if not both and production else Status.WARN
    return Check(subject, status, parts, mend)


def _listed(what: str, keys: Sequence[str] | set[str]) -> str:
    if not keys:
        return ""
    shown = ", ".join(sorted(keys)[:SHOWN])
    more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
    return f"{what} {shown}{more}"
