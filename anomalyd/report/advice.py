"""What happened in one sentence, and what to do next; from the document alone."""

from __future__ import annotations

from anomalyd.report import deployed, length, views
from anomalyd.report.document import Document

LEAD = 0.4
"""Score under which the first suspect is called a lead, not the origin."""


def headline(document: Document) -> str:
    """What happened, in one sentence."""
    outcome = document["verdict"]["outcome"]
    if outcome == "fail":
        return _failed(document)
    if outcome == "pass":
        explained = any(f["state"] == "explained" for f in document["findings"])
        rest = ", but for what drift explains" if explained else ""
        return f"Nothing is worse than production at the same load{rest}."
    if outcome == "inconclusive" and length.too_short(document):
        return "The run was too short to show anything."
    if outcome == "inconclusive":
        return "Nothing was shown to be worse, but this run could not have shown all that matters."
    return "The test or its telemetry was broken, so nothing is said about the release."


def _failed(document: Document) -> str:
    fired = views.deciding(document)
    broken = deployed.failed(document)
    if broken and not fired:
        return f"{views.plural(len(broken), 'check')} of the deployment failed."
    if not fired:
        return "The run broke a rule of its own; see the reasons."
    where = len({finding["service"] for finding in fired if finding["service"]})
    what = views.plural(len(fired), "signal")
    what += f" of {views.plural(where, 'service')}" if where else ""
    verb = "is" if len(fired) == 1 else "are"
    checks = (
        f"{views.plural(len(broken), 'check')} of the deployment failed, and " if broken else ""
    )
    return f"{checks}{what} {verb} worse than production at the same load."


def origin(document: Document) -> str:
    """Who did it and how sure that is; empty where no incident names a suspect."""
    named = [incident for incident in document["incidents"] if incident["suspects"]]
    parts = []
    for incident in named:
        first = incident["suspects"][0]
        sure = "began in" if (first["score"] or 0.0) >= LEAD else "may have begun in"
        when = views.clock(incident["started_at"])
        parts.append(f"{sure} {first['service']} at {when} UTC ({_share(first['score'])})")
    return "It " + "; another incident ".join(parts) + "." if parts else ""


def confidence(document: Document) -> str:
    """How sure the verdict is, in one sentence."""
    outcome, budget = document["verdict"]["outcome"], views.budget(document)
    if outcome == "fail" and not views.deciding(document) and deployed.failed(document):
        return "That was seen, not inferred: chance has no part in it."
    if outcome == "fail":
        strongest = max((f["evidence"] or 0.0 for f in views.deciding(document)), default=0.0)
        chance = views.odds(strongest)
        said = f"Were nothing worse, the odds of the strongest signal would be at most {chance}; a"
        return f"{said if chance else 'A'} good run fails at most {budget} of the time."
    if outcome == "pass":
        return f"A good run fails at most {budget} of the time; coverage says what it could see."
    return "This is not a pass: missing or broken data never is."


def next_steps(document: Document) -> list[str]:
    """What to do next, most useful first."""
    steps = {"fail": _after_fail, "pass": _after_pass, "inconclusive": _after_inconclusive}
    found = steps.get(document["verdict"]["outcome"], _after_invalid)(document)
    if document["verdict"]["shadow"]:
        found.append("Shadow mode is on: this verdict is reported, but the exit code is 0.")
    return found


def _after_fail(document: Document) -> list[str]:
    steps = ["Hold the release."]
    for check in deployed.failed(document)[:3]:
        steps.append(f"{check['place']}: {check['mend'].rstrip('.')}.")
    for number, suspect in enumerate(views.suspects(document)[:3]):
        verb = "Then look at" if number else "Start with"
        steps.append(f"{verb} {suspect['service']}: {suspect['reason'].rstrip('.')}.")
    fired = views.deciding(document)
    if fired and fired[0]["pass_at"] is not None:
        worst = fired[0]
        steps.append(
            f"{views.named(worst)} passes with {views.passes_if(worst)}; "
            f"it was {views.observed(worst)}."
        )
    return steps


def _after_pass(document: Document) -> list[str]:
    steps = ["The release may go."]
    close = views.nearly(document)
    if close:
        steps.append(f"Keep an eye on {close[0]['series']}: it came closest to failing.")
    return steps


def _after_inconclusive(document: Document) -> list[str]:
    steps = ["Do not read this as a pass."]
    if document["verdict"]["reference"] == "none":
        return [*steps, "Fit a baseline of production: without a reference only limits judge."]
    if length.too_short(document):
        return [*steps, length.at_least(document)]
    if not views.windows(document):
        return [*steps, "Give the run a steady load: none of its windows could be judged."]
    missing = document["coverage"]["missing"]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        steps.append(f"Find out why staging did not report {missing[0]}{more}.")
    return steps + length.for_weak(document)


def _after_invalid(document: Document) -> list[str]:
    broken = [fault for fault in document["integrity"] if fault["breaks_run"]]
    mend = [f"Mend {fault['where']}: {fault['detail'].rstrip('.')}." for fault in broken[:3]]
    return [*mend, "Repeat the run; this one counts neither for nor against the release."]


def _share(score: float | None) -> str:
    return "suspicion n/a" if score is None else f"{score:.0%} of the suspicion"
