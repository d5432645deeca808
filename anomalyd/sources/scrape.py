"""Fetches targets' metrics directly, without a Prometheus; evaluates the signals itself."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import math
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import aiohttp
import numpy as np
from yarl import URL

from anomalyd import http, telemetry
from anomalyd.config import EnvironmentConfig, Scrape, ScrapeTarget
from anomalyd.model import Batch, Environment, Labels, Samples
from anomalyd.signals.evaluate import Evaluator
from anomalyd.signals.table import SeriesTable
from anomalyd.sources.base import Fetching, Make, Side, Source, SourceError, Wanted, evaluator
from anomalyd.sources.exposition import OPENMETRICS, Exposition

log = logging.getLogger(__name__)

ACCEPT = f"text/plain;version=0.0.4,{OPENMETRICS};version=1.0.0;q=0.5,*/*;q=0.1"
LEAST_PATIENCE = 2.0
"""Seconds to wait for a target that is scraped more often than that."""
_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class TargetHealth:
    """How the last scrape of a target went; `up` is None before the first one.

    scraped_at: unix seconds. duration: seconds. error: one sentence, '' while up.
    """

    url: str
    labels: Labels
    up: bool | None = None
    scraped_at: float = 0.0
    duration: float = 0.0
    samples: int = 0
    bad_lines: int = 0
    refused: int = 0
    error: str = ""


class ScrapeSource(Fetching):
    """Scrapes every target of `environment.scrape` at its interval, aligned to the clock.

    A target that is down leaves a gap, and `up` 0: to the range selectors that signals are made
    of, staleness is the absence of samples. Its failure and its return are logged once each.
    `up` is a series like any other, for signals that want it.
    """

    def __init__(
        self,
        environment: EnvironmentConfig,
        evaluator: Evaluator,
        *,
        name: str = "scrape",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self._environment = environment
        self._evaluator = evaluator
        self._clock = clock
        self._scrape = _scrape_of(environment)
        self._targets = [_Target(one, evaluator.series) for one in self._scrape.targets]
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Scrape all targets once; a target that is down is not an error, it may yet come up."""
        if isinstance(self._environment.capacity, str):
            raise SourceError(
                f"{self.name}: capacity is an expression, which needs a Prometheus; "
                "write a number for an environment that is scraped"
            )
        self._session = _session(self._environment, self.name)
        await self.scrape()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            for target in self._targets:
                tasks.create_task(self._loop(target), name=f"{self.name}-{target.config.url}")

    async def collect(self, time: float) -> Batch:
        return self._evaluator.evaluate(time)

    async def stop(self) -> None:
        if self._session:
            await self._session.close()

    def troubles(self) -> list[str]:
        """Targets that are down."""
        down = (target.health for target in self._targets if target.health.up is False)
        return [f"{self.name}: {health.url}: {health.error}" for health in down]

    async def returned(self) -> bool:
        """Whether any target is up."""
        return len(self.troubles()) < len(self._targets)

    def scrape_health(self) -> tuple[TargetHealth, ...]:
        """Per target, in the order of the config."""
        return tuple(target.health for target in self._targets)

    async def scrape(self) -> None:
        """Scrape every target once, all at the same time."""
        async with asyncio.TaskGroup() as tasks:
            for target in self._targets:
                tasks.create_task(self._once(target), name=f"{self.name}-{target.config.url}")

    async def _loop(self, target: _Target) -> None:
        interval, tick = self._scrape.interval, 0
        while True:
            now = self._clock()
            tick = next_tick(now, interval, tick)
            await asyncio.sleep(tick * interval - now)
            await self._once(target)

    async def _once(self, target: _Target) -> None:
        if self._session is None:
            raise RuntimeError("scrape before start")
        started = self._clock()
        try:
            body, openmetrics = await _fetch(
                self._session, self._environment, self._scrape, target.config.url
            )
            samples, health = target.read(body, openmetrics, started)
        except _Failed as failed:
            telemetry.source_failures.add(1, {"source": self.name, "reason": failed.reason})
            samples = None
            health = dataclasses.replace(target.blank, up=False, error=str(failed))
        if health.bad_lines:
            telemetry.source_failures.add(
                health.bad_lines, {"source": self.name, "reason": "bad_line"}
            )
        if samples is not None:
            self._evaluator.take(samples)
        self._evaluator.take(target.up(started, health.up is True))
        duration = self._clock() - started
        self._tell(target, dataclasses.replace(health, scraped_at=started, duration=duration))

    def _tell(self, target: _Target, health: TargetHealth) -> None:
        before, target.health = target.health, health
        if before.up is not False and health.up is False:
            log.warning("%s: %s is down: %s", self.name, health.url, health.error)
        elif before.up is False and health.up:
            log.info("%s: %s is up again", self.name, health.url)
        if health.bad_lines and not before.bad_lines:
            log.warning(
                "%s: %s has %d lines that are no samples", self.name, health.url, health.bad_lines
            )


