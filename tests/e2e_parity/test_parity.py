"""`anomalyd parity` on pairs of real servers and directories whose differences are known."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e_parity import plant
from tests.e2e_parity.drift import Row, seeded
from tests.e2e_parity.servers import pair
from tests.e2e_parity.world import make

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).resolve().parents[2]
SEEDS = range(int(os.environ.get("SEEDS") or "10"))
DRIFT = os.environ.get("DRIFT")
LEAST_EQUAL = 500
LEAST_ROWS = 20


def ask(config: Path, *more: str) -> tuple[int, dict[str, Any]]:
    """Exit code and answer of `anomalyd parity`."""
    done = subprocess.run(
        [sys.executable, "-m", "anomalyd", "parity", "-c", str(config), "--json", *more],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def rows(answer: dict[str, Any]) -> set[Row]:
    return {(row["kind"], row["place"]) for row in answer["differences"]}


@pytest.mark.parametrize("seed", SEEDS)
def test_what_was_seeded_is_found_and_nothing_else(seed: int, tmp_path: Path) -> None:
    worlds = (make("staging", seed), make("production", seed))
    expected = seeded(worlds, seed)
    with pair(worlds, tmp_path) as compared:
        status, answer = ask(compared.config)
    found = rows(answer)
    print(f"seed {seed}: {len(found)} of {len(expected)} rows, {answer['equal']} facts equal")
    assert found == expected, {"missed": expected - found, "false": found - expected}
    assert len(found) >= LEAST_ROWS
    assert answer["equal"] >= LEAST_EQUAL
    assert status == 1


def test_nothing_seeded_is_an_empty_table(tmp_path: Path) -> None:
    with pair((make("staging", 77), make("production", 77)), tmp_path) as compared:
        status, answer = ask(compared.config)
    assert answer["differences"] == []
    assert answer["equal"] >= LEAST_EQUAL
    assert status == 0


@pytest.mark.skipif(not DRIFT, reason="DRIFT names no file of facts")
def test_what_a_file_says_of_both_sides_is_found_and_nothing_else(tmp_path: Path) -> None:
    worlds = (make("staging", 78), make("production", 78))
    facts = plant.read(Path(str(DRIFT)))
    expected = plant.plant(facts, worlds)
    with pair(worlds, tmp_path) as compared:
        status, answer = ask(compared.config)
    found = rows(answer)
    listed = len(facts["staging"].keys() | facts["production"].keys())
    print(f"{DRIFT}: {len(found)} of {len(expected)} rows of {listed} facts")
    assert found == expected, {"missed": expected - found, "false": found - expected}
    assert status == (1 if expected else 0)
