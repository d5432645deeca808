"""Release risk as every format says it."""

from __future__ import annotations

from anomalyd.report.document import Document

NOTE = "Release risk decides nothing: the verdict was given without it."


def shown(risk: Document) -> float:
    """The one number: calibrated where it can be."""
    return float((risk["calibrated_score"] if risk["calibrated"] else risk["score"]) or 0.0)


def line(document: Document) -> str:
    """`34 of 100 (uncalibrated: 4 of 30 outcomes recorded)`, '' for an older verdict."""
    risk = document.get("risk")
    return f"{shown(risk):.0f} of 100 ({risk['standing']})" if risk else ""


def terms(document: Document) -> list[Document]:
    """Those that make the number, the one that makes most of it first."""
    found = [term for term in _all(document) if term["points"]]
    return sorted(found, key=lambda term: -term["points"])


def others(document: Document) -> list[Document]:
    """Those that add nothing."""
    return [term for term in _all(document) if not term["points"]]


def reason(term: Document) -> str:
    return str(term["reason"]) if term["known"] else f"{term['reason']} (assumed)"


def _all(document: Document) -> list[Document]:
    risk = document.get("risk")
    return list(risk["terms"]) if risk else []
