"""What becomes of single spans: late, early, repeated, without parents, too many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from anomalyd import telemetry
from anomalyd.model import EDGE, Kind, Labels, Signal, SpanMeasure, SpanMetric
from anomalyd.signals.identity import Canonical
from anomalyd.signals.table import SignalTable
from anomalyd.signals.traces.evaluate import SpanEvaluator
from anomalyd.signals.traces.names import Caps
from anomalyd.signals.traces.store import Limits
from anomalyd.spans import SpanKind
from tests.signals.naive_spans import SECOND, START, Event, Span, columns, quantile

CLIENT, SERVER, INTERNAL = SpanKind.CLIENT, SpanKind.SERVER, SpanKind.INTERNAL
LIMITS = Limits(lag=5.0, hold=10.0)
READ = START + 60.0 + 15.0
"""When calls of the first minute are judged, requests of the minute ten seconds later."""


def judge(
    *signals: Signal, bounds: Mapping[str, Sequence[float]] | None = None, **limits: object
) -> SpanEvaluator:
    table = SignalTable(signals, 1000)
    names = Canonical(("service_name",), run_label="run")
    kept = replace(LIMITS, **limits)
    return SpanEvaluator(table, names, 60.0, 5.0, limits=kept, bounds=bounds)


def signal(measure: SpanMeasure, *by: str, **metric: object) -> Signal:
    return Signal(measure.value, Kind.OTHER, SpanMetric(measure, **metric), by=by or ("service",))


def values(judge: SpanEvaluator, time: float = READ) -> dict[str, float]:
    batch = judge.evaluate(time)
    keys = [judge.table.keys[row] for row in batch.rows]
    return dict(zip(keys, batch.values.tolist(), strict=True))


CALLS = signal(SpanMeasure.CALLS)
EDGE_CALLS = signal(SpanMeasure.CALLS, *EDGE, edges=True)
OWN = signal(SpanMeasure.OWN_TIME, quantile=0.5)


def request(span: int, end: float, **other: object) -> Span:
    """Of a second, that ends `end` seconds after START."""
    one = Span(span=span, start=round((end - 1) * SECOND), trace=span)
    return replace(one, **other)


def test_a_span_that_comes_after_its_window_was_read_counts_in_the_next_one_and_once() -> None:
    judged = judge(CALLS)
    judged.take(columns([request(1, 20.0), request(2, 62.0)]), START + 64.0)
    first = values(judged, START + 65.0)
    judged.take(columns([request(3, 21.0)]), START + 66.0)
    second = values(judged, START + 125.0)
    assert first == {'calls{service="a"}': 1 / 60}
    assert second == {'calls{service="a"}': 2 / 60}


def test_a_clock_that_runs_ahead_counts_now_and_one_that_is_far_off_not_at_all() -> None:
    judged = judge(CALLS, ahead=60.0)
    judged.take(columns([request(1, 30.0), request(2, 85.0), request(3, 300.0)]), START + 60.0)
    assert values(judged, START + 70.0) == {'calls{service="a"}': 2 / 60}
    assert judged.store.counted["ahead"] == 1


def test_a_span_that_is_too_old_is_refused() -> None:
    judged = judge(CALLS, late=50.0)
    judged.take(columns([request(1, 5.0), request(2, 20.0)]), START + 60.0)
    assert values(judged, START + 65.0) == {'calls{service="a"}': 1 / 60}
    assert judged.store.counted["late"] == 1


def test_times_that_no_clock_shows_are_refused() -> None:
    spans = columns([request(1, 10.0), request(2, 10.0), request(3, 10.0)])
    spans.start[1], spans.duration[1] = 2**63 - 1, 2**62
    spans.start[2] = -(2**62)
    judged = judge(CALLS)
    judged.take(spans, START + 60.0)
    assert values(judged, START + 65.0) == {'calls{service="a"}': 1 / 60}


def test_a_service_that_sends_spans_but_is_not_asked_has_a_rate_of_zero() -> None:
    judged = judge(CALLS)
    judged.take(columns([request(1, 30.0), request(2, 30.0, service="b")]), START + 31.0)
    values(judged, START + 65.0)
    inner = request(3, 90.0, kind=INTERNAL, parent=9)
    judged.take(columns([inner]), START + 91.0)
    assert values(judged, START + 125.0) == {'calls{service="a"}': 0.0}


def test_the_two_halves_of_a_call_count_once_whatever_came_first() -> None:
    server = Span(span=2, parent=1, service="b")
    client = Span(span=1, parent=9, kind=CLIENT, peer="b")
    for first, second in ((server, client), (client, server)):
        judged = judge(EDGE_CALLS)
        judged.take(columns([first]), START + 50.0)
        judged.take(columns([second]), START + 58.0)
        assert values(judged) == {'calls{client="a",server="b"}': 1 / 60}


def test_a_retry_below_one_client_span_is_another_call() -> None:
    client = Span(span=1, kind=CLIENT, peer="b")
    tries = [Span(span=number, parent=1, service="b") for number in (2, 3, 4)]
    judged = judge(EDGE_CALLS)
    judged.take(columns([client, *tries]), START + 60.0)
    assert values(judged) == {'calls{client="a",server="b"}': 3 / 60}


def test_a_driver_inside_a_client_library_is_one_call() -> None:
    outer = Span(span=1, kind=CLIENT, peer="postgresql")
    inner = Span(span=2, parent=1, kind=CLIENT, peer="postgresql")
    judged = judge(EDGE_CALLS)
    judged.take(columns([outer, inner]), START + 60.0)
    assert values(judged) == {'calls{client="a",server="postgresql"}': 1 / 60}


def test_a_client_span_that_names_nobody_and_nobody_answered_is_no_edge_but_counted() -> None:
    judged = judge(EDGE_CALLS)
    judged.take(columns([Span(span=1, kind=CLIENT)]), START + 60.0)
    assert values(judged) == {}
    assert judged.store.counted["unpaired"] == 1


def test_calls_per_request_are_those_of_the_caller() -> None:
    spans = [Span(span=1, trace=1), Span(span=1, trace=2)]
    spans += [Span(span=9, parent=1, kind=CLIENT, peer="db", trace=1, start=n) for n in range(1)]
    spans += [Span(span=n, parent=1, kind=CLIENT, peer="db", trace=2) for n in (3, 4, 5, 6)]
    judged = judge(signal(SpanMeasure.PER_REQUEST, *EDGE, edges=True))
    judged.take(columns(spans), START + 60.0)
    batch = judged.evaluate(READ)
    assert (batch.values.tolist(), batch.counts.tolist()) == ([2.5], [2.0])
    assert judged.table.services == ["a"]


def test_own_time_waits_for_a_request_that_lasts_longer_than_its_calls_are_held() -> None:
    call = Span(span=2, parent=3, kind=CLIENT, start=0, duration=4 * SECOND, peer="db")
    inner = Span(span=3, parent=1, kind=INTERNAL, start=0, duration=5 * SECOND)
    judged = judge(OWN, EDGE_CALLS)
    judged.take(columns([call, inner]), START + 6.0)
    for tick in range(10, 40, 5):
        judged.evaluate(START + float(tick))
    judged.take(columns([Span(span=1, start=0, duration=40 * SECOND)]), START + 41.0)
    own = values(judged, START + 75.0)
    assert own['own_time{service="a"}'] == pytest.approx(36.0, rel=0.05)
    assert own['calls{client="a",server="db"}'] == 1 / 60
    assert len(judged.store) == 0


def test_a_span_whose_request_never_comes_is_let_go_of() -> None:
    judged = judge(EDGE_CALLS, patience=30.0)
    judged.take(columns([Span(span=2, parent=1, kind=CLIENT, peer="db")]), START + 1.0)
    judged.evaluate(START + 15.0)
    assert len(judged.store) == 1
    judged.evaluate(START + 35.0)
    assert len(judged.store) == 0
    assert judged.store.counted["request_missing"] == 1


@pytest.mark.parametrize(
    "spans",
    [
        [Span(span=1, parent=1, kind=CLIENT, peer="db")],
        [
            Span(span=1, parent=2, kind=CLIENT, peer="db"),
            Span(span=2, parent=3, kind=INTERNAL),
            Span(span=3, parent=1, kind=INTERNAL),
        ],
        [Span(span=1, kind=CLIENT, peer="db")] * 5,
    ],
    ids=["its own parent", "parents in a circle", "one id five times"],
)
def test_impossible_parents_and_repeated_ids_make_one_call(spans: list[Span]) -> None:
    judged = judge(EDGE_CALLS, patience=20.0)
    judged.take(columns(spans), START + 20.0)
    judged.evaluate(START + 35.0)
    assert values(judged) == {'calls{client="a",server="db"}': 1 / 60}
    assert len(judged.store) == 0
    assert judged.store.counted["repeated"] == len(spans) - len({one.span for one in spans})


def test_one_trace_of_a_million_spans_is_counted_and_does_not_fill_memory() -> None:
    n, block = 1_000_000, 50_000
    judged = judge(CALLS, EDGE_CALLS, open=2**16)
    one = columns([Span(span=1, parent=1, kind=CLIENT, peer="db")])
    most = 0
    for first in range(0, n, block):
        span = np.arange(first + 2, first + block + 2, dtype=np.uint64)
        same = {name: np.repeat(getattr(one, name), block, axis=0) for name in _COLUMNS}
        spans = replace(one, **same, span=span, parent=np.full(block, 1, dtype=np.uint64))
        spans.kind[::2] = SERVER
        judged.take(spans, START + 30.0)
        most = max(most, len(judged.store))
    assert most <= 2**16
    assert values(judged, START + 65.0)['calls{service="a"}'] == pytest.approx(n / 2 / 60)
    assert judged.store.counted["crowded_out"] > 0


_COLUMNS = [
    "trace",
    "start",
    "duration",
    "kind",
    "failed",
    "weight",
    "resource",
    "operation",
    "peer",
]


def test_a_resource_without_a_name_and_a_weight_that_is_none_are_refused() -> None:
    nameless = replace(columns([request(1, 30.0)]), resources=(Labels(),))
    judged = judge(CALLS)
    judged.take(nameless, START + 60.0)
    judged.take(columns([request(2, 30.0, weight=float("nan"))]), START + 60.0)
    judged.take(columns([request(3, 30.0, weight=0.0)]), START + 60.0)
    assert values(judged, START + 65.0) == {}
    assert judged.store.counted["no_service"] == 1
    assert judged.store.counted["weight"] == 2


def test_what_is_left_out_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, object]] = []
    counter = SimpleNamespace(add=lambda count, labels: told.append((count, labels["reason"])))
    monkeypatch.setattr(telemetry, "spans_left_out", counter)
    judged = judge(CALLS)
    judged.take(columns([request(1, 300.0), Span(span=2, kind=CLIENT)]), START + 60.0)
    for tick in (80.0, 85.0):
        judged.evaluate(START + tick)
    assert told == [(1, "ahead"), (1, "unpaired")]


def test_operations_fold_and_those_over_the_cap_are_one() -> None:
    by_operation = signal(SpanMeasure.CALLS, "service", "operation")
    judged = judge(by_operation, caps=Caps(operations=2))
    names = ["GET /users/1", "GET /users/2", "b", "c", "d"]
    spans = [request(n + 1, 30.0, operation=name) for n, name in enumerate(names)]
    judged.take(columns(spans), START + 60.0)
    found = values(judged, START + 65.0)
    assert {key: round(value * 60) for key, value in found.items()} == {
        'calls{operation="GET /users/{id}",service="a"}': 2,
        'calls{operation="b",service="a"}': 1,
        'calls{operation="other",service="a"}': 2,
    }


def test_series_of_a_run_carry_its_label() -> None:
    spans = columns([request(1, 30.0)])
    labelled = replace(spans, resources=(Labels.of({"service_name": "a", "run": "7"}),))
    judged = judge(CALLS)
    judged.take(labelled, START + 60.0)
    assert values(judged, START + 65.0) == {'calls{run="7",service="a"}': 1 / 60}


def test_a_quantile_over_given_bounds_is_that_of_a_histogram_with_them() -> None:
    bounds = [0.005, 0.1, 0.25, 1.0]
    durations = [1_000_000, 5_000_000, 5_000_001, 100_000_000, 240_000_000, 990_000_000]
    spans = [request(n + 1, 30.0, duration=d) for n, d in enumerate(durations)]
    spans = [replace(one, start=30 * SECOND - one.duration) for one in spans]
    asked = signal(SpanMeasure.DURATION, quantile=0.5)
    judged = judge(asked, bounds={asked.name: bounds})
    judged.take(columns(spans), START + 60.0)
    events = [Event(0, duration, False, 1.0) for duration in durations]
    (found,) = values(judged, START + 65.0).values()
    assert found == pytest.approx(quantile(events, [*bounds, float("inf")], 0.5))


def test_signals_that_are_another_source_s_to_answer_are_left_alone() -> None:
    table = SignalTable((CALLS, OWN), 1000)
    names = Canonical(("service_name",))
    judged = SpanEvaluator(table, names, 60.0, 5.0, answers=frozenset({"calls"}))
    judged.take(columns([request(1, 30.0)]), START + 60.0)
    assert values(judged).keys() == {'calls{service="a"}'}
    assert judged.evaluate(READ + 5).answered == {"calls"}
