"""What a person asks to accept of a run, checked by what the run showed, and written to the store.

The API and `anomalyd runs accept -c` both come here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from anomalyd.judgement.changes import covers
from anomalyd.model import AcceptedChange, Finding, Run, Selector
from anomalyd.runs import acceptance, expiry
from anomalyd.runs.acceptance import Asked, BadAcceptance, NotAcceptable, Undone
from anomalyd.runs.life import UnknownRun
from anomalyd.runs.store import Store
from anomalyd.signals.selector import parse_selector
from anomalyd.units import format_effect, parse_change

POINTS = 0.1
"""Of a ratio, so many points may be accepted for each per cent of `judgement.accepted_change`."""

NAMED = 5
"""Signals that a message names at most."""


def accept(store: Store, most: float, run_id: str, asked: Asked, now: float) -> Run:
    """most: `judgement.accepted_change`. Raises BadAcceptance, NotAcceptable, UnknownRun,
    StoreError."""
    until = _until(asked, now)
    if bool(asked.signal) != bool(asked.change):
        raise BadAcceptance("a change needs both: its signal (a selector) and its size, like +8%")
    if not asked.signal:
        return acceptance.accept(
            store, run_id, now, asked.note, force=asked.force, until=until, golden=asked.golden
        )
    if asked.force or asked.golden:
        raise BadAcceptance(
            "force and golden are for whole runs; leave them out where a change is accepted"
        )
    selector, relative, absolute = _selector(asked.signal), *_size(asked.change)
    series, findings = str(selector), _findings(store, run_id)
    change = AcceptedChange(
        run_id, selector.metric, selector.matchers, relative, absolute, asked.note, until, now
    )
    covered = [f for f in findings if covers(change, f.signal, f.labels)]
    _check(change, covered, findings, series)
    _within(change, most, store.acceptances.changes(), covered)
    return acceptance.accept_change(store, series, change, now)


def undo(store: Store, run_id: str, what: Undone) -> Run:
    """Raises BadAcceptance, NotAcceptable, UnknownRun, StoreError."""
    if what.golden:
        return acceptance.unpin(store, run_id)
    return acceptance.undo(store, run_id, str(_selector(what.signal)) if what.signal else "")


def told(store: Store, run_id: str) -> dict[str, Any]:
    """What is accepted of a run, as plain values. Raises StoreError."""
    of_run = store.acceptances.of(run_id)
    return {
        "until": of_run.until if of_run is not None else "",
        "golden": of_run is not None and of_run.golden,
        "changes": [
            {
                "signal": str(Selector(one.signal, one.matchers)),
                "change": format_effect(one.absolute or one.relative, bool(one.absolute)),
                "until": one.until,
                "note": one.note,
            }
            for one in store.acceptances.changes(run_id)
        ],
    }


def _until(asked: Asked, now: float) -> str:
    try:
        return expiry.checked(asked.until, now)
    except ValueError as error:
        raise BadAcceptance(f"until: {error}") from None


def _selector(text: str) -> Selector:
    try:
        return parse_selector(text)
    except ValueError as error:
        raise BadAcceptance(f"signal: {error}") from None


def _size(text: str) -> tuple[float, float]:
    """(relative, absolute) of `+8%`, `-8%`, `+0.5pp`."""
    signed = re.fullmatch(r"\s*([+-])(.*)", text, re.DOTALL)
    if signed is None:
        raise BadAcceptance(f"change: {text!r} has no sign; write +8%, -8% or, of a ratio, +0.5pp")
    try:
        size = parse_change(signed[2])
    except ValueError:
        raise BadAcceptance(
            f"change: {text!r} is not a change; write +8%, -8% or, of a ratio, +0.5pp"
        ) from None
    times = -1.0 if signed[1] == "-" else 1.0
    return times * size.relative, times * size.absolute


def _findings(store: Store, run_id: str) -> Sequence[Finding]:
    if store.run(run_id) is None:
        raise UnknownRun(f"there is no run {run_id}")
    verdict = store.verdict(run_id)
    return verdict.findings if verdict is not None else ()


def _check(
    change: AcceptedChange, covered: Sequence[Finding], known: Sequence[Finding], series: str
) -> None:
    """Raises NotAcceptable where the run showed no such series, or they are of another unit."""
    if not covered:
        names = sorted({f.signal for f in known})
        more = ", …" if len(names) > NAMED else ""
        raise NotAcceptable(
            f"run {change.run} has no series {series}; its signals are "
            f"{', '.join(names[:NAMED])}{more}"
            if names
            else f"run {change.run} has no verdict yet; accept it when it has"
        )
    if any(f.absolute for f in covered) != bool(change.absolute):
        unit = "percentage points, like +0.5pp" if not change.absolute else "per cent, like +8%"
        raise BadAcceptance(f"change: {covered[0].series} is accepted in {unit}")


def _within(
    change: AcceptedChange,
    most: float,
    before: Sequence[AcceptedChange],
    covered: Sequence[Finding],
) -> None:
    """Raises NotAcceptable where a series would be let off by more than `most` in all."""
    limit = most * POINTS if change.absolute else most
    for finding in covered:
        others = [
            one
            for one in before
            if covers(one, finding.signal, finding.labels)
            and (one.run, one.signal, one.matchers) != (change.run, change.signal, change.matchers)
        ]
        total = sum((one.absolute or one.relative) for one in [*others, change])
        if abs(total) > limit + 1e-9:
            size = format_effect(limit, bool(change.absolute))
            asked = format_effect(total, bool(change.absolute))
            with_others = f", with the {len(others)} before," if others else ""
            raise NotAcceptable(
                f"{asked} of {finding.series}{with_others} is more than may be accepted ({size}, "
                "judgement.accepted_change); raise that, or fit production anew once it has the "
                "change"
            )
