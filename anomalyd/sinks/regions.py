"""What an annotation in Grafana says: tags within Grafana's limits, text as escaped HTML."""

from __future__ import annotations

import hashlib
import html
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from anomalyd.model import Enrichment, Incident, Run, ShapeChange, Verdict
from anomalyd.sinks.wording import (
    anomaly_lines,
    log_lines,
    shape_lines,
    suspects_line,
    top_service,
    trace_lines,
    verdict_lines,
)

TAGS_LIMIT = 500
"""Characters of all tags as JSON; Grafana answers 400 `annotations.tag-limit-exceeded` above."""
TAG_PART_LIMIT = 100
"""Grafana keeps a tag's key and its value in columns of this width; counted as JSON, so that
an incident's identity always fits `TAGS_LIMIT`."""


@dataclass(frozen=True, slots=True)
class Region:
    """start, end: unix seconds, end None while open. `tags` begin with `identity`, which finds
    the annotation again; they are in falling order of importance."""

    identity: tuple[str, ...]
    tags: tuple[str, ...]
    text: str
    start: float
    end: float | None


def of_run(run: Run, link: str | None) -> Region:
    lines = [f"test run {run.name}", *run.notes]
    identity = ("anomalyd", "kind:run", tag("run", run.id))
    tags = (*identity, tag("name", run.name))
    return Region(identity, tags, _text(lines, link), run.started_at, None)


def of_verdict(run: Run, verdict: Verdict, end: float, link: str | None) -> Region:
    begun = of_run(run, link)
    lines = [f"test run {run.name}", *verdict_lines(verdict), *run.notes]
    tags = (*begun.identity, tag("verdict", verdict.outcome), tag("name", run.name))
    return replace(begun, tags=tags, text=_text(lines, link), end=end)


def of_incident(
    incident: Incident,
    link: str | None,
    found: Enrichment | None = None,
    shape: Sequence[ShapeChange] = (),
) -> Region:
    lines = [f"{incident.severity}: {incident.summary}", *anomaly_lines(incident)]
    identity = ("anomalyd", tag("incident", incident.id), tag("run", incident.run_id))
    services = sorted({one.service for one in incident.anomalies})
    tags = [*identity, tag("severity", incident.severity), tag("service", top_service(incident))]
    tags += [tag("service", service) for service in services]
    tags += [tag("signal", name) for name in sorted({one.signal for one in incident.anomalies})]
    reshaped = [f"traces: {line}" for line in shape_lines(shape)]
    text = _text([*lines, suspects_line(incident), *reshaped], link, found)
    return Region(identity, tuple(tags), text, incident.started_at, incident.ended_at)


def with_tags(region: Region, extra: Sequence[str]) -> Region:
    """Add the user's own tags after the first five of ours and drop what is over the limit."""
    ordered = [*region.tags[:5], *extra, *region.tags[5:]]
    return replace(region, tags=fitting(ordered))


def fitting(tags: Iterable[str]) -> tuple[str, ...]:
    """The first of `tags`, without repeats and empty ones, that fit Grafana's limit as JSON."""
    kept: list[str] = []
    size = 2
    for one in dict.fromkeys(each.strip() for each in tags):
        added = _width(one) + len('"",')
        if one and not one.endswith(":") and size + added <= TAGS_LIMIT:
            kept.append(one)
            size += added
    return tuple(kept)


def tag(key: str, value: str) -> str:
    """`key:value` as Grafana keeps it; a value too long for it ends in a hash of the whole."""
    value = " ".join(value.encode(errors="replace").decode().split())
    if _width(value) > TAG_PART_LIMIT:
        digest = hashlib.sha256(value.encode()).hexdigest()[:16]
        widths = accumulate(_width(char) for char in value)
        fit = sum(width < TAG_PART_LIMIT - len(digest) for width in widths)
        value = f"{value[:fit]}~{digest}"
    return f"{key}:{value}"


def _width(text: str) -> int:
    """Characters of `text` in JSON at most; Go writes <, > and & as six of them."""
    return len(json.dumps(text)) - len('""') + 5 * sum(text.count(char) for char in "<>&")


def _text(lines: Iterable[str], link: str | None, found: Enrichment | None = None) -> str:
    escaped = [html.escape(line) for line in lines if line]
    for line, there in trace_lines(found):
        shown = html.escape(line)
        escaped.append(f'<a href="{html.escape(there)}">{shown}</a>' if there else shown)
    escaped += [html.escape(f"log: {line}") for line in log_lines(found)]
    if link:
        escaped.append(f'<a href="{html.escape(link)}">run</a>')
    return "<br>".join(escaped)
