"""Own time, waits, ends and edges, from spans."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalyd.explain.traces import FAILED, OWN_TIME, WAIT, edges, series, tree
from anomalyd.spans import SpanKind
from tests.explain.spans import MS, spans

SHOP = (
    (1, 0, "web", "page", 0, 100),
    (2, 1, "web", "get cart", 10, 60),
    (3, 2, "cart", "get cart", 20, 55),
    (4, 1, "web", "get ads", 60, 90),
    (5, 4, "ads", "get ads", 65, 85),
)


def of(made, step=60.0):
    return {(s.signal, s.service, s.peer): s for s in series(*made, step)}


def test_own_time_is_what_no_child_covers():
    grown = tree(*spans(*SHOP))
    assert (grown.own // MS).tolist() == [20, 15, 35, 10, 20]


def test_a_call_waits_for_what_its_server_half_does_not_cover():
    found = of(spans(*SHOP))
    assert found[WAIT, "web", "cart"].values.tolist() == pytest.approx([0.015])
    assert found[WAIT, "web", "ads"].values.tolist() == pytest.approx([0.010])
    assert found[OWN_TIME, "web", ""].values.tolist() == pytest.approx([0.020])
    assert found[OWN_TIME, "cart", ""].values.tolist() == pytest.approx([0.035])


def test_edges_are_who_calls_whom():
    assert edges(*spans(*SHOP)) == [("web", "ads"), ("web", "cart")]


def test_an_operation_ends_with_its_last_step():
    found = of(spans(*SHOP))
    assert found["page ends after get ads", "web", "ads"].values.tolist() == [1.0]
    cut = (
        *SHOP,
        (11, 0, "web", "page", 200, 230),
        (12, 11, "web", "get cart", 205, 225),
        (13, 12, "cart", "get cart", 210, 220),
        (21, 0, "web", "page", 300, 310),
    )
    found = of(spans(*cut))
    assert found["page ends after get cart", "web", "cart"].values.tolist() == [
        pytest.approx(1 / 3)
    ]
    assert found["page ends after nothing", "web", ""].values.tolist() == [pytest.approx(1 / 3)]


def test_a_call_that_never_arrived_waits_for_whom_the_same_operation_calls_elsewhere():
    lost = (*SHOP, (11, 0, "web", "page", 200, 1230), (12, 11, "web", "get cart", 205, 1205))
    assert of(spans(*lost))[WAIT, "web", "cart"].values.tolist() == pytest.approx(
        [(1.0 + 0.015) / 2]
    )


def test_a_span_of_a_kind_that_calls_nobody_is_no_call():
    server = [
        SpanKind.SERVER,
        SpanKind.INTERNAL,
        SpanKind.SERVER,
        SpanKind.INTERNAL,
        SpanKind.SERVER,
    ]
    found = of(spans(*SHOP, kind=server))
    assert not [key for key in found if key[0] == WAIT]
    assert found[OWN_TIME, "web", ""].values.tolist() == pytest.approx([0.045])


def test_a_failure_is_of_the_deepest_that_failed():
    made, services = spans(*SHOP)
    found = of((replace(made, failed=np.array([True, True, True, False, False])), services))
    assert found[FAILED, "cart", ""].values.tolist() == [1.0]
    assert (FAILED, "web", "") not in found


def test_without_spans_there_is_nothing():
    made, services = spans(*SHOP)
    none = replace(
        made, **{name: getattr(made, name)[:0] for name in (
            "trace", "span", "parent", "start", "duration", "kind", "failed", "weight", "resource",
            "operation", "peer",
        )}
    )  # fmt: skip
    assert series(none, services, 10.0) == []
    assert edges(none, services) == []


ROWS = st.lists(
    st.tuples(
        st.integers(0, 12),
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["x", "y"]),
        st.integers(0, 500),
        st.integers(0, 300),
    ),
    min_size=1,
    max_size=12,
)


def slow_own(rows, row):
    """By marking every ms."""
    covered = set()
    for other in rows:
        if other[1] == row[0] and other[0] != row[0]:
            covered |= set(range(max(other[4], row[4]), min(other[5], row[5])))
    return row[5] - row[4] - len(covered)


@given(ROWS, st.randoms(use_true_random=False))
def test_own_time_is_that_of_a_slow_count_in_any_order(drawn, random):
    rows = [
        (i, min(parent, i - 1), service, operation, start, start + length)
        for i, (parent, service, operation, start, length) in enumerate(drawn, 1)
    ]
    expected = {row[0]: slow_own(rows, row) for row in rows}
    random.shuffle(rows)
    grown = tree(*spans(*rows))
    assert {row[0]: int(own) // MS for row, own in zip(rows, grown.own, strict=True)} == expected
    assert all(np.isfinite(one.times).all() for one in series(*spans(*rows), 0.1))
