"""Production's baseline: fetched and fitted in a process of its own, kept fresh by the daemon."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from anomalyd import assembly
from anomalyd.assembly import Plan
from anomalyd.backfill import Backfill
from anomalyd.baseline.history import Request
from anomalyd.baseline.process import FitRequest, fit_stored
from anomalyd.baseline.reader import Estimate, HistoryReader, Progress
from anomalyd.baseline.rows import RowStore, Stored
from anomalyd.config import Config
from anomalyd.exits import USAGE
from anomalyd.model import Environment, Kind, PromQL, Signal
from anomalyd.query import QueryError
from anomalyd.sources.base import Past, Side
from anomalyd.sources.queries import compile_all, compile_capacity

log = logging.getLogger(__name__)

WRITE_DELAY_SECONDS = 60.0
"""How long after its time a sample may still be on its way: what is stored is not asked again."""


def baseline_path(config: Config) -> Path:
    return config.baseline.path or config.state_dir / "baseline.npz"


def store_path(config: Config) -> Path:
    return config.state_dir / "history"


def requests(config: Config, plan: Plan, side: Side) -> list[Request]:
    """Production's rows per signal. A scraped production has canonical rows and no query text."""
    step = baseline_step(config, plan, side)
    if side.past is not None:
        return _of_past(config, plan, side.past, step)
    if side.api is None:
        return [
            Request(
                signal,
                Stored(f"{signal!r} value", plan.window, step, "scrape"),
                Stored(f"{signal!r} count", plan.window, step, "scrape"),
            )
            for signal in plan.signals
        ]
    compiled = compile_all(
        plan.signals,
        assembly.canonical(config, Environment.PRODUCTION),
        dict(side.metrics),
        window=plan.window,
        matchers=side.config.matchers,
        classic=side.classic,
    )
    return [
        Request(
            signal,
            Stored(queries.value, plan.window, step),
            Stored(queries.count, plan.window, step) if queries.count else None,
        )
        for signal, queries in zip(plan.signals, compiled, strict=True)
    ]


def _of_past(config: Config, plan: Plan, past: Past, step: float) -> list[Request]:
    """Of the signals that it can tell."""
    queries = past.queries(plan.signals, assembly.canonical(config, Environment.PRODUCTION))

    def stored(query: str) -> Stored:
        return Stored(query, plan.window, step, past.origin)

    return [
        Request(signal, stored(own.value), stored(own.count) if own.count else None)
        for signal in plan.signals
        if (own := queries.get(signal.name)) is not None
    ]


def baseline_step(config: Config, plan: Plan, side: Side) -> float:
    """A scraped production is kept window by window; a Prometheus is asked every baseline.step."""
    return plan.window if side.api is None else config.baseline.step


class FitError(Exception):
    """One sentence: why there is no baseline, and how to get one."""


