"""`anomalyd replay` and `anomalyd baseline fit --from`: recordings instead of live systems."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anomalyd.baseline import file
from anomalyd.baseline.profile import Baseline
from anomalyd.replay import judge
from anomalyd.replay.edges import read_edges
from anomalyd.replay.infer import Columns, Overrides, columns
from anomalyd.replay.production import fit_production
from anomalyd.replay.recording import Recording, RecordingError, read_csv
from anomalyd.replay.windows import WINDOW, width_of
from anomalyd.report.parts import Document
from anomalyd.report.replayed import document
from anomalyd.units import format_duration

ERRORS = (RecordingError, file.BaselineError, ValueError)
"""What a user can cause."""

LONGEST_RUN = 7 * 86400.0
"""Seconds."""

OVERRIDABLE = ("kind", "worse", "unit", "tolerate")


@dataclass(frozen=True, slots=True)
class Inputs:
    """Paths of a replay: production's history or a baseline fitted to it, the run, runs that were
    accepted, the graph. signals: overrides as `name:key=value,…`."""

    production: Path | None
    baseline: Path | None
    staging: Path
    accepted: Sequence[Path]
    edges: Path | None
    signals: Sequence[str] = ()


def replay(inputs: Inputs, false_fail: float) -> Document:
    """Judge a recorded run. Raises RecordingError, BaselineError."""
    staging = _read_run(inputs.staging)
    accepted = [_read_run(path) for path in inputs.accepted]
    edges = read_edges(inputs.edges) if inputs.edges is not None else {}
    overrides = parse_overrides(inputs.signals)
    if inputs.baseline is not None:
        baseline = file.load(inputs.baseline)
        keys = baseline.profiles.keys
        width = float(baseline.meta["window"])
        if width < staging.step - 1e-6:
            raise RecordingError(
                f"{inputs.baseline}: has windows of {width:g} s, shorter than the "
                f"{staging.step:g} s between samples of {inputs.staging}; fit it again with "
                f"`anomalyd baseline fit --from FILE --window {width_of(staging.step):g}s`"
            )
        load = baseline.meta.get("source", {}).get("recording", ())
        found = _columns(keys, staging, accepted, edges, overrides, load)
    elif inputs.production is not None:
        production = read_csv(inputs.production)
        width = width_of(staging.step)
        found = _columns(production.headers, staging, accepted, edges, overrides)
        baseline = fit_production(production, found, width)
    else:
        raise RecordingError("name production's recording (--production) or a --baseline of it")
    reference = judge.learn(found, baseline, width, accepted, edges)
    judged = judge.judge(reference, staging, edges, false_fail)
    windows = len(judged.course.record.times)
    return document(judged.verdict, capacity=judged.capacity, windows=windows)


def _read_run(path: Path) -> Recording:
    """One wrong time among many would make a run of years, window after empty window."""
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


def fit(production: Path, out: Path, window: float | None) -> dict[str, Any]:
    """Fit a recorded production and save it. Raises RecordingError, BaselineError."""
    recording = read_csv(production)
    width = WINDOW if window is None else window
    found = columns(recording.headers, {})
    baseline: Baseline = fit_production(recording, found, width)
    if not baseline.profiles.keys:
        raise RecordingError(f"{production}: no series has values enough to learn from")
    file.save(baseline, out)
    return {"path": str(out), "series": len(baseline.profiles.keys)}


def _columns(
    known: Sequence[str],
    staging: Recording,
    accepted: Sequence[Recording],
    edges: Mapping[str, Sequence[str]],
    overrides: Overrides,
    load: Sequence[str] = (),
) -> Columns:
    headers = [*staging.headers, *known, *(h for run in accepted for h in run.headers)]
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
