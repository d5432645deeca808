"""The demo's system judged by its spans alone: no metric is read. SEED=n takes another system,
another load and another root."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from anomalyd.demo import claims
from anomalyd.demo.judge import Judge
from anomalyd.demo.load import Load, Steady, Sweep
from anomalyd.demo.system import System
from anomalyd.demo.topology import ENTRY, Fault, FaultKind
from anomalyd.model import Environment
from tests.servers import free_port

SEED = int(os.environ.get("SEED") or 9)
ROOT = ("inventory", "pricing", "cart")[SEED % 3]


def configuration(state: Path, port: int) -> dict[str, Any]:
    return {
        "environments": {"staging": {"otlp": {}}, "production": {"otlp": {}}},
        "otlp": {"http": f"127.0.0.1:{port}", "grpc": None},
        "identity": {"entry": ENTRY},
        "signals": {"presets": ["operations"]},
        "step": "1s",
        "window": "2s",
        "state_dir": str(state),
        "baseline": {"days": 0.01},
        "judgement": {"warmup": "4s", "settle": "2s", "ignore_shorter": "0s"},
        "sinks": {"log": None},
        "api": {"listen": "127.0.0.1:0"},
    }


@pytest.mark.e2e
@pytest.mark.timeout(400)
async def test_a_bad_run_names_the_root_service_by_traces_alone(tmp_path: Path) -> None:
    judge, port = Judge(tmp_path), free_port()
    judge.configure(configuration(judge.state, port))
    endpoint = f"http://127.0.0.1:{port}"
    async with (
        System(Environment.PRODUCTION, SEED, otlp=f"{endpoint}/production") as production,
        System(Environment.STAGING, SEED, otlp=f"{endpoint}/staging") as staging,
    ):
        async with judge.serving():
            await Load(production.entry, Sweep(30, 50, 90, 1), seed=2 * SEED).run()
            await asyncio.sleep(16)  # spans are read once their traces are over
        assert await judge.fit() >= 12
        async with judge.serving() as api:
            await api.ready()
            run = await api.start("bad")
            async with asyncio.TaskGroup() as tasks:
                load = Load(staging.entry, Steady(40, 100), seed=2 * SEED + 1)
                tasks.create_task(load.run(), name="load")
                await asyncio.sleep(35)
                await staging.fault(Fault(ROOT, FaultKind.LATENCY, 3))
            await api.stop(run)
            verdict = await api.verdict(run)
    assert verdict["outcome"] == "fail", verdict["reasons"]
    assert claims.suspects(verdict)[0][0] == ROOT
