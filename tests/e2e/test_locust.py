"""locust is the load, and its own metrics come by OTLP: the phases of the test are seen in them."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from anomalyd.demo.system import System
from anomalyd.model import Environment
from tests.daemon.process import PROGRAM, ROOT, serving, written
from tests.e2e.locust_plan import HOLD, RAMP
from tests.servers import free_port

pytestmark = pytest.mark.timeout(300)

WINDOW = 4.0
LOCUSTFILE = Path(__file__).with_name("locustfile.py")
KNOWN = 'anomalyd_signal_series{environment="staging"} 3.0'
"""The load, and of the one request that there is, what the preset measures."""
METRIC = "locust_client_duration_seconds"


def tree(state: Path, port: int) -> dict[str, Any]:
    return {
        "environments": {"staging": {"otlp_metrics": {}}},
        "signals": {"presets": ["locust"]},
        "load": {"rate": f"{METRIC}_count"},
        "step": "1s",
        "window": f"{WINDOW:g}s",
        "judgement": {"warmup": "0s", "settle": "4s"},
        "state_dir": str(state),
        "api": {"listen": "127.0.0.1:0"},
        "otlp": {"http": f"127.0.0.1:{port}", "grpc": None},
        "reports": {"formats": ["json"]},
        "log_level": "info",
    }


@asynccontextmanager
async def locust(host: str, port: int, log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """As docs/push.md has it."""
    environ = {
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}/staging",
        "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": (
            "base2_exponential_bucket_histogram"
        ),
        "OTEL_METRIC_EXPORT_INTERVAL": "1000",
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
    }
    options = ("-f", str(LOCUSTFILE), "--headless", "--otel", "--only-summary")
    with log.open("wb") as out:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "locust", *options, "-H", host, "--exit-code-on-error", "0"),
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
            stdout=out,
            stderr=out,
        )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


def is_steady(phase: dict[str, Any]) -> bool:
    return phase["kind"] == "steady"


async def test_ramp_hold_and_drain_are_seen_in_what_locust_sends(tmp_path):
    port = free_port()
    config = written(tmp_path / "c.yaml", tree(tmp_path / "state", port))
    async with System(Environment.STAGING, 1) as system, serving(config, program=PROGRAM) as daemon:
        base = system.base("gateway")
        async with locust(base, port, tmp_path / "locust") as load:
            await daemon.answers("/metrics", lambda _, told: KNOWN in told)
            run = await daemon.start("locust")
            async with asyncio.timeout(150):
                assert await load.wait() == 0, (tmp_path / "locust").read_text()
        verdict = await daemon.verdict(run)
        assert await daemon.stopped() == 0
    phases = verdict["phases"]
    print(
        "", *(f"{one['kind']:<10} {one['end'] - one['start']:4.0f} s" for one in phases), sep="\n"
    )
    ramp = next(one for one in phases if one["kind"] == "ramp")
    drain = phases[-1]
    held = sum(one["end"] - one["start"] for one in phases[phases.index(ramp) :] if is_steady(one))
    assert drain["kind"] == "drain"
    assert drain["start"] - ramp["start"] == pytest.approx(RAMP + HOLD, abs=3 * WINDOW)
    assert held > 0.7 * HOLD
    assert verdict["outcome"] == "inconclusive", "nothing is known of production"
