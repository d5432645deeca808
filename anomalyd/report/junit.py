"""JUnit XML: one testsuite per service, one testcase per judged series, one for the verdict, and
one per check of the deployment.

The shape is the one that Jenkins and GitLab read (the schema of Jenkins' xUnit plugin). CI tools
count a skipped testcase as no harm, so what makes a run inconclusive or invalid is an `error` of
the verdict's own testcase: such a run is never green. A shadow run reports only skipped ones.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable

from anomalyd.report import advice, deployed, enriched, release, views
from anomalyd.report.document import Document

_ILLEGAL = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no way to write, not even escaped (production 2, Char)."""

_SUSPECTS = _TRACES = 3
_CHANGES = 10
"""Of an incident, and of a run: more is in the other reports."""

_SKIPPED = {
    "weak": "too little evidence to show a change that matters",
    "unmatched": "no partner in production",
    "silenced": "silenced in the configuration",
    "explained": "worse, and explained by a difference between the environments",
}


def junit(document: Document) -> str:
    """The document as JUnit XML text."""
    run = document["run"]
    root = ET.Element("testsuites", name=_legal(f"anomalyd {run['name']}"))
    suites = [_suite(document, "anomalyd", [_verdict_case(document)])]
    checks = [_check_case(document, check) for check in deployed.checks(document)]
    suites += [_suite(document, "deployment", checks)] if checks else []
    for service in views.services(document):
        found = [f for f in document["findings"] if views.owner(f) == service]
        suites.append(_suite(document, service, [_case(document, f) for f in found]))
    root.extend(suites)
    for count in ("tests", "failures", "errors"):
        root.set(count, str(sum(int(suite.get(count, "0")) for suite in suites)))
    root.set("time", _seconds(document))
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, "unicode") + "\n"


def _suite(document: Document, name: str, cases: Iterable[ET.Element]) -> ET.Element:
    suite = ET.Element("testsuite", name=_legal(name))
    properties = ET.SubElement(suite, "properties")
    for key, value in _properties(document):
        ET.SubElement(properties, "property", name=key, value=_legal(value))
    suite.extend(cases)
    suite.set("tests", str(len(suite.findall("testcase"))))
    for count, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(count, str(len(suite.findall(f"testcase/{tag}"))))
    suite.set("time", _seconds(document))
    suite.set("timestamp", document["run"]["started_at"]["rfc3339"][:19])
    return suite


def _properties(document: Document) -> list[tuple[str, str]]:
    return [
        ("run", document["run"]["id"]),
        ("verdict", document["verdict"]["outcome"]),
        ("anomalyd.version", document["generator"]["version"]),
        *([("risk", release.line(document))] if document.get("risk") else []),
    ]


def _verdict_case(document: Document) -> ET.Element:
    verdict = document["verdict"]
    outcome = verdict["outcome"]
    case = ET.Element("testcase", name="verdict", classname="anomalyd", time=_seconds(document))
    body = "\n".join([*verdict["reasons"], views.coverage_line(document), *_origin(document)])
    if outcome != "pass":
        tag = "failure" if outcome == "fail" else "error"
        said = f"{outcome}: {advice.headline(document)}"
        _outcome(case, document, tag, outcome, said, body)
    _add(case, "system-out", body)
    return case


def _origin(document: Document) -> list[str]:
    """Where each incident began, traces that show it, and what the traces do otherwise."""
    lines: list[str] = []
    for incident in document["incidents"]:
        lines.append(f"incident: {incident['summary']}")
        lines += [
            f"  suspect {one['service']} ({one['score'] or 0:.0%}): {one['reason']}"
            for one in incident["suspects"][:_SUSPECTS]
        ]
        lines += [f"  {line}" for line in enriched.shown(incident, _TRACES)]
    changes = document.get("shape", [])[:_CHANGES]
    return lines + [f"traces: {views.shape_line(change)}" for change in changes]


def _case(document: Document, finding: Document) -> ET.Element:
    case = ET.Element(
        "testcase",
        name=_legal(finding["series"]),
        classname=_legal(f"{views.owner(finding)}.{finding['kind']}"),
        time="0",
    )
    state = finding["state"]
    detail = _detail(finding)
    if document["verdict"]["outcome"] == "invalid":
        _add(case, "skipped", message="not judged: the run is invalid")
    elif state == "fired":
        _outcome(case, document, "failure", "worse", _worse(finding), detail)
    elif state == "missing":
        said = str(finding["note"] or "") or "production has this series, staging did not"
        tolerated = document["verdict"]["outcome"] == "pass"
        if tolerated:
            _add(case, "skipped", message=said)
        else:
            _outcome(case, document, "error", "missing", said, detail)
    elif state != "ok":
        _add(case, "skipped", message=_SKIPPED.get(state) or str(state))
    _add(case, "system-out", detail)
    return case


def _check_case(document: Document, check: Document) -> ET.Element:
    kind, state = check["kind"], check["state"]
    where = check["place"] or "staging"
    case = ET.Element(
        "testcase", name=_legal(where), classname=_legal(f"deployment.{kind}"), time="0"
    )
    body = "\n".join(line for line in (check["detail"], check["mend"]) if line)
    if state == deployed.FAILED:
        _outcome(case, document, "failure", "deployment", check["detail"], body)
    elif state == "unknown":
        _outcome(case, document, "error", "unseen", check["detail"], body)
    elif state == "ignored":
        _add(case, "skipped", message=check["detail"])
    _add(case, "system-out", body)
    return case


def _outcome(
    case: ET.Element, document: Document, tag: str, kind: str, message: str, body: str
) -> None:
    if document["verdict"]["shadow"]:
        _add(case, "skipped", message=f"shadow mode, would be a {tag}: {message}")
    else:
        _add(case, tag, body, message=message, type=f"anomalyd.{kind}")


def _worse(finding: Document) -> str:
    return (
        f"observed {views.observed(finding)}, expected {views.expected(finding)} "
        f"({views.effect(finding)}); passes with {views.passes_if(finding)}"
    )


def _detail(finding: Document) -> str:
    lines = [
        f"observed: {views.observed(finding)}",
        f"expected: {views.expected(finding)} ({views.band(finding)})",
        f"effect: {views.effect(finding)}, detectable: {views.mde(finding)}",
        f"passes with: {views.passes_if(finding)}",
        f"windows: {finding['windows']}, detector: {finding['detector'] or 'n/a'}",
    ]
    if finding["extrapolated"]:
        lines.append("production was never seen at this load: extrapolated")
    lines += [f"{key}: {finding[key]}" for key in ("query", "note") if finding[key]]
    return "\n".join(lines)


def _add(case: ET.Element, tag: str, text: str = "", **attributes: str) -> None:
    child = ET.SubElement(case, tag, {key: _legal(value) for key, value in attributes.items()})
    child.text = _legal(text) or None


def _seconds(document: Document) -> str:
    return f"{document['run']['duration_seconds'] or 0.0:.3f}"


def _legal(text: str) -> str:
    return _ILLEGAL.sub("\N{REPLACEMENT CHARACTER}", text)
