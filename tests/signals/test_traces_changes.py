"""What is told of a change in the shape of traces, and when nothing is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from anomalyd.model import Reshaped, ShapeChange
from anomalyd.signals.identity import Canonical
from anomalyd.signals.traces.buckets import Buckets
from anomalyd.signals.traces.changes import changes, mean, share
from anomalyd.signals.traces.shape import Shape
from anomalyd.signals.traces.store import Limits, SpanStore
from anomalyd.spans import SpanKind
from tests.signals.naive_spans import START, Span, columns

CLIENT = SpanKind.CLIENT
MS = 1_000_000

Calls = Sequence[Span]


def call(span: int, to: str, start: int = 0, **other: object) -> list[Span]:
    """A call of the gateway's request, both halves, for 10 ms from `start` ms on."""
    half = Span(span, 1, "gateway", CLIENT, start * MS, 10 * MS, **other)
    return [half, replace(half, span=span + 1, parent=span, service=to, kind=SpanKind.SERVER)]


def shape(
    traces: int, calls: Callable[[int], Calls], failed: Callable[[int], bool] = bool
) -> Shape:
    """Of so many traces that begin at the gateway; calls: what number n of them calls."""
    store = SpanStore(Canonical(("service_name",)), Buckets(), 5.0, Limits())
    spans = []
    for trace in range(1, traces + 1):
        begin = Span(1, service="gateway", duration=100 * MS, failed=failed(0), operation="GET /")
        spans += [replace(one, trace=trace) for one in (begin, *calls(trace))]
    tally = store.shapes.open()
    store.take(columns(spans), START + 1.0)
    store.settle(START + 30.0)
    return store.shapes.shape(tally)


def told(staging: Shape, production: Shape) -> list[tuple[Reshaped, str, str]]:
    return [(one.kind, one.client, one.server) for one in changes(staging, production)]


def cart(n: int) -> Calls:
    return call(2, "cart")


def test_nothing_is_told_of_the_same_shape_even_with_odd_traces() -> None:
    odd = shape(500, lambda n: call(2, "cart") + (call(4, "odd") if n % 100 == 0 else []))
    assert told(odd, shape(2000, cart)) == []


def test_an_edge_that_production_does_not_have_is_new_and_one_that_is_gone_is_missing() -> None:
    both = shape(200, lambda n: [*cart(n), *(call(4, "pricing") if n % 2 else [])])
    plain = shape(200, cart)
    assert told(both, plain) == [(Reshaped.NEW_EDGE, "gateway", "pricing")]
    assert told(plain, both) == [(Reshaped.MISSING_EDGE, "gateway", "pricing")]


def test_a_query_per_item_is_more_calls() -> None:
    items = shape(100, lambda n: [s for i in range(1 + n % 9) for s in call(2 + 2 * i, "cart", i)])
    assert told(items, shape(100, cart)) == [(Reshaped.MORE_CALLS, "gateway", "cart")]


def test_calls_after_a_failed_one_are_retries_and_not_only_more_calls() -> None:
    def retrying(n: int) -> Calls:
        return [s for i in range(3) for s in call(2 + 2 * i, "cart", 20 * i, failed=i < 2)]

    assert told(shape(100, retrying), shape(100, cart)) == [(Reshaped.RETRIES, "gateway", "cart")]


def test_calls_at_once_that_become_one_after_another_are_told() -> None:
    at_once = shape(200, lambda n: call(2, "cart") + call(4, "pricing"))
    in_turn = shape(200, lambda n: call(2, "cart") + call(4, "pricing", 20))
    assert told(in_turn, at_once) == [(Reshaped.SERIAL, "gateway", "")]
    assert told(at_once, in_turn) == []


def test_a_failure_that_its_caller_now_shares_is_a_new_error_path() -> None:
    borne = shape(200, lambda n: call(2, "cart", failed=n % 3 == 0))
    shared = shape(200, lambda n: call(2, "cart", failed=n % 3 == 0), lambda n: True)
    assert told(shared, borne) == [(Reshaped.ERROR_PATH, "gateway", "cart")]


def test_too_few_traces_say_nothing() -> None:
    both = shape(40, lambda n: call(2, "cart") + call(4, "pricing"))
    assert told(both, shape(1000, cart)) == []


def test_a_change_says_both_sides_with_intervals_and_counts() -> None:
    both = shape(200, lambda n: call(2, "cart") + call(4, "pricing"))
    (change,) = changes(both, shape(400, cart))
    assert isinstance(change, ShapeChange)
    assert (change.service, change.operation) == ("gateway", "GET /")
    assert (change.staging.value, change.staging.high, change.staging.of) == (1.0, 1.0, 200)
    assert (change.production.value, change.production.low, change.production.of) == (0, 0, 400)
    assert change.staging.low == pytest.approx(200 / 216)
    assert change.production.high == pytest.approx(16 / 416)


def test_calls_of_a_trace_are_squared_and_those_at_once_are_counted() -> None:
    def calling(n: int) -> Calls:
        return call(2, "cart") if n == 1 else [s for i in range(3) for s in call(2 + 2 * i, "cart")]

    found = shape(2, calling)
    assert found.edges["gateway", "GET /", "gateway", "cart"].tolist() == [2, 4, 10, 0, 0, 0]
    assert found.services["gateway", "GET /", "gateway"].tolist() == [2, pytest.approx(0.18), 1, 1]
    assert found.entries["gateway", "GET /"].tolist() == [2, 4, pytest.approx(0.2)]


def test_shapes_add_and_fade() -> None:
    first, more = shape(60, cart), shape(100, lambda n: call(2, "pricing"))
    both = first.plus(more)
    assert both.entries["gateway", "GET /"][0] == 160
    assert told(both.faded(0.5), more) == told(both, more)
    assert told(first.plus(more).faded(1 / 3), more) == [(Reshaped.NEW_EDGE, "gateway", "cart")]
    assert first.faded(1 / 200).edges == {}


@pytest.mark.parametrize(("part", "whole"), [(0, 100), (3, 100), (50, 100), (100, 100)])
def test_the_interval_of_a_share_holds_it_and_narrows(part: int, whole: int) -> None:
    few, many = share(part, whole), share(part * 100, whole * 100)
    assert few.low <= few.value <= few.high
    assert many.high - many.low < few.high - few.low


def test_good_runs_are_told_of_seldom() -> None:
    """Two samples of the same: intervals at four standard errors hardly ever lie apart."""
    rng = np.random.default_rng(8)
    apart = 0
    for _ in range(5000):
        counts = rng.binomial(200, 0.3, 2)
        ours, theirs = (share(float(one), 200.0) for one in counts)
        calls = rng.poisson(2, (2, 200)).astype(float)
        one, other = (mean(c.sum(), (c**2).sum(), 200.0) for c in calls)
        apart += ours.low > theirs.high or one.low > other.high
    assert apart <= 2
