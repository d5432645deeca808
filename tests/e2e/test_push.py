"""A real Prometheus pushes what it scrapes: twenty faults are told in time, once each, although it
and anomalyd are killed and started again meanwhile. SEED=n draws others."""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
import urllib.request
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anomalyd.config import parse
from anomalyd.replay import tape
from anomalyd.replay.again import Player, kept
from tests.daemon.process import PROGRAM, Process, serving, until_async, written
from tests.daemon.shop import settings
from tests.e2e.fleet import SERVICES, Fault, Fleet, drawn, exposed, write_baseline
from tests.e2e.pusher import Pusher, pushing
from tests.servers import alertmanager, free_port

pytestmark = pytest.mark.timeout(1200)

SEED = int(os.environ.get("SEED", "0"))
WINDOW = 4.0
FAULTS, AT_ONCE = 20, 4
WITHIN_SECONDS = 8.0
"""The faults of one round are switched on at instants within so long."""
TELLS_WITHIN = 90.0
"""Seconds from a fault to its alert at Alertmanager, at the very most."""
MOST_BEYOND = 2.0
"""Seconds from the window whose evidence suffices to the alert, in 95 of 100 faults."""
ROUTES = """
route: {receiver: hook, group_by: [incident], group_wait: 100ms, group_interval: 1s}
receivers: [{name: hook}]
"""


def tree(state: Path, port: int, alerting: str) -> dict[str, Any]:
    whole = settings("http://a", None, state)
    memory = {"name": "memory", "kind": "resource", "unit": "By", "gauge": "memory_bytes"}
    return {
        **whole,
        "environments": {
            "staging": {"remote_write": {}},
            "production": {"url": "http://127.0.0.1:1", "timeout": "1s"},
        },
        "signals": {"presets": [], "custom": [*whole["signals"]["custom"], memory]},
        "graph": {service: [] for service in SERVICES},
        "step": "1s",
        "window": f"{WINDOW:g}s",
        "judgement": {
            "warmup": "4s",
            "settle": "4s",
            "keep_firing_for": "8s",
            "close_incident_after": "8s",
            "ignore_shorter": "4s",
        },
        "api": {"listen": f"127.0.0.1:{port}"},
        "sinks": {"alertmanager": {"urls": [alerting]}},
        "log_level": "info",
    }


class Trial:
    """Everything that runs, and what Alertmanager was told of which service, and when first."""

    def __init__(self, config: Path, fleet: Fleet, sender: Pusher, alerting: str) -> None:
        self.config, self.fleet, self.sender = config, fleet, sender
        self._url = f"{alerting}/api/v2/alerts?active=true"
        self.told: dict[str, float] = {}
        self.incidents: set[str] = set()
        self._stack = AsyncExitStack()
        self.daemon: Process

    async def __aenter__(self) -> Trial:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def start(self) -> None:
        self.daemon = await self._stack.enter_async_context(serving(self.config, program=PROGRAM))
        await self.daemon.answers("/-/ready", lambda status, _: status == 200, 120)

    async def kill(self) -> None:
        await self.daemon.killed()
        await self._stack.aclose()

    async def judged(self, run: str, windows: int) -> None:
        """So many windows more."""
        _, before = await self.daemon.ask(f"/api/v1/runs/{run}")

        def later(_: int, told: Any) -> bool:
            return bool(told["elapsed"] >= before["elapsed"] + windows * WINDOW)

        await self.daemon.answers(f"/api/v1/runs/{run}", later, 120)

    async def open(self) -> int:
        """Incidents of which an alert is active; one that became more severe has two. What is new
        among them is noted with the time that it came there."""

        def get() -> list[dict[str, Any]]:
            with urllib.request.urlopen(self._url, timeout=5) as answer:
                return list(json.load(answer))

        found = await asyncio.to_thread(get)
        for one in found:
            came = datetime.fromisoformat(one["updatedAt"]).timestamp()
            self.told.setdefault(one["labels"]["service"], came)
            self.incidents.add(one["labels"]["incident"])
        return len({one["labels"]["incident"] for one in found})

    async def fails(self, faults: list[Fault], chance: random.Random) -> list[Fault]:
        """Switch faults on at instants by chance, and wait until each is told of."""
        now = time.time()
        on = [replace(fault, since=now + chance.uniform(0, WITHIN_SECONDS)) for fault in faults]
        self.fleet.faults |= {fault.service: fault for fault in on}

        async def all_told() -> bool:
            await self.open()
            return all(fault.service in self.told for fault in on)

        missing = [f"{fault} of {fault.service}" for fault in on]
        await until_async(all_told, "all are told", self.daemon, TELLS_WITHIN, missing)
        return on

    async def interrupted(self, who: str, run: str, chance: random.Random) -> None:
        """Kill the sender or anomalyd at an instant by chance, and start it again."""
        await asyncio.sleep(chance.uniform(0, 2 * WINDOW))
        if who == "sender":
            self.sender.kill()
        else:
            await self.kill()
        await asyncio.sleep(chance.uniform(0, 2 * WINDOW))
        if who == "sender":
            self.sender.start()
        else:
            await self.start()
        await self.judged(run, 3)

    async def drained(self) -> float:
        """Wait until the sender has sent what it had; how many samples it failed to send."""
        pending = "prometheus_remote_storage_samples_pending"

        async def few() -> bool:
            return await asyncio.to_thread(self.sender.own, pending) < 5 * len(SERVICES)

        await until_async(few, "the sender's queue is drained", self.daemon)
        return await asyncio.to_thread(
            self.sender.own, "prometheus_remote_storage_samples_failed_total"
        )


