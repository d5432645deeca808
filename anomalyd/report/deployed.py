"""What was found of the deployment that a run tested, as every format of a report says it."""

from __future__ import annotations

from anomalyd.report.document import Document

FAILED = "failed"


def checks(document: Document) -> list[Document]:
    """What failed first; none in a report from before there were any."""
    return list(document.get("deployment") or [])


def failed(document: Document) -> list[Document]:
    return [check for check in checks(document) if check["state"] == FAILED]


def telling(document: Document) -> list[Document]:
    """All but those that passed."""
    return [check for check in checks(document) if check["state"] != "passed"]


def sentence(check: Document) -> str:
    return f"{check['state']}: {check['detail']}"


def passed(document: Document) -> str:
    """How many passed, of which kind; '' where none did."""
    counts: dict[str, int] = {}
    for check in checks(document):
        if check["state"] == "passed":
            counts[check["kind"]] = counts.get(check["kind"], 0) + 1
    said = ", ".join(f"{count} of {kind}" for kind, count in counts.items())
    return f"{sum(counts.values())} checks passed: {said}" if counts else ""
