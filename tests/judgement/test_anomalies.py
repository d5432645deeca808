"""ok → pending → firing → resolved, one window at a time."""

from __future__ import annotations

import numpy as np
import pytest

from anomalyd.judgement.anomalies import Anomalies
from anomalyd.judgement.evidence import Scores
from anomalyd.model import State
from tests.detectors.windows import WINDOW, counted, window

THRESHOLD = np.log(1000.0)
CALM, OFF, GONE = 0.0, 1.0, float("nan")
NOTHING, SOME, HALF, ENOUGH = 0.1, 1.0, 4.0, 8.0

OK, PENDING, FIRING, RESOLVED = State.OK, State.PENDING, State.FIRING, State.RESOLVED


def scores(log_evidence: float, *, ruled: bool = False, whole_run: bool = False) -> Scores:
    return Scores(np.array([log_evidence]), np.array([0]), np.array([ruled]), np.array([whole_run]))


class Row:
    """One row taken through windows of (residual, log evidence)."""

    def __init__(self, keep_firing_for: float = 60.0) -> None:
        self.anomalies = Anomalies(keep_firing_for)
        self.anomalies.resize(1)
        self.t = 0
        self.changes: list[str] = []

    def step(
        self, residual=CALM, evidence=NOTHING, *, judged=True, silenced=False, ruled=False,
        whole_run=False, context=None,
    ) -> State:  # fmt: skip
        if context is None:
            value = np.nan if np.isnan(residual) else 1.0
            context = window(1, self.t, residual=residual, value=value)
        changed = self.anomalies.step(
            context,
            scores(evidence, ruled=ruled, whole_run=whole_run),
            np.array([THRESHOLD]),
            np.array([judged]),
            np.array([silenced]),
        )
        self.t += 1
        self.changes += ["fired"] * len(changed.fired) + ["resolved"] * len(changed.resolved)
        return State(self.anomalies.state[0])


@pytest.mark.parametrize(
    ("windows", "states"),
    [
        ([(CALM, NOTHING)] * 3, [OK, OK, OK]),
        ([(OFF, SOME), (OFF, HALF), (OFF, ENOUGH)], [OK, PENDING, FIRING]),
        ([(OFF, HALF), (CALM, SOME)], [PENDING, OK]),
        ([(CALM, ENOUGH)], [PENDING]),
        ([(CALM, ENOUGH), (OFF, ENOUGH)], [PENDING, FIRING]),
        ([(OFF, ENOUGH), (CALM, 0), (CALM, 0)], [FIRING, FIRING, RESOLVED]),
        ([(OFF, ENOUGH), (CALM, 0), (OFF, 0), (CALM, 0)], [FIRING] * 4),
        ([(OFF, ENOUGH), (GONE, 0), (GONE, 0), (GONE, 0)], [FIRING] * 4),
        (
            [(OFF, ENOUGH), (CALM, 0), (CALM, 0), (OFF, ENOUGH)],
            [FIRING, FIRING, RESOLVED, FIRING],
        ),
        ([(OFF, ENOUGH), (CALM, 0), (CALM, 0), (OFF, SOME)], [FIRING, FIRING, RESOLVED, RESOLVED]),
    ],
    ids=[
        "nothing",
        "it rises and fires",
        "it was nothing after all",
        "much evidence at an ordinary window does not fire",
        "but it does at the next that is not",
        "it resolves once calm for `keep_firing_for`",
        "a relapse starts the wait again",
        "what is gone is not calm",
        "it fires again",
        "it rises again",
    ],
)
def test_a_row_goes(windows, states):
    row = Row()
    assert [row.step(*one) for one in windows] == states


def test_times_are_those_of_windows():
    row = Row()
    row.step(OFF, SOME)
    row.step(OFF, HALF)
    row.step(OFF, ENOUGH)
    assert row.anomalies.since[0] == 0.0, "the start of the window at which it began to rise"
    assert row.anomalies.fired_at[0] == 3 * WINDOW
    row.step(CALM)
    row.step(CALM)
    assert row.anomalies.calm_since[0] == 3 * WINDOW
    assert row.changes == ["fired", "resolved"]


