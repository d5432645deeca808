"""A few spans of every service are kept: the slowest, failed ones, ordinary ones; never many."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomalyd.model import Labels
from anomalyd.signals.identity import Canonical
from anomalyd.signals.traces import reservoir
from anomalyd.signals.traces.reservoir import Reservoir
from anomalyd.spans import SpanKind, Spans

NOW = 1_800_000_000.0
CANONICAL = Canonical(["service_name"], rewrite=[("(.*)-staging", "$1")])


def spans(*rows: tuple[str, int, float, float, bool], kind: SpanKind = SpanKind.SERVER) -> Spans:
    """(service, trace, start after NOW, duration, failed) each; operations have an id in them."""
    names = sorted({row[0] for row in rows})
    n = len(rows)
    return Spans(
        trace=np.array([(7, row[1]) for row in rows], dtype=np.uint64).reshape(n, 2),
        span=np.arange(1, n + 1, dtype=np.uint64),
        parent=np.zeros(n, dtype=np.uint64),
        start=np.array([round((NOW + row[2]) * 1e9) for row in rows], dtype=np.int64),
        duration=np.array([round(row[3] * 1e9) for row in rows], dtype=np.int64),
        kind=np.full(n, kind, dtype=np.uint8),
        failed=np.array([row[4] for row in rows], dtype=bool),
        weight=np.ones(n),
        resource=np.array([names.index(row[0]) for row in rows], dtype=np.intp),
        operation=np.zeros(n, dtype=np.intp),
        peer=np.zeros(n, dtype=np.intp),
        resources=tuple(Labels.of({"service_name": name}) for name in names),
        operations=("GET /items/42",),
    )


def kept(*batches: Spans) -> Reservoir:
    made = Reservoir(CANONICAL)
    for number, batch in enumerate(batches):
        made.take(batch, NOW + number)
    return made


def ids(found) -> list[int]:
    return [int(one.trace_id, 16) & 0xFFFF for one in found]


def test_of_a_body_each_service_keeps_its_slowest_a_failed_and_a_middle_one():
    rows = [("cart", n, 0.0, 0.01 * n, n == 3) for n in range(1, 10)]
    made = kept(spans(*rows, ("db-staging", 20, 0.0, 0.5, False)))
    assert ids(made.find("cart", NOW - 60, NOW + 60)) == [9, 5, 3]
    assert ids(made.find("cart", NOW - 60, NOW + 60, failed=True)) == [3]
    [db] = made.find("db", NOW - 60, NOW + 60)
    assert (db.trace_id, db.service, db.operation) == (
        f"{7:016x}{20:016x}",
        "db",
        "GET /items/{id}",
    )
    assert db.started_at == pytest.approx(NOW)
    assert db.duration == pytest.approx(0.5)


def test_found_are_those_of_the_time_the_operation_and_the_duration():
    made = Reservoir(CANONICAL)
    for n in range(1, 5):
        made.take(spans(("cart", n, 40.0 * n, 0.1 * n, False)), NOW + 40.0 * n + 1)
    made.take(spans(("cart", 9, 400.0, 0.9, True)), NOW + 401)
    assert ids(made.find("cart", NOW + 70, NOW + 130)) == [3, 2]
    assert ids(made.find("cart", NOW, NOW + 500, above=0.35)) == [9, 4]
    assert ids(made.find("cart", NOW, NOW + 500, upto=0.35, failed=False)) == [3, 2, 1]
    assert ids(made.find("cart", NOW, NOW + 500, operation="GET /items/{id}", failed=True)) == [9]
    assert made.find("cart", NOW, NOW + 500, operation="GET /other") == []
    assert made.find("nobody", NOW, NOW + 500) == []


def test_only_requests_that_were_served_are_kept():
    row = ("cart", 1, 0.0, 0.1, True)
    for kind in (SpanKind.CLIENT, SpanKind.INTERNAL, SpanKind.PRODUCER):
        assert len(kept(spans(row, kind=kind))) == 0
    assert len(kept(spans(row, kind=SpanKind.CONSUMER))) > 0


def test_a_trace_that_comes_in_parts_is_kept_once_with_its_slowest_request():
    made = kept(
        spans(("cart", 1, 0.0, 0.1, False)),
        spans(("cart", 1, 0.0, 0.9, False)),
        spans(("cart", 1, 0.0, 0.2, False)),
    )
    [one] = made.find("cart", NOW - 1, NOW + 10)
    assert one.duration == pytest.approx(0.9)


def test_what_is_too_old_or_from_the_future_is_left_out():
    old, ahead = -reservoir.KEEP_SECONDS - 1, reservoir.SLOT_SECONDS + 1
    assert len(kept(spans(("cart", 1, old, 0.1, False), ("web", 2, ahead, 0.1, False)))) == 0


def test_however_much_comes_no_more_than_so_many_are_kept(monkeypatch):
    monkeypatch.setattr(reservoir, "SERVICES", 3)
    monkeypatch.setattr(reservoir, "KEEP_SECONDS", 120.0)
    made = Reservoir(CANONICAL)
    for second in range(600):
        rows = [(f"s{n}", second * 10 + n, second - 1.0, 0.1, n % 2 == 0) for n in range(6)]
        made.take(spans(*rows), NOW + second)
    per_slot = reservoir.SLOWEST + reservoir.FAILED + reservoir.USUAL
    assert 0 < len(made) <= 3 * per_slot * (120 / reservoir.SLOT_SECONDS + 2)


def test_under_a_flood_only_some_bodies_of_a_second_are_looked_at():
    made = Reservoir(CANONICAL)
    for number in range(10 * reservoir.BODIES):
        made.take(spans((f"s{number}", number, 0.0, 0.1, False)), NOW)
    assert len({one for n in range(200) for one in ids(made.find(f"s{n}", NOW - 1, NOW + 1))}) == (
        reservoir.BODIES
    )


ROWS = st.tuples(
    st.sampled_from(["a", "b", ""]),
    st.integers(1, 5),
    st.floats(-100, 40),
    st.floats(0, 10),
    st.booleans(),
)


@settings(max_examples=50)
@given(st.lists(ROWS, min_size=1, max_size=20))
def test_the_slowest_of_all_is_always_there(rows):
    made = kept(spans(*rows))
    for service in ("a", "b"):
        own = [row for row in rows if row[0] == service]
        found = made.find(service, NOW - 1e6, NOW + 1e6)
        near = [row for row in own if row[2] + row[3] <= reservoir.SLOT_SECONDS]
        if own and len(near) == len(own):
            assert found[0].duration == pytest.approx(max(row[3] for row in own), abs=1e-6)
        assert len({one.trace_id for one in found}) == len(found)
    assert made.find("", NOW - 1e6, NOW + 1e6) == []
