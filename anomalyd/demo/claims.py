"""What the demo claims of its two verdicts, and whether they bear it out. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from anomalyd.demo.plan import SHOWS
from anomalyd.demo.topology import Fault
from anomalyd.units import format_value

Verdict = Mapping[str, Any]
"""As the API answers it."""


def suspects(verdict: Verdict) -> list[tuple[str, float]]:
    """(service, score) over all incidents of a run, most suspect first; scores sum to 1."""
    scores: dict[str, float] = defaultdict(float)
    for incident in verdict["incidents"]:
        for suspect in incident["suspects"]:
            scores[suspect["service"]] += suspect["score"]
    total = sum(scores.values())
    return sorted(
        ((name, score / total) for name, score in scores.items() if total > 0),
        key=lambda found: (-found[1], found[0]),
    )


def evidence(verdict: Verdict, service: str) -> list[str]:
    """What fired of a service: `latency_p95 was 124 ms, expected 56 ms to 68 ms`."""
    return [
        f"{found['signal']} was {_value(found, 'observed')}, "
        f"expected {_value(found, 'low')} to {_value(found, 'high')}"
        for found in verdict["findings"]
        if _fired_of(found, service)
    ]


def unmet(good: Verdict, bad: Verdict, fault: Fault) -> list[str]:
    """A sentence for each claim that does not hold; none if the demo did what it says."""
    wrong = []
    if good["outcome"] != "pass":
        wrong.append(f"the good test should pass and was judged {good['outcome']}")
    if bad["outcome"] != "fail":
        wrong.append(f"the bad test should fail and was judged {bad['outcome']}")
    first = next((name for name, _ in suspects(bad)), "nobody")
    if first != fault.service:
        wrong.append(f"the fault was in {fault.service}, and {first} was suspected first")
    fired = {f["signal"] for f in bad["findings"] if _fired_of(f, fault.service)}
    if SHOWS[fault.kind] not in fired:
        wrong.append(f"{SHOWS[fault.kind]} of {fault.service} did not fire")
    return wrong


def _fired_of(finding: Mapping[str, Any], service: str) -> bool:
    return bool(finding["state"] == "fired" and finding["service"] == service)


def _value(finding: Mapping[str, Any], field: str) -> str:
    value = finding[field]
    return "n/a" if value is None else format_value(value, finding["unit"])