async def discover(
    environment: EnvironmentConfig, *, name: str = "scrape", series_limit: int = 2_000_000
) -> dict[str, frozenset[str]]:
    """Scrape all targets once: metric name → names of the labels on it, `__name__` left out.

    Raises SourceError if not one target answered.
    """
    scrape = _scrape_of(environment)
    table = SeriesTable(series_limit)
    targets = [_Target(one, table) for one in scrape.targets]
    errors: list[str] = []

    async def read(target: _Target) -> None:
        try:
            target.read(*await _fetch(session, environment, scrape, target.config.url))
        except _Failed as failed:
            errors.append(f"{target.config.url}: {failed}")

    async with _session(environment, name) as session, asyncio.TaskGroup() as tasks:
        for target in targets:
            tasks.create_task(read(target), name=f"discover-{target.config.url}")
    if len(errors) == len(targets):
        raise _NobodyError(f"{name}: no target answered ({errors[0]}); start it or mend its url")
    for error in errors:
        log.warning("%s: %s", name, error)
    metrics: dict[str, set[str]] = {}
    for labels in table.labels:
        metrics.setdefault(labels.get("__name__"), set()).update(label for label, _ in labels)
    return {metric: frozenset(labels - {"__name__"}) for metric, labels in metrics.items()}


async def look(
    name: Environment, environment: EnvironmentConfig, wanted: Wanted, _: AsyncExitStack
) -> Side:
    """What the targets have; see `Kind`."""
    every = _scrape_of(environment).interval
    try:
        limit = wanted.limits.raw_series
        found = await discover(environment, name=name, series_limit=limit)
    except _NobodyError as error:
        return Side(name, environment, None, {}, every, str(error), away=True)
    return Side(name, environment, None, found, every)


def build(make: Make) -> Source:
    return ScrapeSource(make.side.config, evaluator(make), name=make.side.name)


class _NobodyError(SourceError):
    """Not one target answered."""


def next_tick(now: float, interval: float, last: int) -> int:
    """The number of the next multiple of `interval`: after `now`, and never `last` again."""
    return max(last, math.floor(now / interval)) + 1


class _Failed(Exception):
    """A scrape that failed; `reason` is one word for counting."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


class _Target:
    """One target: its labels, its parser, its health."""

    def __init__(self, config: ScrapeTarget, series: SeriesTable) -> None:
        url = URL(config.url)
        host = f"[{url.host}]" if ":" in (url.host or "") else url.host
        labels = Labels.of({"instance": f"{host}:{url.port}", **config.labels})
        self.config = config
        self.blank = self.health = TargetHealth(config.url, labels)
        self._exposition = Exposition(series, dict(labels))
        self._series = series
        self._up = Labels.of({**dict(labels), "__name__": "up"})

    def read(
        self, body: bytes, openmetrics: bool, scraped_at: float = math.inf
    ) -> tuple[Samples, TargetHealth]:
        parsed = self._exposition.parse(body, scraped_at, openmetrics=openmetrics)
        found = len(parsed.samples.rows)
        if parsed.bad_lines and not found + parsed.refused:
            raise _Failed("format", "its answer holds no metrics; mend the path of its url")
        return parsed.samples, dataclasses.replace(
            self.blank,
            up=True,
            samples=found,
            bad_lines=parsed.bad_lines,
            refused=parsed.refused,
        )

    def up(self, scraped_at: float, is_up: bool) -> Samples:
        row = self._series.row(str(self._up).encode(), lambda _: self._up)
        rows = np.array([row] if row >= 0 else [], dtype=np.intp)
        return Samples(rows, np.full(len(rows), scraped_at), np.full(len(rows), float(is_up)))


async def _fetch(
    session: aiohttp.ClientSession, environment: EnvironmentConfig, scrape: Scrape, url: str
) -> tuple[bytes, bool]:
    """(body, whether it is OpenMetrics) of a target; raises _Failed."""
    patience = max(scrape.interval, LEAST_PATIENCE)
    timeout = aiohttp.ClientTimeout(total=min(environment.timeout, patience))
    try:
        async with session.get(url, headers={"Accept": ACCEPT}, timeout=timeout) as answer:
            if answer.status != 200:
                raise _Failed("status", f"it answers {answer.status} {answer.reason}")
            body = bytearray()
            async for chunk in answer.content.iter_chunked(_CHUNK):
                body += chunk
                if len(body) > scrape.body_limit:
                    raise _Failed(
                        "body_limit",
                        f"its answer is over {scrape.body_limit} bytes; raise scrape.body_limit",
                    )
            return bytes(body), answer.content_type == OPENMETRICS
    except TimeoutError as error:
        raise _Failed("timeout", f"no answer within {timeout.total:g} s") from error
    except http.NETWORK_ERRORS as error:
        raise _Failed("connection", str(error) or type(error).__name__) from error


def _scrape_of(environment: EnvironmentConfig) -> Scrape:
    if environment.scrape is None:
        raise ValueError("the environment has no scrape targets")
    return environment.scrape


def _session(environment: EnvironmentConfig, name: str) -> aiohttp.ClientSession:
    try:
        return http.session(environment)
    except OSError as error:
        raise SourceError(
            f"{name}: a secret or certificate cannot be read: {error}; mend auth or tls"
        ) from error
