"""Traces and log lines in a report: they come after its document was made."""

from __future__ import annotations

import re
from collections.abc import Sequence

from anomalyd.model import Enrichment, Exemplar, LogTemplate
from anomalyd.report.document import instant
from anomalyd.report.parts import Document, number, text, texts
from anomalyd.units import format_value

ORDINARY = "ordinary"


def enriched(document: Document, found: Sequence[Enrichment]) -> Document:
    """The same document with what was fetched for its incidents; the others keep theirs."""
    by_incident = {one.incident_id: _enrichment(one) for one in found}
    incidents = [
        incident | {"enrichment": by_incident.get(incident["id"], incident.get("enrichment"))}
        for incident in document["incidents"]
    ]
    return document | {"incidents": incidents}


def traces(incident: Document) -> list[Document]:
    return list((incident.get("enrichment") or {}).get("traces", ()))


def logs(incident: Document) -> list[Document]:
    return list((incident.get("enrichment") or {}).get("logs", ()))


def troubles(incident: Document) -> list[str]:
    return list((incident.get("enrichment") or {}).get("troubles", ()))


def shown(incident: Document, most: int) -> list[str]:
    """`slow trace 4bf9, 812 ms: cart GET /cart https://…`: `most` bad ones, and an ordinary one."""
    bad = [one for one in traces(incident) if one["why"]]
    usual = [one for one in traces(incident) if not one["why"]]
    return [_line(one) for one in (*bad[:most], *usual[:1])]


def _line(trace: Document) -> str:
    what = " ".join(part for part in (trace["service"], trace["operation"]) if part)
    return f"{kind(trace)} trace {trace['trace_id']}, {took(trace)}: {what} {href(trace)}".rstrip()


def kind(trace: Document) -> str:
    """What a trace is an example of: `error`, `slow` or `ordinary`."""
    return str(trace["why"] or ORDINARY)


def took(trace: Document) -> str:
    """Of an exemplar of a counter nothing says it."""
    seconds = trace["duration_seconds"]
    return "–" if seconds is None else format_value(seconds, "s")


def often(template: Document) -> str:
    """`new`, or `12 times as often`."""
    if not template["before"]:
        return "new"
    return f"{template['rate'] / template['before']:.3g} times as often"


def href(trace: Document) -> str:
    """Its link where that is one that a browser may follow, else ''."""
    link = str(trace["link"])
    return link if re.match(r"https?://[^\s<>\"]+$", link) else ""


def _enrichment(found: Enrichment) -> Document:
    return {
        "fetched_at": instant(found.fetched_at),
        "traces": [_trace(trace) for trace in found.traces],
        "logs": [_template(template) for template in found.logs],
        "troubles": texts(found.troubles),
    }


def _trace(trace: Exemplar) -> Document:
    return {
        "trace_id": text(trace.trace_id),
        "service": text(trace.service),
        "operation": text(trace.operation),
        "started_at": instant(trace.started_at),
        "duration_seconds": number(trace.duration),
        "why": text(trace.why),
        "link": text(trace.link),
    }


def _template(template: LogTemplate) -> Document:
    return {
        "service": text(template.service),
        "template": text(template.template),
        "count": int(template.count),
        "rate": number(template.rate),
        "before": number(template.before),
        "example": text(template.example),
    }
