"""`anomalyd explain`: which service an incident began at, from recordings alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from anomalyd.commands.replaying import parse_overrides
from anomalyd.explain.suspects import Explanation
from anomalyd.replay.began import Incident, explained
from anomalyd.replay.edges import read_edges
from anomalyd.replay.recording import RecordingError, parse_time, read_csv
from anomalyd.report.parts import Document, rounded

ERRORS = (RecordingError, ValueError)
"""What a user can cause."""

MOST = 5
"""Suspects that a person is told."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """recording: with the incident in it, from `since` to `until` (unix seconds or ISO 8601, None:
    its end). normal: more recordings of ordinary times. signals: as of a replay."""

    recording: Path
    since: str
    until: str | None
    normal: Sequence[Path]
    edges: Path | None
    signals: Sequence[str] = ()


def answer(inputs: Inputs) -> Document:
    """Suspects with their reasons. Raises RecordingError."""
    incident = Incident(
        parse_time(inputs.since, "--since"),
        None if inputs.until is None else parse_time(inputs.until, "--until"),
    )
    recordings = [read_csv(path) for path in (inputs.recording, *inputs.normal)]
    edges = read_edges(inputs.edges) if inputs.edges is not None else {}
    return document(explained(recordings, incident, edges, parse_overrides(inputs.signals)))


def document(found: Explanation) -> Document:
    return {
        "suspects": [
            {"service": one.service, "score": rounded(one.score), "reason": one.reason}
            for one in found.suspects
        ],
        "abstained": found.abstained,
    }


def render(found: Document) -> str:
    if found["abstained"]:
        return f"no suspect: {found['abstained']}"
    return "\n".join(
        f"{one['score']:4.0%}  {one['service']}: {one['reason']}"
        for one in found["suspects"][:MOST]
    )
