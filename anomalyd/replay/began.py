"""Recordings of an incident as signal series, to be ranked by what is off in them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from anomalyd.explain.graph import merged
from anomalyd.explain.shifts import FEWEST, Series, Spell, signs
from anomalyd.explain.signs import is_own
from anomalyd.explain.suspects import Explanation, explain
from anomalyd.model import EDGE, Kind
from anomalyd.replay import infer
from anomalyd.replay.infer import Overrides
from anomalyd.replay.recording import Recording, RecordingError
from anomalyd.signals.identity import SERVICE

MEAN = re.compile(r"(?:^|_)(?:avg|average|mean)(?:_|$)")
"""In the name of a latency: it is a mean, and adds up over requests."""

GUARD = 2
"""Samples before the beginning that are taken for neither normal nor bad."""


@dataclass(frozen=True, slots=True)
class Incident:
    """When it began and ended, unix seconds; None: at the end of the recording."""

    since: float
    until: float | None = None


def explained(
    recordings: Sequence[Recording],
    incident: Incident,
    edges: Mapping[str, Sequence[str]],
    overrides: Overrides | None = None,
) -> Explanation:
    """Suspects of what is off during the incident, of which the first recording is; all that was
    before it, and all other recordings, are normal. Raises RecordingError."""
    during, *normal = recordings
    spell = _spell(during, normal, incident)
    both = _joined(recordings)
    series, calls = _series(both, edges, overrides)
    return explain(signs(series, spell), merged(edges, calls))


def _spell(during: Recording, normal: Sequence[Recording], incident: Incident) -> Spell:
    times = during.times
    until = float(times[-1]) if incident.until is None and len(times) else incident.until
    if until is None or not np.any((times > incident.since) & (times <= until)):
        raise RecordingError("the recording has no row in the incident: give --since within it")
    before = incident.since - GUARD * during.step
    spells = [(-np.inf, before) if not normal else (float(times[0]), before)]
    spells += [(float(one.times[0]), float(one.times[-1])) for one in normal if len(one.times)]
    rows = int(np.sum(times <= before)) + sum(len(one.times) for one in normal)
    if rows < FEWEST:
        raise RecordingError(
            f"there are {rows} normal rows, at least {FEWEST} are needed: record more before "
            "the incident, or name what is normal with --normal"
        )
    return Spell(incident.since, until, tuple(spells))


def _joined(recordings: Sequence[Recording]) -> Recording:
    """All of them in one, NaN where one lacks a column; of equal times the first wins."""
    headers = tuple(dict.fromkeys(header for one in recordings for header in one.headers))
    parts = []
    for one in recordings:
        at = {header: i for i, header in enumerate(one.headers)}
        values = np.full((len(one.times), len(headers)), np.nan)
        for i, header in enumerate(headers):
            if header in at:
                values[:, i] = one.values[:, at[header]]
        parts.append(values)
    times, first = np.unique(np.concatenate([one.times for one in recordings]), return_index=True)
    return Recording(times, headers, np.concatenate(parts)[first])


def _series(
    recording: Recording, edges: Mapping[str, Sequence[str]], overrides: Overrides | None
) -> tuple[list[Series], list[tuple[str, str]]]:
    """Signal series, and who calls whom by their labels `client` and `server`."""
    meant = infer.columns(recording.headers, edges, overrides)
    signals = {signal.name: signal for signal in meant.signals}
    columns = {infer.key_of(h): recording.values[:, i] for i, h in enumerate(recording.headers)}
    found, calls = [], []
    for key, values in columns.items():
        name, labels = infer.parse_header(key)
        client, server = (labels.get(side) for side in EDGE)
        calls += [(client, server)] if client and server else []
        signal, service = signals.get(name), labels.get(SERVICE) or server
        if signal is None or not service:
            continue
        alone = not labels.without([SERVICE])
        means = signal.kind is Kind.ERRORS or (signal.kind is Kind.LATENCY and MEAN.search(name))
        rates = columns.get(meant.requests.get(service, "")) if alone and means else None
        shown = name if alone else key
        in_seconds = values / 1000.0 if signal.unit == "ms" else values
        found.append(
            Series(
                shown,
                service,
                signal.kind,
                signal.worse,
                recording.times,
                in_seconds,
                rates,
                own=is_own(name),
            )
        )
    return found, calls
