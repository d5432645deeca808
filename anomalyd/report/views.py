"""What every format asks of a document: which series decide, and how numbers are said in words."""

from __future__ import annotations

import math
from typing import Any

from anomalyd.model import Estimate, Reshaped, ShapeChange
from anomalyd.report.document import Document
from anomalyd.units import format_duration, format_effect, format_value

WORDS = {"pass": "PASS", "fail": "FAIL", "inconclusive": "INCONCLUSIVE", "invalid": "INVALID"}

NEARLY_SHARE = 0.3
"""Of the evidence needed (in log), above which a series that did not fire is worth a look."""
NEARLY_MOST = 8

NOTES = "Notes made before this report was written"

NO_SERVICE = "no service"
"""In place of the name, where a series has no label that tells its service."""


def deciding(document: Document) -> list[Document]:
    """Findings that fired, strongest first."""
    return [finding for finding in document["findings"] if finding["state"] == "fired"]


def drift(document: Document) -> list[str]:
    """What differs between the environments and was not meant to, worst first, in sentences."""
    found = document.get("parity") or {"differences": []}
    return [
        f"{one['severity']}: {one['kind']} of {one['place']}: {one['staging']} in staging, "
        f"{one['production']} in production; {one['mend']}"
        for one in found["differences"]
        if one["state"] == "drift"
    ]


def nearly(document: Document) -> list[Document]:
    """Findings that came closest to firing without it, closest first."""
    found = [
        finding
        for finding in document["findings"]
        if finding["state"] in {"ok", "weak"} and (closeness(finding) or 0.0) >= NEARLY_SHARE
    ]
    return sorted(found, key=lambda finding: -(closeness(finding) or 0.0))[:NEARLY_MOST]


def closeness(finding: Document) -> float | None:
    """Evidence as a share of what firing takes, both in log; None where not known."""
    evidence, threshold = finding["evidence"], finding["threshold"]
    if evidence is None or not threshold or threshold <= 0:
        return None
    return float(max(0.0, evidence / threshold))


def unshown(document: Document) -> list[Document]:
    """Judged series of which a change that matters could have been missed, the worst first."""
    weak = [f for f in document["findings"] if f["state"] == "weak" and f["windows"]]
    return sorted(weak, key=lambda f: (not f["note"], -(f["mde"] or math.inf)))


def suspects(document: Document) -> list[Document]:
    """The first suspect of each incident, each service once, in order of the incidents."""
    first: dict[str, Document] = {}
    for incident in document["incidents"]:
        for suspect in incident["suspects"][:1]:
            first.setdefault(suspect["service"], suspect)
    return list(first.values())


def anomaly_of(document: Document, series: str) -> tuple[Document, Document] | None:
    """The incident and the anomaly that a series belongs to."""
    for incident in document["incidents"]:
        for anomaly in incident["anomalies"]:
            if anomaly["series"] == series:
                return incident, anomaly
    return None


def services(document: Document) -> list[str]:
    return sorted({owner(finding) for finding in document["findings"]})


def owner(finding: Document) -> str:
    """The service of a series, or words where it has none."""
    return str(finding["service"]) or NO_SERVICE


def named(finding: Document) -> str:
    """`cart: latency_p95`; of a series without a service the signal alone."""
    service, signal = finding["service"], finding["signal"]
    return f"{service}: {signal}" if service else str(signal)


def value(number: float | None, unit: str) -> str:
    return format_value(_float(number), unit)


def observed(finding: Document) -> str:
    return value(finding["observed"], finding["unit"])


def expected(finding: Document) -> str:
    return value(finding["expected"], finding["unit"])


def band(finding: Document) -> str:
    """`120 to 190 ms`, with `at 14 h UTC on weekdays` where the hour moved it; `n/a` where no band
    is known."""
    hour = finding.get("hour")
    return _band(finding) + (f" at {hour}" if hour else "")


def _band(finding: Document) -> str:
    if finding["low"] is None and finding["high"] is None:
        return "n/a"
    unit = finding["unit"]
    if finding["low"] is None:
        return f"up to {value(finding['high'], unit)}"
    if finding["high"] is None:
        return f"from {value(finding['low'], unit)}"
    low, high = value(finding["low"], unit), value(finding["high"], unit)
    if low.partition(" ")[2] == high.partition(" ")[2]:
        low = low.partition(" ")[0]
    return f"{low} to {high}"


def effect(finding: Document) -> str:
    return format_effect(_float(finding["effect"]), bool(finding.get("absolute", False)))


def mde(finding: Document) -> str:
    return format_effect(_float(finding["mde"]), bool(finding["absolute"]))


def asked(finding: Document) -> str:
    """The change that a pass had to be able to show."""
    return format_effect(_float(finding["detect"]), bool(finding["absolute"]))


