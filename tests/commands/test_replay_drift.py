"""A simulated pair in which a smaller CPU limit slows a service: told of it, and not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from anomalyd.cli import main
from anomalyd.commands import replaying
from anomalyd.model import Outcome
from anomalyd.replay import judge
from anomalyd.replay.edges import read_edges
from anomalyd.replay.recording import Recording
from tests.replay.system import written

SERVICES = ("gateway", "cart", "pricing")
CORES = "cpu_cores:unit=cores"
SLOWER = {"gateway": 1.0, "cart": 1.0, "pricing": 2.2}
"""Pricing needs 7 ms of CPU a request, 50 of them a second: 0.35 cores."""


def recorded(seed: int, count: int, slower: dict[str, float], waves: float = 0.05) -> Recording:
    rng = np.random.default_rng(seed)
    loads = 50 * np.exp(waves * np.sin(np.arange(count) / 40) + 0.02 * rng.standard_normal(count))
    columns: dict[str, Any] = {}
    for service in SERVICES:
        label = f'{{service="{service}"}}'
        wander = np.exp(0.03 * rng.standard_normal(count) + 0.03 * rng.standard_normal())
        columns[f"request_rate{label}"] = rng.poisson(loads * 15) / 15
        columns[f"latency_p95_seconds{label}"] = 0.08 * slower[service] * wander
        noise = np.exp(0.03 * rng.standard_normal(count))
        columns[f"cpu_cores{label}"] = 0.007 * loads * noise
    times = 1_700_000_000.0 + 15 * np.arange(count)
    return Recording(times, tuple(columns), np.stack(list(columns.values()), axis=1))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    alike = dict.fromkeys(SERVICES, 1.0)
    runs = {f"good{seed}": recorded(seed, 80, alike) for seed in range(2, 6)}
    folder = tmp_path_factory.mktemp("drift")
    made = {"production": recorded(1, 720, alike, waves=0.4), "slow": recorded(9, 80, SLOWER)}
    return written(folder, **made, **runs) | {"folder": folder}


@pytest.fixture(scope="module")
def reference(files: dict[str, Path]) -> judge.Reference:
    """What production and four accepted runs teach, as `replay` learns it."""
    names = ("slow", *(f"good{n}" for n in range(2, 6)))
    runs = [(files[name], replaying.read_run(files[name])) for name in names]
    edges = read_edges(files["edges"])
    known = replaying.understand(files["production"], None, runs, edges, [CORES])
    accepted = [run for _, run in runs[1:]]
    return judge.learn(known.columns, known.baseline, known.width, accepted, edges)


def listed(files: dict[str, Path], production: str, staging: str, service: str) -> Path:
    """That a service's CPU limit is so in both environments."""
    limit = {"kind": "cpu-limit", "place": f"{service}/app"}
    limit |= {"production": production, "staging": staging}
    pods = {"kind": "replicas", "place": service, "production": 1, "staging": 1}
    facts = files["folder"] / f"{production}-{staging}-{service}.json"
    facts.write_text(json.dumps([limit, pods]))
    return facts


def test_a_slowdown_that_a_smaller_limit_accounts_for_does_not_fail(files) -> None:
    facts = listed(files, "2", "500m", "pricing")
    good = [word for n in range(2, 6) for word in ("--accepted", str(files[f"good{n}"]))]
    words = ["--production", str(files["production"]), "--staging", str(files["slow"]), *good]
    words += ["--edges", str(files["edges"]), "--signal", CORES]
    done = CliRunner().invoke(main, ["replay", *words, "--drift", str(facts), "--json"])
    assert done.stderr == ""
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["verdict"] != "fail"
    (said,) = [one for one in found["reasons"] if "not failing" in one]
    assert "pricing cpu limit 2 → 0.5 in staging: expected +" in said
    terms = {one["name"]: one for one in found["risk"]["terms"]}
    assert terms["explained-by-drift"]["value"] > 0
    assert terms["drift"]["known"]
    assert "cpu-limit of pricing/app" in terms["drift"]["reason"]


@pytest.mark.parametrize(
    ("production", "staging", "service"),
    [("2", "2", "pricing"), ("500m", "2", "pricing"), ("2", "500m", "cart")],
)
def test_without_that_drift_the_same_slowdown_fails(
    files, reference, production, staging, service
) -> None:
    facts = replaying.facts_of(listed(files, production, staging, service))
    slow, edges = replaying.read_run(files["slow"]), read_edges(files["edges"])
    verdict = judge.judge(reference, slow, edges, facts=facts).verdict
    assert verdict.outcome is Outcome.FAIL
    assert not [one for one in verdict.reasons if "not failing" in one]
