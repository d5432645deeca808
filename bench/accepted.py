"""`python -m bench.accepted`: what accepted runs are worth, and where creep is caught.

A simulated system of four services whose truth is known: production for four hours, then runs of a
staging that differs from it. The smallest detectable change is that of each verdict; creep is eight
runs, one service's latency 3% slower in each than in the one before, all of them accepted. SEEDS=n,
SEED=n.
"""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from anomalyd.model import Floats, Verdict
from anomalyd.replay import judge
from anomalyd.replay.infer import Columns, columns
from anomalyd.replay.production import fit_production
from anomalyd.replay.recording import Recording
from anomalyd.replay.windows import width_of

SERVICES = 4
HISTORY, RUN = 960, 64
STEP = 15.0
LOAD = 50.0
BETWEEN = 0.03
"""Sd, in log, of what runs of one software differ by."""

STAGING = 0.15
"""Sd, in log, of what staging is from production, series by series."""

STEPS, EACH = 8, 0.03
KINDS = {"latency_p95_seconds": "latency", "cpu_utilization": "cpu", "error_ratio": "errors"}


@dataclass(frozen=True)
class World:
    """rng: of one seed. offsets: of staging, by column."""

    rng: np.random.Generator
    offsets: dict[str, float]

    def recorded(self, loads: Floats, between: float, slower: float = 1.0) -> Recording:
        """slower: the first service's latency, by that factor."""
        columns: dict[str, Floats] = {}
        for number in range(SERVICES):
            label = f'{{service="s{number}"}}'
            requests = self.rng.poisson(loads * STEP)
            latency = 0.05 * (1 + number) * (loads / LOAD) ** 0.3
            columns[f"request_rate{label}"] = requests / STEP
            times = slower if number == 0 else 1.0
            columns[f"latency_p95_seconds{label}"] = (
                times * latency * self._noise(f"latency{label}", len(loads), 0.06, between)
            )
            bad = self.rng.binomial(requests, 0.003)
            columns[f"error_ratio{label}"] = bad / np.maximum(requests, 1)
            columns[f"cpu_utilization{label}"] = (
                0.004 * loads * self._noise(f"cpu{label}", len(loads), 0.04, between)
            )
        times_of = 1_700_000_000.0 + STEP * np.arange(len(loads))
        return Recording(times_of, tuple(columns), np.stack(list(columns.values()), axis=1))

    def _noise(self, column: str, count: int, size: float, between: float) -> Floats:
        usual = self.offsets[column] if between else 0.0
        own = usual + between * self.rng.standard_normal()
        return np.exp(own + size * self.rng.standard_normal(count))

    def run(self, slower: float = 1.0) -> Recording:
        loads = LOAD * np.exp(0.05 * self.rng.standard_normal(RUN))
        return self.recorded(loads, BETWEEN, slower)


def world(seed: int) -> World:
    rng = np.random.default_rng([7, seed])
    names = [f'{kind}{{service="s{n}"}}' for kind in ("latency", "cpu") for n in range(SERVICES)]
    return World(rng, {name: STAGING * rng.standard_normal() for name in names})


@dataclass(frozen=True)
class Reference:
    """What runs of a world are judged beside."""

    columns: Columns
    reference: judge.Reference

    def verdict(
        self, run: Recording, accepted: Sequence[Recording], golden: int | None = None
    ) -> Verdict:
        of = self.reference
        learned = judge.learn(of.columns, of.baseline, of.width, accepted, {}, golden)
        return judge.judge(learned, run, {}).verdict


def production(one: World) -> Reference:
    hours = np.arange(HISTORY) / HISTORY * 6 * np.pi
    history = one.recorded(LOAD * np.exp(0.5 * np.sin(hours)), 0.0)
    known, width = columns(history.headers, {}), width_of(STEP)
    baseline = fit_production(history, known, width)
    return Reference(known, judge.learn(known, baseline, width, [], {}))


def detectable(verdict: Verdict, into: dict[str, list[float]]) -> None:
    for finding in verdict.findings:
        if finding.signal in KINDS and np.isfinite(finding.mde):
            into[KINDS[finding.signal]].append(finding.mde)


@dataclass(frozen=True)
class Crept:
    """The first step that failed against the golden run, and against what accepted runs taught; 0
    where none did."""

    golden: int
    taught: int


def creep(one: World, beside: Reference, steps: int = STEPS, each: float = EACH) -> Crept:
    """Three runs are accepted, the first of them pinned; then each step that does not fail by what
    accepted runs taught, as if nothing were pinned."""
    accepted = [one.run() for _ in range(3)]
    golden = 0
    for step in range(1, steps + 1):
        run = one.run((1 + each) ** step)
        verdict = beside.verdict(run, accepted, 0)
        fired = [f for f in verdict.findings if f.state == "fired"]
        if fired and not golden and all(f.detector == "golden" for f in fired):
            golden = step
        if any(f.detector != "golden" for f in fired):
            return Crept(golden, step)
        accepted.append(run)
    return Crept(golden, 0)


def main() -> int:
    seeds, first = int(os.environ.get("SEEDS") or "10"), int(os.environ.get("SEED") or "0")
    before: dict[str, list[float]] = defaultdict(list)
    after: dict[str, list[float]] = defaultdict(list)
    crept = []
    for seed in range(first, first + seeds):
        one = world(seed)
        beside = production(one)
        accepted, run = [one.run() for _ in range(5)], one.run()
        detectable(beside.verdict(run, []), before)
        detectable(beside.verdict(run, accepted), after)
        crept.append(creep(one, beside))
        print(f"seed {seed}: {crept[-1]}", file=sys.stderr, flush=True)
    rows = [
        [kind, len(after[kind]), *(_told(of[kind], kind) for of in (before, after))]
        for kind in KINDS.values()
    ]
    print(table(["series", "of them", "no accepted run", "five accepted runs"], rows))
    print()
    print(
        table(
            [
                "step",
                "slower in all",
                "caught by the golden run",
                "caught by what accepted runs taught",
            ],
            _steps(crept),
        )
    )
    return 0


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _told(values: Sequence[float], kind: str) -> str:
    unit, times = ("pp", 100.0) if kind == "errors" else ("%", 100.0)
    low, middle, high = np.quantile(np.array(values) * times, (0.1, 0.5, 0.9))
    return f"{middle:.2g}{unit} ({low:.2g} to {high:.2g})"


def _steps(crept: Sequence[Crept]) -> list[list[object]]:
    return [
        [
            step,
            f"{(1 + EACH) ** step - 1:.1%}",
            sum(one.golden == step for one in crept),
            sum(one.taught == step for one in crept),
        ]
        for step in range(1, STEPS + 1)
    ]


if __name__ == "__main__":
    raise SystemExit(main())