def passes_if(finding: Document) -> str:
    """`at most 190 ms` or `at least 90 req/s`; `n/a` where not known."""
    limit, usual = finding["pass_at"], finding["expected"]
    if limit is None:
        return "n/a"
    side = "at least" if usual is not None and limit < usual else "at most"
    return f"{side} {value(limit, finding['unit'])}"


def passes_short(finding: Document) -> str:
    """`passes_if` for a narrow column: `≤ 190 ms`."""
    return passes_if(finding).replace("at most", "≤").replace("at least", "≥")


def odds(evidence: float | None) -> str:
    """The bound that an e-value puts on chance (Ville), as `1 in 220 000`; empty where none.

    `evidence` is the natural log of the e-value.
    """
    if evidence is None or evidence <= 0:
        return ""
    if evidence > math.log(1e9):
        return "1 in a billion"
    return f"1 in {_two_digits(math.exp(evidence)):,}".replace(",", " ")


def budget(document: Document) -> str:
    """The chance that a good run fails, as `1%`."""
    share = document["verdict"]["budget"]
    return "n/a" if share is None else f"{share * 100:.3g}%"


def duration(document: Document) -> str:
    seconds = document["run"]["duration_seconds"]
    return "n/a" if seconds is None else exactly(seconds)


def exactly(seconds: float) -> str:
    """`18m30s`; tenths only of what is shorter than ten seconds."""
    return format_duration(round(seconds) if seconds >= 10 else seconds)


def about(seconds: float) -> str:
    """A duration to plan by, rounded up: `45 seconds`, `12 minutes`, `2 hours 10 minutes`."""
    if seconds <= 60:
        return f"{max(5, 5 * math.ceil(seconds / 5))} seconds"
    minutes = math.ceil(seconds / 60)
    if minutes < 120:
        return plural(minutes, "minute")
    hours, rest = divmod(10 * math.ceil(minutes / 10), 60)
    return plural(hours, "hour") + (f" {rest} minutes" if rest else "")


def clock(instant: Document | None) -> str:
    """`14:06:12` (UTC) of an instant."""
    return instant["rfc3339"][11:19] if instant else "n/a"


def date(instant: Document | None) -> str:
    """`2026-03-02 14:06:12 UTC` of an instant."""
    return f"{instant['rfc3339'][:10]} {instant['rfc3339'][11:19]} UTC" if instant else "n/a"


def since(document: Document, instant: Document | None) -> str:
    """`+6m12s` into the run."""
    if instant is None:
        return "n/a"
    seconds = instant["unix"] - document["run"]["started_at"]["unix"]
    return f"{'-' if seconds < 0 else '+'}{exactly(abs(seconds))}"


def beginning(change: Document) -> str:
    """The operation that the traces of a change in their shape begin at."""
    return f"{change['service']} {change['operation']}"


def reshaped(change: Document) -> str:
    """A change in the shape of traces, with what was seen on both sides."""
    staging, production = (
        Estimate(*(math.nan if side[name] is None else side[name] for name in _ESTIMATE))
        for side in (change["staging"], change["production"])
    )
    service, operation, client, server = (
        str(change[name]) for name in ("service", "operation", "client", "server")
    )
    kind = Reshaped(change["kind"])
    return str(ShapeChange(kind, service, operation, client, server, staging, production))


def shape_line(change: Document) -> str:
    """The same, and where these traces begin."""
    return f"{beginning(change)}: {reshaped(change)}"


_ESTIMATE = ("value", "low", "high", "of")


def coverage_line(document: Document) -> str:
    coverage = document["coverage"]
    if not coverage["production_series"]:
        return f"{coverage['judged']} series judged; production gave no series to compare with."
    if not coverage["judged"]:
        return (
            f"None of the {plural(coverage['production_series'], 'production series')} was judged."
        )
    return (
        f"{coverage['powered']} of {coverage['production_series']} production series "
        f"({coverage['ratio']:.0%}) could have shown a change that matters; "
        f"{coverage['matched']} were matched, {coverage['judged']} judged."
    )


def not_seen(document: Document) -> str:
    """What nothing was said about, in one line; empty when everything was seen."""
    coverage = document["coverage"]
    if coverage["production_series"] and not windows(document):
        return "anything, as no window of the run was judged"
    weak = sum(finding["state"] == "weak" for finding in document["findings"])
    counts = (
        (len(coverage["missing"]), "missing in staging"),
        (len(coverage["unmatched"]), "without a partner in production"),
        (len(coverage["silenced"]), "silenced"),
        (weak, "with too little evidence"),
    )
    return ", ".join(f"{count} {what}" for count, what in counts if count)


def windows(document: Document) -> int:
    """Disjoint windows in which the best seen series was judged."""
    return max((int(finding["windows"]) for finding in document["findings"]), default=0)


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 or noun.endswith("series") else f"{count} {noun}s"


def _float(number: Any) -> float:
    return math.nan if number is None else float(number)


def _two_digits(number: float) -> int:
    number *= 1 + 1e-9
    size = 10 ** max(0, math.floor(math.log10(number)) - 1)
    return int(number // size * size)
