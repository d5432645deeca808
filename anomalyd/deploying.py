"""Checks the deployment of every run under way: at its start, now and then, and at its end.

What was found is an input of the pipeline, by run. A failure stays with its run, whatever follows.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from anomalyd import assembly, codec, telemetry
from anomalyd.api.hub import Hub, run_event
from anomalyd.assembly import Plan
from anomalyd.config import Config, DeploymentConfig
from anomalyd.deployment import checks
from anomalyd.deployment.answers import Answers, late
from anomalyd.deployment.asking import INTERVAL_SECONDS, Server
from anomalyd.deployment.checks import Wanted
from anomalyd.deployment.probes import probe_all
from anomalyd.deployment.timeline import History
from anomalyd.deployment.told import Names, Span
from anomalyd.model import (
    VERSION_LABEL,
    CheckKind,
    CheckState,
    DeploymentCheck,
    Environment,
    Run,
    RunState,
)
from anomalyd.pipeline import Pipeline
from anomalyd.query import QueryError, Trouble
from anomalyd.runs.memory import SinkMemory
from anomalyd.runs.store import Store

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
CONCLUDE_SECONDS = 20.0
"""A verdict waits so long at most for the last look."""
OVERDUE = "nothing answered in time"
NOT_OFFERED = (Trouble.NOT_FOUND, Trouble.FORBIDDEN, Trouble.BAD_QUERY)

Told = Callable[[Run, DeploymentCheck], None]
Unfinished = Callable[[], Mapping[str, Run]]


@dataclass(slots=True)
class _Watched:
    """A run. looked: when it last was, unix seconds. in_state: that the run was in then. probing:
    held while its probes are asked. concluded: what is found from now on comes too late."""

    run: Run
    wanted: Wanted
    history: History = field(default_factory=History)
    answers: Answers = field(default_factory=Answers)
    probing: asyncio.Lock = field(default_factory=asyncio.Lock)
    concluded: bool = False
    looked: float = -float("inf")
    in_state: RunState | None = None
    trouble: str = ""
    told: set[tuple[CheckKind, str]] = field(default_factory=set)


class Deploying:
    """Of one session: `run` as a task, `conclude` before a verdict. told: called with each check
    that fails, once; it must not wait."""

    def __init__(
        self,
        config: Config,
        pipeline: Pipeline,
        names: Names,
        server: Server | None,
        memory: SinkMemory,
        clock: Callable[[], float],
        told: Told = lambda run, check: None,
    ) -> None:
        self._config: DeploymentConfig = config.deployment
        self._pipeline, self._names, self._server = pipeline, names, server
        self._memory, self._clock, self._told = memory, clock, told
        self._runs: dict[str, _Watched] = {}
        self._looking = asyncio.Lock()

    def checks(self, run_id: str) -> Sequence[DeploymentCheck]:
        """As they stand."""
        return self._pipeline.checks.get(run_id, ())

    async def run(self, unfinished: Unfinished) -> None:
        """unfinished: the runs under way as they stand, by id."""
        while True:
            await self.turn(unfinished)
            await asyncio.sleep(LOOK_SECONDS)

    async def turn(self, unfinished: Unfinished) -> None:
        """Look at every run that it is time for."""
        for run_id in unfinished():
            async with self._looking:
                run = unfinished().get(run_id)
                if run is None or not self._due(watched := self._of(run)):
                    continue
                probes = await self._look(watched)
            # A verdict does not wait for a probe that hangs.
            if probes:
                await self._probe(watched)

    async def conclude(self, run: Run) -> None:
        """A last look at a run that is over, before it is judged."""
        watched = self._of(run)
        try:
            async with asyncio.timeout(CONCLUDE_SECONDS):
                async with self._looking:
                    probes = await self._look(watched)
                async with watched.probing:
                    pass
                if probes:
                    await self._probe(watched)
        except TimeoutError:
            log.warning("run %s: its deployment is not seen to the end: %s", run.id, OVERDUE)
            if self._server is not None and watched.in_state is not run.state:
                watched.trouble = OVERDUE
        watched.concluded = True
        self._keep(watched)

    def forget(self, run_id: str) -> None:
        """Its verdict is given."""
        self._memory.delete(run_id)
        self._runs.pop(run_id, None)

    def _of(self, run: Run) -> _Watched:
        """What is known of a run, with what failed before a restart."""
        found = self._runs.get(run.id)
        if found is None:
            wanted = Wanted(self._config, self._names, run.labels.get(VERSION_LABEL))
            found = self._runs[run.id] = _Watched(run, wanted)
            self._pipeline.checks[run.id] = _remembered(self._memory.get(run.id))
        found.run = run
        return found

    def _due(self, watched: _Watched) -> bool:
        overdue = self._clock() - watched.looked >= self._config.every
        changed = watched.in_state is not watched.run.state
        return (overdue or changed) and not watched.concluded

    async def _look(self, watched: _Watched) -> bool:
        """Ask staging; whether it is time for the probes as well."""
        watched.looked, state = self._clock(), watched.run.state
        await self._ask(watched)
        if watched.concluded:
            return False
        # Once the test is over the system may be taken down: one probe after that is the last.
        last = state is RunState.FINISHED and watched.in_state is RunState.SETTLING
        watched.in_state = state
        self._keep(watched)
        return bool(self._config.probes) and not last

    async def _probe(self, watched: _Watched) -> None:
        async with watched.probing:
            began = watched.answers.pending = self._clock()
            found = await probe_all(self._config.probes, self._clock)
            if not watched.concluded:
                watched.answers.take(found, began, watched.run)
                self._keep(watched)

    async def _ask(self, watched: _Watched) -> None:
        kinds = watched.wanted.kinds
        if self._server is None or not kinds:
            return
        history, end = watched.history, self._clock()
        start = history.until if history.until is not None else watched.run.started_at
        known, watched.trouble = watched.trouble, OVERDUE
        try:
            seen = await self._server.seen(kinds, start - self._server.step, end)
        except QueryError as error:
            offered = history.until is not None or error.kind not in NOT_OFFERED
            if not known:
                log.warning("run %s: its deployment is not checked: %s", watched.run.id, error)
            watched.trouble = str(error) if offered or watched.wanted.insists else ""
            return
        for kind, tracks in seen.items():
            history.take(kind, tracks, self._server.whole)
        history.until, watched.trouble = end, ""

    def _keep(self, watched: _Watched) -> None:
        """What is so becomes the pipeline's, and the store's."""
        run, now = watched.run, self._clock()
        if run.active_at is None:
            return
        step = self._server.step if self._server is not None else 0.0
        until = run.stopped_at if run.stopped_at is not None else now
        span = Span(run.active_at, until, step, ended=run.state is RunState.FINISHED)
        found = watched.answers.counted(run)
        if watched.concluded:
            found += watched.answers.lacking(self._config.probes, run)
        found += checks.of_history(watched.history, watched.wanted, span, watched.trouble)
        found = checks.excused(found, self._config, now)
        before = [one for one in self._pipeline.checks.get(run.id, ()) if not late(one, run)]
        kept = self._pipeline.checks[run.id] = checks.merged(before, found)
        lasting = [check for check in kept if checks.lasting(check)]
        if lasting:
            self._memory.put(run.id, _text(lasting))
        self._tell(watched, kept)

    def _tell(self, watched: _Watched, kept: Sequence[DeploymentCheck]) -> None:
        counts = Counter((check.kind, check.state) for check in kept)
        for kind in CheckKind:
            for state in CheckState:
                labels = {"kind": kind.value, "state": state.value}
                telemetry.deployment_checks.set(counts[kind, state], labels)
        for check in kept:
            key = (check.kind, check.place)
            if check.state is CheckState.FAILED and key not in watched.told:
                watched.told.add(key)
                log.warning("run %s: deployment: %s", watched.run.id, check.detail)
                self._told(watched.run, check)


def build(
    config: Config,
    plan: Plan,
    pipeline: Pipeline,
    store: Store,
    hub: Hub,
    clock: Callable[[], float],
) -> Deploying:
    """Of what the session found of staging; what fails is told to listeners of the run."""

    def told(run: Run, check: DeploymentCheck) -> None:
        hub.publish(run_event(run, f"deployment: {check.detail}"))

    names = Names(assembly.canonical(config, Environment.STAGING))
    side, server = plan.staging, None
    if side.api is not None:
        server = Server(side.api, side.config.matchers, side.interval or INTERVAL_SECONDS)
    return Deploying(config, pipeline, names, server, store.memory("deployment"), clock, told)


@dataclass(frozen=True, slots=True)
class _Failed:
    checks: tuple[DeploymentCheck, ...]


def _text(checks: Sequence[DeploymentCheck]) -> str:
    return codec.dumps(_Failed(tuple(checks)))


def _remembered(text: str | None) -> tuple[DeploymentCheck, ...]:
    if text is None:
        return ()
    try:
        return codec.loads(_Failed, text).checks
    except (codec.CodecError, msgspec.MsgspecError) as error:
        log.warning("checks of a run that were kept cannot be read: %s", error)
        return ()
