"""`anomalyd mutate`: faults put into good runs, and which of them would have been found."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anomalyd.commands import bundles
from anomalyd.commands.replaying import FALSE_FAIL, read_run, understand
from anomalyd.replay import judge
from anomalyd.replay.edges import read_edges
from anomalyd.replay.faults import SIZES, FaultKind
from anomalyd.replay.mutate import Good, Mutation, Trial
from anomalyd.replay.recording import RecordingError
from anomalyd.replay.sights import Recall, Sight, recalls, sights
from anomalyd.replay.subjects import of_bundle, of_recording
from anomalyd.units import format_duration

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Inputs:
    """Paths: good runs that faults are put into, production's history or a baseline fitted to it,
    runs that were accepted, the graph. signals: overrides as `name:key=value,…`."""

    runs: Sequence[Path]
    production: Path | None
    baseline: Path | None
    accepted: Sequence[Path]
    edges: Path | None
    signals: Sequence[str] = ()


def mutations(
    inputs: Inputs, false_fail: float | None, onsets: int, propagate: bool
) -> list[Mutation]:
    """One per run. false_fail: None: as the run was recorded, else the usual one. Raises
    RecordingError, BaselineError."""
    of_csv = {
        "production": inputs.production,
        "baseline": inputs.baseline,
        "accepted": inputs.accepted,
        "edges": inputs.edges,
        "signal": inputs.signals,
    }
    if not bundles.are_bundles(inputs.runs, of_csv):
        good = _good_runs(inputs, FALSE_FAIL if false_fail is None else false_fail)
        return [Mutation(one, onsets, propagate) for one in good]
    found = []
    for folder in inputs.runs:
        with bundles.told(folder):
            one = of_bundle(str(folder), bundles.read(folder, false_fail))
            found.append(Mutation(one, onsets, propagate))
    return found


def _good_runs(inputs: Inputs, false_fail: float) -> list[Good]:
    twice = sorted(str(path) for path in set(inputs.runs) & set(inputs.accepted))
    if twice:
        raise RecordingError(f"{twice[0]}: is to be mutated and accepted; name it once")
    runs = [(path, read_run(path)) for path in (*inputs.runs, *inputs.accepted)]
    edges = read_edges(inputs.edges) if inputs.edges is not None else {}
    judged = len(inputs.runs)
    known = understand(inputs.production, inputs.baseline, runs, edges, inputs.signals, judged)
    accepted = [run for _, run in runs[judged:]]
    reference = judge.learn(known.columns, known.baseline, known.width, accepted, edges)
    return [
        of_recording(str(path), run, reference, edges, false_fail) for path, run in runs[:judged]
    ]


def document(done: Sequence[Mutation], trials: Sequence[Trial], whole_run: bool) -> Document:
    """Plain values; times in the recordings' unix seconds, None for what was not found."""
    return {
        "runs": [
            {"run": one.name, "verdict": one.outcome.value, "replays": one.replays} for one in done
        ],
        "whole_run": whole_run,
        "sizes": {kind.value: list(sizes) for kind, sizes in SIZES.items()},
        "services": [_sight(one) for one in found(done, trials)],
        "recall": [_recall(one) for one in recalls(trials)],
        "trials": [_trial(trial) for trial in trials],
    }


def found(done: Sequence[Mutation], trials: Sequence[Trial]) -> list[Sight]:
    without = {pair: None for one in done for pair in one.without()}
    return sights(trials, without)


def _sight(one: Sight) -> Document:
    return {
        "service": one.service,
        "kind": one.kind.value,
        "blind": one.blind,
        "trials": one.trials,
        "found_always_from": one.always,
        "found_once_from": one.once,
        "delay": _known(one.delay),
        "verdicts_when_missed": [outcome.value for outcome in one.outcomes],
    }


def _recall(one: Recall) -> Document:
    low, high = one.interval
    return {
        "kind": one.kind.value,
        "size": one.size,
        "found": one.found,
        "trials": one.trials,
        "recall": one.found / one.trials,
        "interval": [low, high],
    }


def _trial(trial: Trial) -> Document:
    return {
        "run": trial.run,
        "service": trial.service,
        "kind": trial.kind.value,
        "onset": _known(trial.onset),
        "size": trial.size,
        "delay": _known(trial.delay),
        "series": list(trial.series),
        "suspect": trial.suspect or None,
        "verdict_when_missed": trial.outcome.value if trial.outcome is not None else None,
    }


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def render(done: Sequence[Mutation], trials: Sequence[Trial], whole_run: bool) -> str:
    """What a person reads on a terminal."""
    lines = [f"{one.name} ({one.outcome}): {one.replays} replays with a fault" for one in done]
    where = "from the first second" if whole_run else "from one moment of the run on"
    lines.append(f"faults are there {where}")
    seen = found(done, trials)
    blind = [one for one in seen if one.blind]
    lines += ["", f"blind spots: {len(blind)} of {len(seen)}"]
    lines += _table([("service", "fault", "found"), *map(_blind_row, blind)] if blind else [])
    lines += ["", "found in every trial from this size on"]
    head = ("service", "fault", "always", "at best", "after")
    lines += _table([head, *(_found_row(one) for one in seen if not one.blind)])
    lines += ["", "recall: found of all trials, with its 95% interval were they independent"]
    lines += _table([("fault", "size", "found", "recall"), *map(_recall_row, recalls(trials))])
    return "\n".join(lines)


def _blind_row(one: Sight) -> tuple[str, ...]:
    largest = SIZES[one.kind][-1]
    if not one.trials:
        return one.service, one.kind, "no series that it would show in"
    verdicts = "/".join(sorted({outcome.value for outcome in one.outcomes}))
    missed = f"{_size(one.kind, largest)} missed in {len(one.outcomes)} of {one.trials}: {verdicts}"
    best = "" if one.once is None else f"; at best from {_size(one.kind, one.once)} on"
    return one.service, one.kind, missed + best


def _found_row(one: Sight) -> tuple[str, ...]:
    sizes = [_size(one.kind, size) for size in (one.always, one.once) if size is not None]
    return one.service, one.kind, *sizes, format_duration(one.delay)


def _recall_row(one: Recall) -> tuple[str, ...]:
    low, high = one.interval
    share = f"{one.found / one.trials:.0%} ({low:.0%} to {high:.0%})"
    return one.kind, _size(one.kind, one.size), f"{one.found}/{one.trials}", share


def _size(kind: FaultKind, size: float) -> str:
    if kind is FaultKind.LOST:
        return "all"
    return f"+{size * 100:g} pp" if kind is FaultKind.ERRORS else f"+{size:.0%}"


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  " + "  ".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
