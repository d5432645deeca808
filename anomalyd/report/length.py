"""How much longer a run must be, where length is what it lacks; from the document alone."""

from __future__ import annotations

from anomalyd.report import views
from anomalyd.report.document import Document

FEWEST_WINDOWS = 8
"""Fewer judged windows than that show next to nothing, however quiet a series is."""


def too_short(document: Document) -> bool:
    """Whether the run ended before it had the windows that it takes to show anything."""
    run = document["run"]
    window, seconds = run.get("window_seconds"), run["duration_seconds"]
    few = views.windows(document) < FEWEST_WINDOWS
    if window is None or seconds is None:
        return few and run["active_at"] is None
    return few and seconds < _least(document)


def at_least(document: Document) -> str:
    """What to do about a run that was too short."""
    run = document["run"]
    window, seconds = run.get("window_seconds"), run["duration_seconds"]
    warmup = run.get("warmup_seconds")
    named = f"the warm-up ({views.exactly(warmup)})" if warmup is not None else "the warm-up"
    if window is None or seconds is None:
        return f"Run longer than {named}: the run ended within it."
    after = views.about(_least(document) - (warmup or 0.0))
    more = views.about(_least(document) - seconds)
    return (
        f"Run longer than {named} by at least {after}: this run took {views.duration(document)}, "
        f"so about {more} more."
    )


def for_weak(document: Document) -> list[str]:
    """What would let series show what was asked for that could not; empty where all could."""
    weak = [f for f in document["findings"] if f["state"] == "weak"]
    seen = views.windows(document)
    seldom = [f for f in weak if not f["note"] and f["windows"] < FEWEST_WINDOWS <= seen]
    noisy = [f for f in weak if not f["note"] and f not in seldom]
    reached = [f for f in noisy if f.get("times_longer")]
    far = [f for f in noisy if not f.get("times_longer")]
    off = [f for f in weak if f["note"] and f["windows"]]
    return [
        *([_seldom(seldom, seen)] if seldom else []),
        *([_longer(document, reached, len(noisy))] if reached else []),
        *([_steadier(far)] if far else []),
        *([_alike(off)] if off else []),
    ]


def _seldom(findings: list[Document], seen: int) -> str:
    return (
        f"Find out why staging showed {_named(findings)} so seldom: in {findings[0]['windows']} of "
        f"the {seen} windows that were judged."
    )


def _longer(document: Document, reached: list[Document], weak: int) -> str:
    factor = max(finding["times_longer"] for finding in reached)
    run = document["run"]
    seconds, warmup = run["duration_seconds"], run.get("warmup_seconds") or 0.0
    said = f"about {factor:g} times as long"
    if seconds is not None and seconds > warmup:
        total = views.about(warmup + factor * (seconds - warmup))
        said = f"for about {total} instead of {views.duration(document)}"
    count = f"{len(reached)} of {weak}" if len(reached) < weak else f"{weak}"
    return f"Run {said}, so that {count} series that showed too little can show what was asked for."


def _steadier(far: list[Document]) -> str:
    return (
        f"{_named(far)}: even a much longer run may show too little. Raise the load if requests "
        f"are few, or ask for less: signals.override.{far[0]['signal']}.detect."
    )


def _alike(off: list[Document]) -> str:
    return (
        f"{_named(off)}: a longer run does not help, since the difference is there over the whole "
        "run and staging may differ by that much anyway. Find out why it differs (version, data, "
        f"capacity), or raise signals.override.{off[0]['signal']}.detect."
    )


def _named(findings: list[Document]) -> str:
    more = f" and {len(findings) - 1} more" if len(findings) > 1 else ""
    return f"{findings[0]['series']}{more}"


def _least(document: Document) -> float:
    """Seconds that a run must take; its first window may begin as late as one after the warm-up."""
    run = document["run"]
    return float((run.get("warmup_seconds") or 0.0) + (FEWEST_WINDOWS + 1) * run["window_seconds"])
