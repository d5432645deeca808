"""Looks at both environments and their files, and compares what was found."""

from __future__ import annotations

import asyncio
import time as clock
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from anomalyd import assembly
from anomalyd.config import Config, EnvironmentConfig
from anomalyd.model import Environment
from anomalyd.parity import COLLECTORS, files, given
from anomalyd.parity.asking import Collected, Look
from anomalyd.parity.differences import Parity, Rule, compare
from anomalyd.parity.secrets import Mask
from anomalyd.sources.discovery import connect


class MirrorError(Exception):
    """One sentence: why there is nothing to compare."""


@dataclass(frozen=True, slots=True)
class Directories:
    staging: Path
    production: Path


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is compared. config: for servers, names and rules; None without one."""

    config: Config | None
    directories: Directories | None = None
    listed: Path | None = None


async def parity(wanted: Wanted, now: Callable[[], float] = clock.time) -> Parity:
    """Compare. Raises MirrorError, QueryError, SourceError, FilesError, GivenError."""
    staging, production = await _servers(wanted.config) if wanted.config else ([], [])
    return await asyncio.to_thread(_compared, wanted, staging, production, now())


def comparable(config: Config) -> bool:
    """Whether the configuration names two of anything."""
    sides = (config.environments.staging, config.environments.production)
    asked = all(side is not None and side.url is not None for side in sides)
    return asked or config.parity.files is not None


def _compared(
    wanted: Wanted, staging: list[Collected], production: list[Collected], now: float
) -> Parity:
    """With what files say; apart from the event loop, since there may be many."""
    mask = Mask()
    directories = wanted.directories or _directories(wanted.config)
    if directories is not None:
        staging.append(_files(wanted, Environment.STAGING, directories.staging, mask))
        production.append(_files(wanted, Environment.PRODUCTION, directories.production, mask))
    if wanted.listed is not None:
        one, other = given.collect(wanted.listed, mask)
        staging.append(one)
        production.append(other)
    if not staging or not production:
        raise MirrorError(
            "there is nothing to compare: set environments.production.url, or parity.files, or "
            "name two directories or a list of facts"
        )
    for one in (*staging, *production):
        _mask(one, mask)
    found = compare(staging, production, rules(wanted.config), now)
    return replace(found, notes=(*found.notes, *_not_asked(wanted.config)))


def rules(config: Config | None) -> list[Rule]:
    """What the configuration says of differences: the first rule that fits counts."""
    if config is None:
        return []
    expected = [
        Rule(one.kind, one.place, one.reason, True, None, one.staging, one.production)
        for one in config.parity.expect
    ]
    ignored = [
        Rule(one.kind, one.place, one.reason, False, one.until.timestamp())
        for one in config.parity.ignore
    ]
    return expected + ignored


def _directories(config: Config | None) -> Directories | None:
    found = config.parity.files if config is not None else None
    return Directories(found.staging, found.production) if found is not None else None


def _files(wanted: Wanted, side: Environment, root: Path, mask: Mask) -> Collected:
    if wanted.config is None:
        return files.collect(side, root, mask)
    return files.collect(side, root, mask, assembly.canonical(wanted.config, side).named)


def _mask(collected: Collected, mask: Mask) -> None:
    """Labels and flags may hold secrets too; those of files are known by their keys already."""
    collected.facts[:] = [
        fact
        if fact.kind in ("secret", "setting")
        else replace(fact, value=mask.text(fact.value, True))
        for fact in collected.facts
    ]


def _not_asked(config: Config | None) -> list[str]:
    """Environments that no Prometheus answers for, while one does for the other."""
    sides = dict(config.environments) if config is not None else {}
    asked = [side is not None and side.url is not None for side in sides.values()]
    if all(asked) or not any(asked):
        return []
    lacking = next(name for name, side in sides.items() if side is None or side.url is None)
    return [f"servers: environments.{lacking}.url is not set; nothing to compare the other with"]


async def _servers(config: Config) -> tuple[list[Collected], list[Collected]]:
    """What both environments' servers told; nothing where one of them is scraped, or not set."""
    sides = (config.environments.staging, config.environments.production)
    if not all(side is not None and side.url is not None for side in sides):
        return [], []
    async with AsyncExitStack() as stack:
        looks = [
            await _look(config, name, side, stack)
            for name, side in zip(Environment, sides, strict=True)
            if side is not None
        ]
        async with asyncio.TaskGroup() as tasks:
            for look in looks:
                tasks.create_task(_collect(look), name=f"parity of {look.side}")
    return [looks[0].collected], [looks[1].collected]


async def _look(
    config: Config, name: Environment, side: EnvironmentConfig, stack: AsyncExitStack
) -> Look:
    api = await connect(name, side, config.limits, stack)
    canonical = assembly.canonical(config, name)
    settings = config.parity
    return Look(name, api, side.matchers, canonical, settings.queries, settings.span)


async def _collect(look: Look) -> None:
    for collector in COLLECTORS:
        await collector(look)
