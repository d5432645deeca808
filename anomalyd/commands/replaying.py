"""`anomalyd replay` and `anomalyd baseline fit --from`: recordings instead of live systems."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anomalyd.baseline import file
from anomalyd.baseline.profile import Baseline
from anomalyd.facts import Fact
from anomalyd.parity import given as parity_given
from anomalyd.parity.differences import compare
from anomalyd.parity.given import GivenError
from anomalyd.parity.secrets import Mask
from anomalyd.replay import judge
from anomalyd.replay.edges import read_edges
from anomalyd.replay.infer import Columns, Overrides, columns
from anomalyd.replay.production import fit_production
from anomalyd.replay.recording import Recording, RecordingError, read_csv
from anomalyd.replay.windows import WINDOW, width_of
from anomalyd.report.parts import Document
from anomalyd.report.replayed import document
from anomalyd.units import format_duration

ERRORS = (RecordingError, file.BaselineError, GivenError, ValueError)
"""What a user can cause."""

LONGEST_RUN = 7 * 86400.0
"""Seconds."""

FALSE_FAIL = 0.01
"""Chance that a good run fails, where none is given."""

OVERRIDABLE = ("kind", "worse", "unit", "tolerate")


@dataclass(frozen=True, slots=True)
class Inputs:
    """Paths of a replay: production's history or a baseline fitted to it, the run, runs that were
    accepted, the graph, facts of both environments. signals: overrides as `name:key=value,…`."""

    production: Path | None
    baseline: Path | None
    staging: Path
    accepted: Sequence[Path]
    edges: Path | None
    signals: Sequence[str] = ()
    drift: Path | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What the columns of recordings mean, and production's profiles of windows `width` wide
    (seconds)."""

    columns: Columns
    baseline: Baseline
    width: float


def replay(inputs: Inputs, false_fail: float) -> Document:
    """Judge a recorded run. Raises RecordingError, BaselineError, GivenError."""
    facts = facts_of(inputs.drift) if inputs.drift is not None else ()
    runs = [(path, read_run(path)) for path in (inputs.staging, *inputs.accepted)]
    edges = read_edges(inputs.edges) if inputs.edges is not None else {}
    known = understand(inputs.production, inputs.baseline, runs, edges, inputs.signals)
    staging, *accepted = (run for _, run in runs)
    reference = judge.learn(known.columns, known.baseline, known.width, accepted, edges)
    judged = judge.judge(reference, staging, edges, false_fail, facts)
    windows = len(judged.course.record.times)
    return document(judged.verdict, capacity=judged.capacity, windows=windows)


def facts_of(path: Path) -> tuple[Fact, ...]:
    """What is so in both environments, as somebody listed it, and what differs. GivenError."""
    staging, production = parity_given.collect(path, Mask())
    return compare([staging], [production], [], 0.0).judged_by


def understand(
    production: Path | None,
    baseline: Path | None,
    runs: Sequence[tuple[Path, Recording]],
    edges: Mapping[str, Sequence[str]],
    signals: Sequence[str],
    judged: int = 1,
) -> Known:
    """Production as the first `judged` of these runs are judged by it, the others being accepted.
    Raises RecordingError, BaselineError."""
    overrides, recordings = parse_overrides(signals), [run for _, run in runs]
    path, coarsest = max(runs[:judged], key=lambda one: one[1].step)
    if baseline is not None:
        fitted = file.load(baseline)
        width = float(fitted.meta["window"])
        if width < coarsest.step - 1e-6:
            raise RecordingError(
                f"{baseline}: has windows of {width:g} s, shorter than the "
                f"{coarsest.step:g} s between samples of {path}; fit it again with "
                f"`anomalyd baseline fit --from FILE --window {width_of(coarsest.step):g}s`"
            )
        load = fitted.meta.get("source", {}).get("recording", ())
        found = _columns(fitted.profiles.keys, recordings, edges, overrides, load)
        return Known(found, fitted, width)
    if production is None:
        raise RecordingError("name production's recording (--production) or a --baseline of it")
    history = read_csv(production)
    width = width_of(coarsest.step)
    found = _columns(history.headers, recordings, edges, overrides)
    return Known(found, fit_production(history, found, width), width)


def read_run(path: Path) -> Recording:
    """A run from a wide CSV. Raises RecordingError.

    One wrong time among many would make a run of years, window after empty window.
    """
    run = read_csv(path)
    if not math.isfinite(run.step):
        raise RecordingError(f"{path}: has a single sample or none; a run needs more")
    span = float(run.times[-1] - run.times[0])
    if span > LONGEST_RUN:
        raise RecordingError(
            f"{path}: spans {format_duration(span)} from its first time to its last; a run is at "
            f"most {format_duration(LONGEST_RUN)} long: is one of its times wrong?"
        )
    return run


def fit(production: Path, out: Path, window: float | None, edges: Path | None) -> dict[str, Any]:
    """Fit a recorded production and save it; edges: who calls whom, which tells what its load is.
    Raises RecordingError, BaselineError."""
    recording = read_csv(production)
    width = WINDOW if window is None else window
    found = columns(recording.headers, read_edges(edges) if edges is not None else {})
    baseline: Baseline = fit_production(recording, found, width)
    if not baseline.profiles.keys:
        raise RecordingError(f"{production}: no series has values enough to learn from")
    file.save(baseline, out)
    return {"path": str(out), "series": len(baseline.profiles.keys)}


def _columns(
    known: Sequence[str],
    runs: Sequence[Recording],
    edges: Mapping[str, Sequence[str]],
    overrides: Overrides,
    load: Sequence[str] = (),
) -> Columns:
    first, *others = runs
    headers = [*first.headers, *known, *(h for run in others for h in run.headers)]
    return columns(list(dict.fromkeys(headers)), edges, overrides, load)


def parse_overrides(texts: Sequence[str]) -> Overrides:
    """`name:kind=latency,worse=up` to {name: {…}}. Raises RecordingError."""
    found: dict[str, dict[str, str]] = {}
    for text in texts:
        name, _, settings = text.partition(":")
        pairs = [pair.partition("=") for pair in settings.split(",")]
        for key, equals, value in pairs:
            if not equals or key.strip() not in OVERRIDABLE:
                raise RecordingError(
                    f"--signal {text}: write it as name:kind=latency,worse=up with any of "
                    f"{', '.join(OVERRIDABLE)}"
                )
            found.setdefault(name.strip(), {})[key.strip()] = value.strip()
    return found
