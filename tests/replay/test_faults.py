"""Synthetic faults: what they change of a run, by how much, and what they leave alone."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomalyd.model import LOAD_SIGNAL, Batch, Labels
from anomalyd.replay.faults import SIZES, Fault, FaultKind, Subject, inject, touched
from anomalyd.replay.infer import columns

HEADERS = (
    "load",
    'request_rate{service="web"}', 'request_rate{service="cart"}', 'request_rate{service="db"}',
    'latency_p95_seconds{service="web"}', 'latency_p95_seconds{service="cart"}',
    'latency_p50_seconds{service="cart"}', 'latency_p95_seconds{service="db"}',
    'error_ratio{service="cart"}', 'memory_bytes{service="cart"}', 'disk_bytes{service="cart"}',
    'disk_bytes{service="db"}', 'cpu_utilization{service="cart"}',
    'inflight_requests{service="cart"}', 'calls_per_request{service="web"}',
)  # fmt: skip
CALLEES = {"web": ["cart", "db"], "cart": ["db"]}
VALUE = {"latency": 0.1, "error": 0.01, "cpu": 0.6, "calls": 2.0}
KEYS = [LOAD_SIGNAL, *HEADERS[1:]]
BATCHES, WINDOW, COUNT = 12, 15.0, 1000.0
ONSET = 6 * WINDOW


def subject(count: float = COUNT, begun: float = 0.0) -> Subject:
    found = columns(HEADERS, CALLEES)
    signals = {signal.name: signal for signal in found.signals}
    series = [(signals[LOAD_SIGNAL], Labels())]
    series += [(signals[one.signal], one.labels) for one in found.series]
    assert [f"{signal.name}{labels}" for signal, labels in series] == KEYS
    values = [next((v for word, v in VALUE.items() if word in key), 50.0) for key in KEYS]
    rows, counts = np.arange(len(KEYS)), np.full(len(KEYS), count)
    batches = [
        Batch(begun + WINDOW * (i + 1), rows, np.array(values), counts, frozenset(signals))
        for i in range(BATCHES)
    ]
    return Subject("run", series, batches, [0], CALLEES, frozenset({"web"}))


def ratios(made: list[Batch], at: int = -1) -> dict[str, float]:
    """By how much the series of one batch were changed, those that were; lost ones are 0."""
    before, after = subject().batches[at], made[at]
    seen = dict(zip(after.rows.tolist(), after.values.tolist(), strict=True))
    changed = {k: seen.get(k, 0.0) / v for k, v in enumerate(before.values.tolist())}
    return {KEYS[k]: ratio for k, ratio in changed.items() if ratio != 1.0}


def made(kind: FaultKind, service: str, size: float, onset: float = ONSET, **more) -> list[Batch]:
    return inject(subject(), Fault(kind, service, size, onset), **more)


P95, P50 = 'latency_p95_seconds{{service="{}"}}', 'latency_p50_seconds{{service="{}"}}'


@pytest.mark.parametrize(
    ("kind", "service", "size", "changed"),
    [
        (FaultKind.LATENCY, "cart", 0.5, {P95.format("cart"): 1.5, P50.format("cart"): 1.5}),
        (FaultKind.LEAK, "cart", 0.5, {'memory_bytes{service="cart"}': 1.5}),
        (FaultKind.LEAK, "db", 0.5, {'disk_bytes{service="db"}': 1.5}),
        (
            FaultKind.SATURATION, "cart", 0.5,
            {'cpu_utilization{service="cart"}': 1.5, 'inflight_requests{service="cart"}': 1.5},
        ),
        (
            FaultKind.FAN_OUT, "web", 0.5,
            {
                'calls_per_request{service="web"}': 1.5,
                'request_rate{service="cart"}': 1.5,
                'request_rate{service="db"}': 1.25,
            },
        ),
    ],
)  # fmt: skip
def test_a_fault_grows_the_series_it_shows_in_and_no_other(kind, service, size, changed) -> None:
    assert ratios(made(kind, service, size)) == pytest.approx(changed)
    rows = touched(subject(), kind, service)
    assert {KEYS[row] for row in rows} == set(changed)


def test_more_calls_are_more_requests_behind_what_the_callee_shows() -> None:
    counts = made(FaultKind.FAN_OUT, "web", 0.5)[-1].counts
    of = {key: counts[row] for row, key in enumerate(KEYS)}
    assert of['error_ratio{service="cart"}'] == 1.5 * COUNT
    assert of[P95.format("db")] == 1.25 * COUNT
    assert of[P95.format("web")] == COUNT


def test_a_caller_waits_for_what_is_slow_only_if_asked_for() -> None:
    found = ratios(made(FaultKind.LATENCY, "db", 0.5, propagate=True))
    p95 = {P95.format(service): 1.5 for service in ("web", "cart", "db")}
    assert found == pytest.approx(p95)
    assert set(ratios(made(FaultKind.LATENCY, "db", 0.5))) == {P95.format("db")}


def test_errors_are_added_in_percentage_points_of_the_requests_there_were() -> None:
    key = 'error_ratio{service="cart"}'
    shares = [one.values[KEYS.index(key)] for one in made(FaultKind.ERRORS, "cart", 0.1)[6:]]
    assert len(set(shares)) > 1
    bad = np.array(shares) * COUNT
    np.testing.assert_allclose(bad, np.round(bad), atol=1e-9)
    sd = np.sqrt(0.1 * 0.9 / COUNT / len(shares))
    assert np.mean(shares) == pytest.approx(0.11, abs=4 * sd)


def test_errors_of_an_unknown_number_of_requests_are_what_is_to_be_expected() -> None:
    one = subject(count=np.nan)
    found = inject(one, Fault(FaultKind.ERRORS, "cart", 0.1, ONSET))[-1]
    assert found.values[KEYS.index('error_ratio{service="cart"}')] == pytest.approx(0.11)


@pytest.mark.parametrize(("count", "left"), [(0.0, 0.01), (3.0, None)])
def test_few_requests_fail_as_few_do(count, left) -> None:
    found = inject(subject(count=count), Fault(FaultKind.ERRORS, "cart", 0.16, ONSET))
    shares = {one.values[KEYS.index('error_ratio{service="cart"}')] for one in found[6:]}
    if left is not None:
        assert shares == {left}
    assert all(0 <= share <= 1 for share in shares)


def test_a_share_of_capacity_is_full_at_1() -> None:
    found = ratios(made(FaultKind.SATURATION, "cart", 1.6))
    assert found['cpu_utilization{service="cart"}'] == pytest.approx(1 / 0.6)
    assert found['inflight_requests{service="cart"}'] == pytest.approx(2.6)


def test_a_leak_grows_evenly_up_to_the_end_of_the_run() -> None:
    key = 'memory_bytes{service="cart"}'
    found = made(FaultKind.LEAK, "cart", 0.6)
    sizes = [ratios(found, at).get(key, 1.0) for at in range(BATCHES)]
    assert sizes == pytest.approx([1.0] * 6 + [1.1, 1.2, 1.3, 1.4, 1.5, 1.6])


def test_a_lost_service_vanishes_whole_and_the_load_with_the_entry() -> None:
    kept = set(made(FaultKind.LOST, "cart", 1.0)[-1].rows.tolist())
    assert {KEYS[k] for k in range(len(KEYS)) if k not in kept} == {k for k in KEYS if "cart" in k}
    of_entry = set(made(FaultKind.LOST, "web", 1.0)[-1].rows.tolist())
    assert 0 in kept
    assert 0 not in of_entry


@pytest.mark.parametrize("kind", list(FaultKind))
def test_the_windows_before_the_onset_are_the_very_same(kind) -> None:
    service = "web" if kind is FaultKind.FAN_OUT else "cart"
    one = subject()
    found = inject(one, Fault(kind, service, SIZES[kind][-1], ONSET))
    assert len(found) == BATCHES
    assert all(a is b for a, b in zip(found[:6], one.batches[:6], strict=True))
    assert ratios(found, 6) != {}
    from_start = inject(one, Fault(kind, service, SIZES[kind][-1], -np.inf))
    assert ratios(from_start, 1) != {}


def test_a_service_without_such_a_series_is_left_alone() -> None:
    assert not touched(subject(), FaultKind.LEAK, "web").size
    assert ratios(made(FaultKind.LEAK, "web", 1.6)) == {}


SEEDED = """
from tests.replay.test_faults import *
print([b.values.tolist() for b in made(FaultKind.ERRORS, "cart", 0.1)])
"""


def test_chance_is_drawn_by_when_the_run_was_and_the_fault_alone() -> None:
    elsewhere = subprocess.run(
        [sys.executable, "-c", SEEDED],
        env=os.environ | {"PYTHONHASHSEED": "77", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True, check=True, text=True,
    )  # fmt: skip
    fault = Fault(FaultKind.ERRORS, "cart", 0.1, ONSET)
    later = Fault(FaultKind.ERRORS, "cart", 0.1, ONSET + 86400.0)
    other = inject(subject(begun=86400.0), later)
    again = inject(subject(), fault)
    row = KEYS.index('error_ratio{service="cart"}')
    assert str([b.values.tolist() for b in again]) == elsewhere.stdout.strip()
    assert [b.values[row] for b in other] != [b.values[row] for b in again]


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(FaultKind),
    service=st.sampled_from(["web", "cart", "db"]),
    size=st.floats(0.0, 10.0),
    onset=st.floats(-10.0, 400.0),
    propagate=st.booleans(),
)
def test_whatever_the_fault_a_run_stays_one(kind, service, size, onset, propagate) -> None:
    one = subject()
    found = inject(one, Fault(kind, service, size, onset), propagate)
    assert [b.time for b in found] == [b.time for b in one.batches]
    for before, after in zip(one.batches, found, strict=True):
        assert set(after.rows) <= set(before.rows)
        assert np.isfinite(after.values).all()
        assert (after.values >= 0).all()