def evidence(state: Path, run: str) -> dict[str, float]:
    """In a replay of what was recorded: the end of the window at which each service fired."""
    recorded = tape.read(state / "recordings" / run)
    fired: dict[str, float] = {}
    player = Player(recorded)
    for place, stretch in enumerate(recorded.stretches):
        player.begin(stretch)
        for window in kept(stretch, recorded.stretches[place + 1 :]):
            player.feed(window)
            for anomaly in player.pipeline.courses[run].anomalies.values():
                fired.setdefault(anomaly.service, anomaly.fired_at)
    return fired


def table(faults: list[Fault], fired: Mapping[str, float], told: Mapping[str, float]) -> list[str]:
    rows = ["fault            service     evidence after  alert after  beyond"]
    for one in faults:
        needs, took = fired[one.service] - one.since, told[one.service] - one.since
        rows.append(
            f"{one!s:<16} {one.service}  {needs:12.1f} s {took:10.1f} s {took - needs:5.2f} s"
        )
    return rows


def windows_of(state: Path, run: str) -> list[float]:
    """The ends of the windows that a run was judged by, in order."""
    metas = tape.mend(state / "recordings" / run)
    return [meta["time"] for meta in metas if meta["kind"] == "window"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one trial came to. failed: samples that the sender gave up on."""

    run: str
    faults: list[Fault]
    told: dict[str, float]
    incidents: set[str]
    verdict: dict[str, Any]
    failed: float
    metrics: str


async def tried(directory: Path, chance: random.Random) -> Outcome:
    """Twenty faults in five rounds; before each and after the last somebody is killed."""
    faults, killed = drawn(chance, FAULTS), ["sender", "anomalyd"] * 3
    chance.shuffle(killed)
    state, port = directory / "state", free_port()
    receiver = f"http://127.0.0.1:{port}/api/v1/write/staging"
    on: list[Fault] = []
    async with AsyncExitStack() as stack:
        alerting = stack.enter_context(alertmanager(directory, ROUTES))
        made = tree(state, port, alerting)
        config = written(directory / "c.yaml", made)
        state.mkdir()
        write_baseline(state / "baseline.npz", parse(made), WINDOW)
        fleet = await stack.enter_async_context(exposed(WINDOW))
        pushed = pushing(directory / "sender", fleet.address, receiver)
        sender = await stack.enter_async_context(pushed)
        trial = await stack.enter_async_context(Trial(config, fleet, sender, alerting))
        run = await trial.daemon.start()
        await trial.judged(run, 8 + chance.randrange(4))
        await trial.interrupted(killed.pop(), run, chance)
        assert await trial.open() == 0, "nothing is wrong yet"
        for first in range(0, FAULTS, AT_ONCE):
            on += await trial.fails(faults[first : first + AT_ONCE], chance)
            await trial.interrupted(killed.pop(), run, chance)
            assert await trial.open() == len(on), "an incident was lost, or told twice"
        failed = await trial.drained()
        verdict = await trial.daemon.verdict(run)
        _, metrics = await trial.daemon.ask("/metrics")
        assert await trial.daemon.stopped() == 0
        return Outcome(run, on, trial.told, trial.incidents, verdict, failed, metrics)


async def test_each_of_twenty_faults_is_told_in_time_and_once_whatever_is_killed(tmp_path):
    found = await tried(tmp_path, random.Random(SEED))  # noqa: S311
    fired = evidence(tmp_path / "state", found.run)
    beyond = [found.told[one.service] - fired[one.service] for one in found.faults]
    median, p95 = np.quantile(beyond, [0.5, 0.95])
    print("", *table(found.faults, fired, found.told), sep="\n")
    print(f"beyond what the evidence needs: median {median:.2f} s, p95 {p95:.2f} s")
    assert p95 <= MOST_BEYOND
    assert found.failed == 0
    assert 'result="out_of_order"' not in found.metrics
    assert found.verdict["outcome"] == "fail", found.verdict["reasons"]
    told = [{one["service"] for one in i["anomalies"]} for i in found.verdict["incidents"]]
    assert sorted(map(sorted, told)) == sorted([one.service] for one in found.faults)
    assert len(found.incidents) == FAULTS
    ends = windows_of(tmp_path / "state", found.run)
    assert len(ends) > 30
    assert all(later - sooner >= WINDOW - 1e-6 for sooner, later in pairwise(ends))