class Fitter:
    """One fit of `config`'s production; enter it, then `estimate` or `fit`."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Fitter:
        """Raises FitError, and SourceError for secrets that cannot be read."""
        async with AsyncExitStack() as stack:
            await self._enter(stack)
            self._stack = stack.pop_all()
        return self

    async def _enter(self, stack: AsyncExitStack) -> None:
        self._plan = await assembly.look(self._config, stack)
        side = self._plan.production
        if side is None:
            raise FitError("environments.production is not set; there is nothing to fit")
        if side.trouble and side.tells_past:
            raise FitError(side.trouble)
        if not self._plan.signals:
            raise FitError("no signal matches anything; `anomalyd doctor` says what was tried")
        self._side = side
        self._requests = requests(self._config, self._plan, side)
        step = baseline_step(self._config, self._plan, side)
        written = time.time() - _delay(side)
        self._end = math.floor(written / step) * step
        self._start = self._end - math.ceil(self._config.baseline.days * 86400 / step) * step

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    async def estimate(self) -> Estimate:
        if self._side.searched:
            return await self._backfill().estimate(self._start, self._end)
        return await self._reader().estimate(self._requests, self._start, self._end)

    async def fit(self, progress: Progress, fitted: Callable[[int, int], None]) -> tuple[Path, int]:
        """Fetch what is missing, fit, save; returns where and how many series.

        Raises FitError, QueryError, BaselineError.
        """
        meta: dict[str, object] = {"created_at": time.time()}
        keep = max(self._config.retention.history, self._end - self._start)
        RowStore(store_path(self._config)).expire(self._end - keep)
        if self._side.searched:
            await self._backfill().fetch(self._start, self._end, progress)
        elif self._side.tells_past:
            asked = [*self._requests, *self._capacity()]
            got = await self._reader().fetch(asked, self._start, self._end, progress)
            meta["failed"] = got.failures
            meta["source"] = await self._versions()
        request = self._request(json.dumps(meta))
        return Path(request.output), fit_stored(request, fitted)

    def _backfill(self) -> Backfill:
        side, store = self._side, store_path(self._config)
        return Backfill(self._config, self._plan, side, self._requests, store)

    def _reader(self) -> HistoryReader:
        store = RowStore(store_path(self._config))
        concurrency = self._config.baseline.concurrency
        past = self._side.past
        if past is not None:
            most = past.most_points(baseline_step(self._config, self._plan, self._side))
            return HistoryReader(past, store, concurrency=concurrency, max_points=most)
        if self._side.api is None:
            raise FitError("production is scraped; its history is what the daemon saw of it")
        return HistoryReader(self._side.api, store, concurrency=concurrency)

    def _capacity(self) -> list[Request]:
        """What to fetch besides the signals, where capacity is an expression."""
        stored = self._capacity_rows()
        return [Request(Signal("capacity", Kind.OTHER, PromQL("")), stored)] if stored else []

    def _capacity_rows(self) -> Stored | None:
        expression = compile_capacity(self._side.config, self._plan.window)
        step = baseline_step(self._config, self._plan, self._side)
        return Stored(expression, self._plan.window, step) if expression else None

    async def _versions(self) -> dict[str, str]:
        if self._side.past is not None:
            return await self._side.past.versions()
        if self._side.api is None:
            return {}
        try:
            info = await self._side.api.buildinfo()
        except QueryError as error:
            log.debug("production does not tell its version: %s", error)
            return {}
        return {"prometheus": info.version}

    def _request(self, meta: str) -> FitRequest:
        config, capacity = self._config, self._side.config.capacity
        identity = config.identity
        return FitRequest(
            rows=str(store_path(config)),
            output=str(baseline_path(config)),
            requests=tuple(self._requests),
            start=self._start,
            end=self._end,
            service_labels=identity.service,
            rewrite=tuple((rule.match, rule.to) for rule in identity.rewrite),
            drop=config.match.drop,
            rename=tuple(config.match.rename.items()),
            capacity=capacity if isinstance(capacity, float) else 1.0,
            capacity_rows=self._capacity_rows(),
            meta=meta,
        )


def _delay(side: Side) -> float:
    """Seconds after which all of what happened can be asked for."""
    if side.past is not None:
        return side.past.lag
    if side.searched:
        return WRITE_DELAY_SECONDS
    return 0.0 if side.api is None else WRITE_DELAY_SECONDS


async def refit_apart(config_path: Path, overrides: Sequence[str]) -> str | None:
    """`anomalyd baseline fit` in a child process; None if it went well, else its last words.

    Overrides, which may hold secrets, go through a pipe: arguments are for everyone to read. The
    child is ended if this is cancelled.
    """
    command = ("baseline", "fit", "-c", str(config_path), "--overrides-from-stdin")
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "anomalyd",
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, said = await child.communicate(json.dumps(list(overrides)).encode())
    finally:
        if child.returncode is None:
            child.terminate()
            await child.wait()
    if child.returncode == 0:
        return None
    text = said.decode(errors="replace").strip()
    if child.returncode != USAGE:
        log.error("the fit of the baseline ended with status %d:\n%s", child.returncode, text)
        return f"the fit ended with status {child.returncode}; the log says why"
    return text.splitlines()[-1].removeprefix("anomalyd: ") if text else "the fit was refused"