def test_evidence_that_sank_begins_to_rise_anew():
    row = Row()
    row.step(OFF, SOME)
    row.step(CALM, NOTHING)
    row.step(OFF, ENOUGH)
    assert row.anomalies.since[0] == 2 * WINDOW


@pytest.mark.parametrize("how", ["judged", "silenced"])
def test_rows_that_may_not_fire_do_not(how):
    row = Row()
    state = row.step(OFF, ENOUGH, **({"judged": False} if how == "judged" else {"silenced": True}))
    assert state is (OK if how == "judged" else PENDING)
    assert row.changes == []


def test_a_rule_fires_without_evidence_and_without_being_judged_since_it_was_last_seen():
    row = Row()
    row.step()
    for _ in range(2):
        row.step(GONE, judged=False)
    assert row.step(GONE, judged=False, ruled=True) is FIRING
    assert row.anomalies.since[0] == 1 * WINDOW
    assert row.step(CALM, judged=False) is FIRING
    assert row.step(CALM, judged=False) is RESOLVED


def test_a_silenced_rule_does_not_fire():
    assert Row().step(GONE, ruled=True, silenced=True) is OK


def test_calm_is_where_the_row_was_before_it_rose():
    row = Row()
    for _ in range(10):
        row.step(0.5)
    assert row.step(1.5, ENOUGH) is FIRING
    assert row.step(0.6) is FIRING
    assert row.step(0.4) is RESOLVED


def test_a_run_that_is_off_as_a_whole_is_calm_where_production_is():
    row = Row()
    for _ in range(8):
        row.step(0.9, NOTHING)
    assert row.step(0.9, ENOUGH, whole_run=True) is FIRING
    assert row.step(0.9, ENOUGH, whole_run=True) is FIRING
    row.step(0.1)
    assert row.step(0.1) is RESOLVED


@pytest.mark.parametrize(("off", "state"), [(0.9, FIRING), (0.3, PENDING)])
def test_a_run_is_not_calm_where_it_was_if_no_good_run_was_ever_there(off, state):
    row = Row()
    for _ in range(8):
        row.step(off, NOTHING)
    assert row.step(off, ENOUGH) is state


@pytest.mark.parametrize(("bad", "state"), [(40.0, FIRING), (14.0, RESOLVED)])
def test_counts_are_calm_within_what_is_allowed(bad, state):
    row = Row()
    for t, count in enumerate([400.0, bad, bad]):
        context = counted(1, t, np.array([count]), np.array([1000.0]))
        row.step(evidence=ENOUGH if t == 0 else 0.0, context=context)
    assert row.anomalies.state[0] == state


def test_the_peak_is_of_the_whole_run_and_reset_forgets_it():
    row = Row()
    for evidence in (SOME, 3.0, NOTHING):
        row.step(CALM, evidence)
    assert row.anomalies.peak[0] == 3.0
    row.anomalies.reset(np.array([0]))
    fresh = Row().anomalies
    for name, array in row.anomalies.dump().items():
        np.testing.assert_array_equal(array, fresh.dump()[name])


def test_growing_and_a_dump_keep_what_was_there():
    row = Row()
    row.step(OFF, ENOUGH)
    row.anomalies.resize(3)
    again = Anomalies(60.0)
    again.load(row.anomalies.dump())
    assert again.state.tolist() == [FIRING, OK, OK]
    assert np.isnan(again.fired_at[1:]).all()
    for name, array in again.dump().items():
        np.testing.assert_array_equal(array, row.anomalies.dump()[name])


def test_what_fired_before_a_restart_fires_on():
    anomalies = Anomalies(60.0)
    anomalies.resize(2)
    anomalies.fire(0, 30.0, 90.0, 9.0)
    anomalies.resolve(1, 7.0)
    assert anomalies.state.tolist() == [FIRING, RESOLVED]
    assert anomalies.peak.tolist() == [9.0, 7.0]
    assert (anomalies.since[0], anomalies.fired_at[0]) == (30.0, 90.0)
