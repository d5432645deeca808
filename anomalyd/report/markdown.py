"""Markdown for a comment on a merge request: short, with the details folded away.

Every value that comes from outside stands in `<code>` with the characters that mean something to
Markdown as entities: an entity is never structure (CommonMark 0.31, section 2.5), and neither
GitHub nor GitLab makes mentions or references of what stands in `<code>`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from anomalyd.report import advice, deployed, enriched, release, views
from anomalyd.report.document import Document

SIGNS = {"pass": "✅", "fail": "❌", "inconclusive": "⚠️", "invalid": "🚫"}

_REASONS = 8
_ROWS = 10
_LISTED = 20
_LONGEST = 200
_TRACES = 3
_TEMPLATES = 5

_MEANING = re.compile(r"""[&<>|`*\[\]\\~$@#^]|(?<![^\W_])_|_(?![^\W_])|:(?=//)|(?<=www)\.""", re.I)
_SPACE = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_START = re.compile(r"^[-+=]|(?<=^\d)[.)](?=\s)|(?<=^\d\d)[.)](?=\s)")
_REFERENCE = re.compile(r"(&#(?:35|36|38|64|126);|[!%])(?=\w)")


def markdown(document: Document) -> str:
    """The document as GitHub- and GitLab-flavoured Markdown."""
    blocks = [
        _title(document),
        _lead(document),
        _reasons(document),
        _deciding(document),
        _suspects(document),
        _shown(document),
        _next(document),
        _notes(document),
        _coverage(document),
        _risk(document),
        _details(document),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def code(value: str) -> str:
    """A value from outside, as inline code that cannot break out of a table cell."""
    flat = _SPACE.sub(" ", value).strip() or "n/a"
    if len(flat) > _LONGEST:
        flat = flat[: _LONGEST - 1] + "…"
    return f"<code>{_entities(flat)}</code>"


def prose(value: str) -> str:
    """A sentence that may hold values from outside; it makes no markup, mention or reference."""
    flat = _entities(_SPACE.sub(" ", value).strip())
    return _REFERENCE.sub(r"\1&#8288;", _START.sub(_entity, flat))


def _entities(text: str) -> str:
    return _MEANING.sub(_entity, text)


def _entity(found: re.Match[str]) -> str:
    return f"&#{ord(found[0])};"


def _title(document: Document) -> str:
    outcome = document["verdict"]["outcome"]
    shadow = " (shadow)" if document["verdict"]["shadow"] else ""
    return (
        f"### {SIGNS[outcome]} anomalyd: **{views.WORDS[outcome]}**{shadow} "
        f"for {code(document['run']['name'])}"
    )


def _lead(document: Document) -> str:
    said = [advice.headline(document), advice.origin(document), advice.confidence(document)]
    return prose(" ".join(sentence for sentence in said if sentence))


def _reasons(document: Document) -> str:
    reasons = document["verdict"]["reasons"]
    more = len(reasons) - _REASONS
    return _bullets([*map(prose, reasons[:_REASONS]), *([f"and {more} more"] if more > 0 else [])])


def _deciding(document: Document) -> str:
    fired = views.deciding(document)
    if not fired:
        return ""
    table = _findings(fired[:_ROWS])
    more = len(fired) - _ROWS
    return table + (f"\n\n…and {more} more worse series in the full report." if more > 0 else "")


def _findings(findings: Iterable[Document]) -> str:
    rows = [
        (
            code(views.owner(finding)),
            code(finding["series"]),
            f"**{prose(views.observed(finding))}** ({prose(views.effect(finding))})",
            prose(views.band(finding)) + (" (extrapolated)" if finding["extrapolated"] else ""),
            prose(views.passes_if(finding)),
        )
        for finding in findings
    ]
    return _table(("service", "signal", "observed", "expected band", "passes with"), rows)


def _suspects(document: Document) -> str:
    lines = []
    for incident in document["incidents"]:
        named = [
            f"**{code(s['service'])}** ({s['score'] or 0:.0%}: {prose(s['reason'])})"
            for s in incident["suspects"][:3]
        ]
        since = views.clock(incident["started_at"])
        lines.append(
            f"{since} UTC, {prose(incident['summary'])}: {', '.join(named) or 'no suspect'}"
        )
    return "**Where it began**\n\n" + _bullets(lines) if lines else ""


def _shown(document: Document) -> str:
    """Traces and log lines of the incidents: a few bad traces, one ordinary, the first shapes."""
    lines: list[str] = []
    for incident in document["incidents"]:
        bad = [one for one in enriched.traces(incident) if one["why"]]
        usual = [one for one in enriched.traces(incident) if not one["why"]]
        lines += [_trace(one) for one in (*bad[:_TRACES], *usual[:1])]
        lines += [
            f"log of {code(one['service'])}, {enriched.often(one)}, {one['count']} lines: "
            f"{code(one['template'])}"
            for one in enriched.logs(incident)[:_TEMPLATES]
        ]
    more = len(lines) - _LISTED
    lines = [*lines[:_LISTED], *([f"and {more} more"] if more > 0 else [])]
    return "**Traces and log lines**\n\n" + _bullets(lines) if lines else ""


def _trace(trace: Document) -> str:
    named = code(trace["trace_id"])
    link = enriched.href(trace).translate({ord("("): "%28", ord(")"): "%29", ord("|"): "%7C"})
    what = " ".join(part for part in (trace["service"], trace["operation"]) if part)
    shown = f"[{named}](<{link}>)" if link else named
    return f"{enriched.kind(trace)} trace {shown}, {enriched.took(trace)}: {code(what)}"


def _next(document: Document) -> str:
    return "**What to do next**\n\n" + _bullets(map(prose, advice.next_steps(document)))


def _notes(document: Document) -> str:
    notes = document["run"]["notes"]
    more = len(notes) - _LISTED
    lines = [*map(prose, notes[:_LISTED]), *([f"and {more} more"] if more > 0 else [])]
    return f"**{views.NOTES}**\n\n" + _bullets(lines) if notes else ""


def _coverage(document: Document) -> str:
    unseen = views.not_seen(document)
    tail = f" **Not seen:** {prose(unseen)}." if unseen else ""
    return f"**Coverage:** {prose(views.coverage_line(document))}{tail}"


def _risk(document: Document) -> str:
    said = release.line(document)
    return f"**Release risk:** {prose(said)}. {prose(release.NOTE)}" if said else ""


def _terms(document: Document) -> str:
    rows = [
        (f"{one['points']:.1f}", prose(release.reason(one)), prose(one["mend"]))
        for one in (*release.terms(document), *release.others(document))
    ]
    return _table(("points", "because", "what would lower it"), rows) if rows else ""


def _details(document: Document) -> str:
    coverage = document["coverage"]
    parts = [
        _fold("What the release risk is made of", _terms(document)),
        _fold("Missing in staging", _listed(coverage["missing"])),
        _fold("Without a partner in production", _listed(coverage["unmatched"])),
        _fold("Silenced", _listed(coverage["silenced"])),
        _fold("Deployment", _deployment(document)),
        _fold("Staging differs from production", _drift(document)),
        _fold("Close to failing", _nearly(document)),
        _fold("Shape of the traces", _shape(document)),
        _fold("Telemetry faults", _integrity(document)),
        _fold("Phases and how it was judged", _judged(document)),
    ]
    return "\n\n".join(part for part in parts if part)


def _nearly(document: Document) -> str:
    found = views.nearly(document)
    return _findings(found) if found else ""


def _drift(document: Document) -> str:
    found = views.drift(document)
    more = len(found) - _LISTED
    return _bullets([*map(prose, found[:_LISTED]), *([f"and {more} more"] if more > 0 else [])])


def _deployment(document: Document) -> str:
    found = deployed.telling(document)
    lines = [prose(deployed.sentence(check)) for check in found[:_LISTED]]
    more = [f"and {len(found) - _LISTED} more"] if len(found) > _LISTED else []
    passed = deployed.passed(document)
    return _bullets([*lines, *more, *([passed] if passed else [])])


def _integrity(document: Document) -> str:
    return _bullets(
        f"{code(fault['kind'])} at {code(fault['where'])} from {views.clock(fault['start'])} to "
        f"{views.clock(fault['end'])} UTC: {prose(fault['detail'])}"
        + (" **This broke the run.**" if fault["breaks_run"] else "")
        for fault in document["integrity"][:_LISTED]
    )


def _shape(document: Document) -> str:
    return _bullets(
        f"{code(views.beginning(change))}: {prose(views.reshaped(change))}"
        for change in document.get("shape", [])[:_LISTED]
    )


def _judged(document: Document) -> str:
    run, verdict = document["run"], document["verdict"]
    phases = ", ".join(
        f"{prose(phase['kind'])} {views.clock(phase['start'])}–{views.clock(phase['end'])}"
        for phase in document["phases"]
    )
    return _bullets(
        [
            f"Run {code(run['id'])}, {views.date(run['started_at'])}, {views.duration(document)}",
            f"Phases: {phases or 'none seen'}",
            f"Reference: {prose(verdict['reference'])}; a good run fails at most "
            f"{views.budget(document)} of the time",
            f"anomalyd {code(document['generator']['version'])}, "
            f"configuration {code(document['generator']['config_digest'])}",
        ]
    )


def _listed(series: Sequence[str]) -> str:
    more = len(series) - _LISTED
    return _bullets([*map(code, series[:_LISTED]), *([f"and {more} more"] if more > 0 else [])])


def _fold(summary: str, body: str) -> str:
    return f"<details><summary>{summary}</summary>\n\n{body}\n\n</details>" if body else ""


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
