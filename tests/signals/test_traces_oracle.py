"""RED rows of spans against a slow evaluation that has all spans at hand."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomalyd.model import EDGE, LOAD_SIGNAL, Kind, Signal, SpanMeasure, SpanMetric
from anomalyd.signals.identity import Canonical
from anomalyd.signals.table import SignalTable
from anomalyd.signals.traces.evaluate import SpanEvaluator
from anomalyd.signals.traces.store import Limits
from anomalyd.spans import SpanKind
from tests.signals.naive_spans import SECOND, START, Event, Naive, Span, columns, quantile

OPERATION = ("service", "operation")
WINDOW, STEP = 60.0, 5.0
LIMITS = Limits(lag=5.0, hold=10.0)
TIME = START + 60.0 + LIMITS.lag + LIMITS.hold
"""When the window (START, START + 60] of calls is judged."""

SIGNALS = (
    Signal("rate", Kind.TRAFFIC, SpanMetric(SpanMeasure.CALLS), by=OPERATION),
    Signal("errors", Kind.ERRORS, SpanMetric(SpanMeasure.FAILED), by=OPERATION),
    Signal("p95", Kind.LATENCY, SpanMetric(SpanMeasure.DURATION), by=OPERATION),
    Signal("own", Kind.LATENCY, SpanMetric(SpanMeasure.OWN_TIME, quantile=0.5), by=OPERATION),
    Signal("edge_rate", Kind.TRAFFIC, SpanMetric(SpanMeasure.CALLS, edges=True), by=EDGE),
    Signal("edge_errors", Kind.ERRORS, SpanMetric(SpanMeasure.FAILED, edges=True), by=EDGE),
    Signal("edge_p95", Kind.LATENCY, SpanMetric(SpanMeasure.DURATION, edges=True), by=EDGE),
    Signal("edge_calls", Kind.OTHER, SpanMetric(SpanMeasure.PER_REQUEST, edges=True), by=EDGE),
    Signal(LOAD_SIGNAL, Kind.TRAFFIC, SpanMetric(SpanMeasure.ENTRIES), by=()),
)

Row = tuple[float, float]


def evaluator(limits: Limits = LIMITS) -> SpanEvaluator:
    table = SignalTable(SIGNALS, 10_000)
    return SpanEvaluator(table, Canonical(("service_name",)), WINDOW, STEP, limits=limits)


def rows(evaluator: SpanEvaluator, time: float = TIME) -> dict[str, Row]:
    batch = evaluator.evaluate(time)
    found = zip(batch.rows.tolist(), batch.values.tolist(), batch.counts.tolist(), strict=True)
    return {evaluator.table.keys[row]: (value, count) for row, value, count in found}


def expected(spans: Sequence[Span], bounds: Sequence[float]) -> dict[str, Row]:
    """What a look at all spans says of (START, START + WINDOW]."""
    naive, out = Naive(spans), dict[str, Row]()
    requests, roots, inside = naive.requests(), 0.0, dict[str, float]()
    for (service, operation), events in requests.items():
        labels = f'{{operation="{operation}",service="{service}"}}'
        shifted = [event for event in events if event.end > (LIMITS.hold) * SECOND]
        out |= _red(labels, "", shifted, bounds)
        roots += sum(event.weight for event in shifted if event.root)
        inside[service] = inside.get(service, 0.0) + sum(e.weight for e in _window(events))
    for (service, operation), events in naive.own().items():
        labels = f'{{operation="{operation}",service="{service}"}}'
        if window := _window(events):
            out[f"own{labels}"] = quantile(window, bounds, 0.5), _sample(window)
    for (client, server), events in naive.calls().items():
        labels = f'{{client="{client}",server="{server}"}}'
        out |= _red(labels, "edge_", _window(events), bounds)
        if inside.get(client):
            calls = sum(event.weight for event in _window(events))
            out[f"edge_calls{labels}"] = calls / inside[client], inside[client]
    if requests:
        out[LOAD_SIGNAL] = roots / WINDOW, float("nan")
    return out


def _window(events: Sequence[Event]) -> list[Event]:
    return [event for event in events if 0 < event.end <= WINDOW * SECOND]


def _red(
    labels: str, name: str, events: Sequence[Event], bounds: Sequence[float]
) -> dict[str, Row]:
    total = sum(event.weight for event in events)
    out: dict[str, Row] = {f"{name}rate{labels}": (total / WINDOW, float("nan"))}
    if total:
        failed = sum(event.weight for event in events if event.failed)
        out[f"{name}errors{labels}"] = failed / total, _sample(events)
        out[f"{name}p95{labels}"] = quantile(events, bounds, 0.95), _sample(events)
    return out


def _sample(events: Sequence[Event]) -> float:
    total = sum(event.weight for event in events)
    return total**2 / sum(event.weight**2 for event in events)


def assert_same(found: dict[str, Row], wanted: dict[str, Row]) -> None:
    assert found.keys() == wanted.keys()
    for key, row in wanted.items():
        assert found[key] == pytest.approx(row, rel=1e-9, nan_ok=True), key


KINDS = st.sampled_from(list(SpanKind))
SERVICES = st.sampled_from("abc")


@st.composite
def traces(draw: st.DrawFn) -> list[Span]:
    """A few traces: trees whose spans have any kind and service, some of their parents missing."""
    spans = []
    for trace in range(1, draw(st.integers(1, 3)) + 1):
        size = draw(st.integers(1, 8))
        for span in range(1, size + 1):
            start = draw(st.integers(0, 50)) * SECOND // 2
            spans.append(
                Span(
                    span=span,
                    parent=draw(st.integers(0, span - 1) | st.just(99)),
                    service=draw(SERVICES),
                    kind=draw(KINDS),
                    start=start,
                    duration=draw(st.integers(0, 60)) * SECOND // 2,
                    failed=draw(st.booleans()),
                    weight=draw(st.sampled_from([1.0, 1.0, 4.0])),
                    operation=draw(st.sampled_from(["GET /", "POST /x"])),
                    peer=draw(st.sampled_from(["", "", "redis"])),
                    trace=trace,
                )
            )
    return spans


@settings(max_examples=60, deadline=None)
@given(traces(), st.randoms(use_true_random=False), st.data())
def test_rows_are_those_of_a_look_at_all_spans_in_whatever_order_they_came(
    spans: list[Span], order: random.Random, data: st.DataObject
) -> None:
    kept = [one for one in spans if data.draw(st.integers(0, 9)) > 0]
    order.shuffle(kept)
    judge = evaluator()
    tally = judge.store.shapes.open()
    at = 0
    while at < len(kept):
        size = order.randint(1, 6)
        judge.take(columns(kept[at : at + size]), START + 60.0 + 5.0 * at / len(kept))
        at += size
    assert_same(rows(judge), expected(kept, judge.store.buckets.bounds.tolist()))
    shape = judge.store.shapes.shape(tally)
    for name, sums in Naive(kept).shape().items():
        found = getattr(shape, name)
        assert found.keys() == sums.keys()
        assert all(found[key].tolist() == pytest.approx(sums[key]) for key in sums)
