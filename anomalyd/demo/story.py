"""The demo: a good test and a bad one of a small real system, judged by the ordinary daemon.

production ── swept ──▶ daemon keeps what it sees ──▶ baseline fit
staging ── good test ──▶ daemon ──▶ pass
staging ── bad test, a fault switched on in it ──▶ daemon ──▶ fail, and where it began
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anomalyd.demo import claims
from anomalyd.demo.judge import Api, Judge
from anomalyd.demo.load import Load, Shape
from anomalyd.demo.plan import Plan
from anomalyd.demo.process import DemoError
from anomalyd.demo.system import System
from anomalyd.demo.topology import Fault, choose
from anomalyd.model import Environment

Say = Callable[[str], None]

DISTURBED = 0.25
"""Seconds by which a request may leave late before its test is disturbed."""

TRIES = 3

BUSY_SECONDS = 0.1
"""Of lateness: longer than any service works for one request, so latency is the machine's."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How the demo ended: both verdicts as the API answers them, and the reports of both.

    late: the longest that any request was sent after its time, in seconds.
    """

    fault: Fault
    good: claims.Verdict
    bad: claims.Verdict
    reports: tuple[Path, ...]
    late: float = 0.0


async def tell(seed: int, keep: Path | None, as_json: bool, plan: Plan | None = None) -> int:
    """The `demo` command: 0 if it did what it claims, else 1. Raises DemoError.

    Everything goes to `keep`, which must be new or empty, or to a new temporary directory.
    """
    if importlib.util.find_spec("prometheus_client") is None:
        raise DemoError("the demo needs prometheus-client; pip install prometheus-client")
    out = sys.stderr if as_json else sys.stdout
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - began:4.0f} s] {line}", file=out, flush=True)

    story = Story(seed, _directory(keep), plan or Plan(), say)
    try:
        ended = await story.play()
    except* DemoError as group:
        raise _first(group) from None
    wrong = claims.unmet(ended.good, ended.bad, ended.fault)
    for sentence in wrong:
        say(f"not as claimed: {sentence}")
    if wrong and ended.late > BUSY_SECONDS:
        say(f"this machine was busy: requests left up to {ended.late:.2f} s late; try a quiet one")
    if not wrong:
        say("all as claimed: the good test passed, and the bad one failed where the fault was")
    if as_json:
        print(json.dumps(document(ended)), flush=True)
    return int(bool(wrong))


def document(ended: Ended) -> dict[str, Any]:
    """What `--json` ends with."""
    found = claims.suspects(ended.bad)
    return {
        "good": {"verdict": ended.good["outcome"]},
        "bad": {
            "verdict": ended.bad["outcome"],
            "suspects": [{"service": name, "score": round(score, 4)} for name, score in found],
        },
        "fault": {"service": ended.fault.service, "kind": str(ended.fault.kind)},
        "reports": [str(path) for path in ended.reports],
    }


class Story:
    """The phases in their order; `play` runs them all."""

    def __init__(self, seed: int, directory: Path, plan: Plan, say: Say) -> None:
        self.fault = choose(seed)
        self._seed, self._plan, self._say = seed, plan, say
        self._judge = Judge(directory)
        self._loads: list[Load] = []

    async def play(self) -> Ended:
        """Raises DemoError, within an exception group."""
        plan, say, seed = self._plan, self._say, self._seed
        say("starting four services twice: as production and as staging")
        async with (
            System(Environment.PRODUCTION, seed) as production,
            System(Environment.STAGING, seed) as staging,
        ):
            self._judge.configure(
                plan.configuration(staging.targets(), production.targets(), self._judge.state)
            )
            await self._history(production, staging)
            async with self._judge.serving() as api:
                await api.ready()
                say(f"anomalyd judges staging; watch it at {api.url}")
                good_id, good = await self._test(api, staging, "good", plan.good_test(), None)
                bad_id, bad = await self._test(api, staging, "bad", plan.bad_test(), self.fault)
        reports = (*self._judge.reports(good_id), *self._judge.reports(bad_id))
        for path in reports:
            if path.suffix == ".html":
                say(f"report: {path}")
        late = max(load.counts.late for load in self._loads)
        return Ended(self.fault, good, bad, reports, late)

    async def _history(self, production: System, staging: System) -> None:
        """Let the daemon see production at all loads, then fit the baseline from that."""
        plan = self._plan
        async with self._judge.serving() as api:
            async with asyncio.TaskGroup() as tasks:
                for system in (production, staging):
                    tasks.create_task(self._load(system, plan.warm_up()).run(), name="warm up")
                tasks.create_task(api.sees(), name="sources")
            self._say(
                f"production under {plan.low:g} to {plan.high:g} requests/s for {plan.history:g} s"
            )
            await self._load(production, plan.sweep()).run()
        self._say(f"baseline of {await self._judge.fit()} series fitted from what production did")

    async def _test(
        self, api: Api, staging: System, name: str, shape: Shape, fault: Fault | None
    ) -> tuple[str, claims.Verdict]:
        """A test whose load left on time: a busy machine delays what is measured as well, so such
        a test shows nothing, whatever its verdict, and is done again."""
        for left in reversed(range(TRIES)):
            ended = await self._run(api, staging, name, shape, fault)
            late = self._loads[-1].counts.late
            if late <= DISTURBED or not left:
                break
            self._say(f"requests left up to {late:.2f} s late: the machine is busy; once more")
        return ended

    async def _run(
        self, api: Api, staging: System, name: str, shape: Shape, fault: Fault | None
    ) -> tuple[str, claims.Verdict]:
        """One test run: its id and verdict, all reports written."""
        self._say(f"{name} test of staging: {shape.peak:g} requests/s for {shape.seconds:g} s")
        run_id = await api.start(name)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._narrate(api, run_id), name="incidents")
            load = tasks.create_task(self._load(staging, shape).run(), name="load")
            if fault is not None:
                await asyncio.sleep(self._plan.before_fault)
                await staging.fault(fault)
                self._say(f"a fault is switched on: {fault}")
            counts = await load
            await api.stop(run_id)
            verdict = await api.verdict(run_id)
        if fault is not None:
            await staging.clear()
        if counts.dropped:
            self._say(f"{counts.dropped} requests were not sent: too many were under way")
        self._pronounce(name, verdict)
        await api.reported(run_id)
        return run_id, verdict

    async def _narrate(self, api: Api, run_id: str) -> None:
        """Say of each incident when it opens, when more services or signals join, and its end."""
        said: dict[str, object] = {}
        async for incident in api.incidents(run_id):
            ended = incident["ended_at"] is not None
            grown = (
                ended,
                {(found["signal"], found["service"]) for found in incident["anomalies"]},
            )
            if said.get(incident["id"]) != grown:
                said[incident["id"]] = grown
                self._say(f"incident {'closed' if ended else 'open'}: {incident['summary']}")

    def _pronounce(self, name: str, verdict: claims.Verdict) -> None:
        self._say(f"{name} test: {verdict['outcome'].upper()}")
        if verdict["outcome"] == "fail":
            for service, score in claims.suspects(verdict):
                self._say(f"  suspect {service} ({score:.0%})")
                for line in claims.evidence(verdict, service):
                    self._say(f"    {line}")
        else:
            for reason in verdict["reasons"]:
                self._say(f"  {reason}")

    def _load(self, system: System, shape: Shape) -> Load:
        load = Load(system.entry, shape, seed=self._seed * 16 + len(self._loads))
        self._loads.append(load)
        return load


def _directory(keep: Path | None) -> Path:
    if keep is None:
        return Path(tempfile.mkdtemp(prefix="anomalyd-demo-"))
    try:
        keep.mkdir(parents=True, exist_ok=True)
        if any(keep.iterdir()):
            raise DemoError(f"{keep} is not empty; name a new directory")
    except OSError as error:
        raise DemoError(f"{keep}: {error.strerror}; name another directory") from error
    return keep.resolve()


def _first(group: BaseExceptionGroup[DemoError]) -> DemoError:
    first: BaseException = group
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first if isinstance(first, DemoError) else DemoError(str(first))
