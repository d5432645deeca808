"""What whole traces tell while they come in is what the spans of a recording tell."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from anomalyd.explain import traces
from anomalyd.model import Batch, Told
from anomalyd.signals.identity import Canonical
from anomalyd.signals.table import SignalTable
from anomalyd.signals.traces import steps
from anomalyd.signals.traces.evaluate import SpanEvaluator
from anomalyd.spans import SpanKind
from tests.signals.naive_spans import SECOND, START, Span, columns

WINDOW = 50.0
MS = SECOND // 1000


def shop(seed: int, n: int = 60) -> list[Span]:
    """web calls cart and then ads; cart asks a database that sends no spans. Some fail early."""
    draw = random.Random(seed)  # noqa: S311
    made: list[Span] = []
    for trace in range(1, n + 1):
        at = round((1 + 0.7 * trace) * SECOND)
        lasts = [draw.randint(1, 40) * MS for _ in range(5)]
        broken = draw.random() < 0.3
        ids = [draw.getrandbits(60) for _ in range(6)]
        web = Span(ids[0], 0, "web", SpanKind.SERVER, at, 300 * MS, broken)
        call = Span(ids[1], ids[0], "web", SpanKind.CLIENT, at + MS, sum(lasts[:3]), broken)
        inside = call.start + lasts[0]
        cart = Span(ids[2], ids[1], "cart", SpanKind.SERVER, inside, sum(lasts[1:3]), broken)
        ask = Span(ids[3], ids[2], "cart", SpanKind.CLIENT, inside, lasts[1], peer="db")
        more = Span(ids[4], ids[0], "web", SpanKind.CLIENT, call.end, lasts[3] + lasts[4])
        ads = Span(ids[5], ids[4], "ads", SpanKind.SERVER, more.start, lasts[4])
        asked = [] if draw.random() < 0.2 else [ask]
        whole = [web, call, cart, *asked, *([] if broken else [more, ads])]
        made += [replace(span, trace=trace, operation=_operation(span)) for span in whole]
    return made


def _operation(span: Span) -> str:
    return "GET" if span.kind is SpanKind.CLIENT else f"GET /{span.service}"


def told(spans: list[Span], label: str | None = None) -> Batch:
    names = Canonical(("service_name",), run_label=label)
    evaluator = SpanEvaluator(SignalTable((), 10), names, WINDOW, 5.0)
    evaluator.take(columns(spans), START + WINDOW)
    return evaluator.evaluate(START + WINDOW + 15.0)


@pytest.mark.parametrize("seed", range(3))
def test_own_time_own_failures_waits_and_ends_are_those_of_a_recording(seed: int) -> None:
    made = shop(seed)
    found = columns(made)
    services = [labels.get("service_name") for labels in found.resources]
    expected: dict[tuple[str, str, str], float] = {}
    named = {traces.OWN_TIME: Told.OWN_TIME, traces.FAILED: Told.OWN_FAILURES}
    for one in traces.series(found, services, WINDOW):
        what = named.get(one.signal, Told.WAIT if one.signal == traces.WAIT else Told.ENDS)
        key = what, one.service, one.peer
        expected[key] = expected.get(key, 0.0) + float(one.values[0])
    traced = told(made).traced
    assert traced is not None
    assert traced.until == START + WINDOW
    keys = [(key.told, key.service, key.peer) for key in traced.keys]
    assert len(set(keys)) == len(keys)
    heard = dict(zip(keys, traced.values.tolist(), strict=True))
    silent = {key for key in heard if key[0] is Told.OWN_FAILURES and not heard[key]}
    assert {key: heard[key] for key in heard.keys() - silent} == pytest.approx(expected)
    rates = dict(zip(keys, traced.rates.tolist(), strict=True))
    assert rates[Told.OWN_TIME, "web", ""] == pytest.approx(60 / WINDOW)


def test_a_call_without_the_callee_s_span_is_a_wait_for_whom_it_names() -> None:
    spans = [
        Span(1, 0, "cart", SpanKind.SERVER, SECOND, 50 * MS),
        Span(2, 1, "cart", SpanKind.CLIENT, SECOND, 30 * MS, peer="db"),
    ]
    traced = told(spans).traced
    assert traced is not None
    found = dict(zip(traced.keys, traced.values.tolist(), strict=True))
    [wait] = [key for key in found if key.told is Told.WAIT]
    assert (wait.service, wait.peer, found[wait]) == ("cart", "db", pytest.approx(0.030))


def test_what_services_that_call_nobody_end_with_is_not_told() -> None:
    traced = told([Span(1, 0, "rates", SpanKind.SERVER, SECOND, MS)]).traced
    assert traced is not None
    assert {key.told for key in traced.keys} == {Told.OWN_TIME, Told.OWN_FAILURES}


def test_of_very_many_numbers_those_with_the_most_requests_are_told(monkeypatch) -> None:
    monkeypatch.setattr(steps, "MOST", 2)
    spans = [
        Span(trace, 0, f"s{trace % 3 and 1}", SpanKind.SERVER, SECOND, MS, trace=trace)
        for trace in range(1, 10)
    ]
    traced = told(spans).traced
    assert traced is not None
    assert {key.service for key in traced.keys} == {"s1"}
    assert np.isfinite(traced.values).all()
