"""The states of a run over time, and which runs may be under way together."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomalyd.model import Labels, RunState
from anomalyd.runs.life import Lifecycle, Rules, RunConflict, SelectorRefused, UnknownRun

WARMUP, ACTIVE, SETTLING, FINISHED = RunState
RULES = Rules(warmup=60.0, settle=30.0, max_duration=3600.0)
LABELLED = Rules(warmup=60.0, settle=30.0, max_duration=3600.0, label="testid")
START = datetime(2027, 1, 31, 14, 25, 12, 345_000, tzinfo=UTC).timestamp()


def states(life: Lifecycle, now: float) -> list[tuple[RunState | None, RunState]]:
    return [(change.previous, change.run.state) for change in life.tick(START + now)]


@pytest.mark.parametrize(
    ("sentence", "stop", "ticks"),
    [
        ("a run warms up, is active, settles after its stop and finishes", 100.0, {
            0.0: [], 59.9: [], 60.0: [(WARMUP, ACTIVE)], 90.0: [], 129.9: [],
            130.0: [(SETTLING, FINISHED)], 500.0: []}),
        ("a run stopped while it warms up was never active", 10.0, {
            5.0: [], 39.9: [], 40.0: [(SETTLING, FINISHED)]}),
        ("a run that nobody stops is stopped at its longest", None, {
            60.0: [(WARMUP, ACTIVE)], 3599.9: [], 3600.0: [(ACTIVE, SETTLING)],
            3630.0: [(SETTLING, FINISHED)]}),
        ("one late tick makes every change that is due, in order", None, {
            9999.0: [(WARMUP, ACTIVE), (ACTIVE, SETTLING), (SETTLING, FINISHED)]}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_states_over_time(sentence, stop, ticks):
    life = Lifecycle(RULES)
    run = life.start("nightly", START)
    for now, expected in ticks.items():
        if stop is not None and now >= stop:
            life.stop(run.id, START + stop)
            stop = None
        assert states(life, now) == expected, f"{sentence}: at {now}"
    assert life.runs == []


def test_times_are_when_a_change_was_due_and_not_when_it_was_seen():
    life = Lifecycle(RULES)
    life.start("nightly", START)
    last = life.tick(START + 99_999.0)[-1].run
    assert last.active_at == START + 60
    assert last.stopped_at == START + 3600
    assert last.finished_at == START + 3630


def test_a_change_says_why():
    life = Lifecycle(RULES)
    life.start("nightly", START)
    assert [change.reason for change in life.tick(START + 99_999.0)] == [
        "the warm-up is over",
        "runs.max_duration (1h) is over",
        "the run has settled",
    ]


def test_without_warm_up_and_settling_a_run_needs_one_tick_for_each_end():
    life = Lifecycle(Rules(warmup=0, settle=0, max_duration=3600))
    run = life.start("quick", START)
    assert states(life, 0.0) == [(WARMUP, ACTIVE)]
    life.stop(run.id, START + 10)
    assert states(life, 10.0) == [(SETTLING, FINISHED)]


def test_a_warm_up_longer_than_the_longest_run_ends_before_it():
    life = Lifecycle(Rules(warmup=100, settle=0, max_duration=50))
    life.start("odd", START)
    last = life.tick(START + 1000)[-1].run
    assert last.active_at == last.stopped_at == START + 100


def test_stopping_twice_keeps_the_first_stop():
    life = Lifecycle(RULES)
    run = life.start("nightly", START)
    first = life.stop(run.id, START + 100)
    assert life.stop(run.id, START + 110) == first
    assert first.stopped_at == START + 100


def test_a_stop_before_the_start_is_at_the_start():
    life = Lifecycle(RULES)
    run = life.start("nightly", START)
    assert life.stop(run.id, START - 5).stopped_at == START


def test_a_run_that_is_not_under_way_cannot_be_stopped():
    with pytest.raises(UnknownRun, match="no run r9 is under way"):
        Lifecycle(RULES).stop("r9", START)


def test_a_restart_goes_on_where_it_was():
    before = Lifecycle(RULES)
    run = before.start("nightly", START, labels=Labels.of({"team": "shop"}))
    before.tick(START + 60)
    after = Lifecycle(RULES, before.runs)
    assert after.runs == before.runs
    after.stop(run.id, START + 100)
    (change,) = after.tick(START + 130)
    assert change.run.state is FINISHED
    assert change.run.active_at == START + 60
    assert change.run.labels.get("team") == "shop"


def test_a_finished_run_is_not_restored():
    life = Lifecycle(RULES)
    life.start("nightly", START)
    last = life.tick(START + 99_999.0)[-1].run
    assert Lifecycle(RULES, [last]).runs == []


@pytest.mark.parametrize(
    ("rules", "first", "second", "sentence"),
    [
        (RULES, "", "", "is under way; stop it first, or set runs.label so that runs can be told"),
        (LABELLED, "", "b", "give both runs a selector (a value of testid)"),
        (LABELLED, "a", "", "give both runs a selector (a value of testid)"),
        (LABELLED, "a", "a", "choose another selector than 'a'"),
        (LABELLED, "a", "b", None),
    ],
)
def test_runs_overlap_only_where_their_series_can_be_told_apart(rules, first, second, sentence):
    life = Lifecycle(rules)
    other = life.start("one", START, selector=first)
    if sentence is None:
        life.start("two", START + 10, selector=second)
        assert [run.name for run in life.runs] == ["one", "two"]
        return
    with pytest.raises(RunConflict) as error:
        life.start("two", START + 10, selector=second)
    assert f"run {other.id} (one)" in str(error.value)
    assert sentence in str(error.value)
    assert error.value.retry_after is None
    assert [run.name for run in life.runs] == ["one"]


def test_a_selector_without_a_label_is_refused():
    with pytest.raises(
        SelectorRefused, match=r"selector 'a' would select nothing; set runs\.label"
    ):
        Lifecycle(RULES).start("one", START, selector="a")


def test_a_settling_run_says_how_long_to_wait():
    life = Lifecycle(RULES)
    run = life.start("one", START)
    life.stop(run.id, START + 100)
    with pytest.raises(
        RunConflict, match="is settling for another 20s; start again after"
    ) as error:
        life.start("two", START + 110)
    assert error.value.retry_after == pytest.approx(20)
    life.tick(START + 130)
    life.start("two", START + 130)


def test_an_id_is_readable_and_the_same_for_the_same_start():
    one, other = Lifecycle(RULES).start("n", START), Lifecycle(RULES).start("n", START)
    assert one.id == other.id
    assert one.id.startswith("20270131-142512-345")
    assert len(one.id) == 22


def test_ids_of_runs_that_start_together_differ():
    life = Lifecycle(LABELLED)
    ids = {life.start("same", START, selector=str(number)).id for number in range(200)}
    assert len(ids) == 200


@given(st.lists(st.floats(0, 4e9), min_size=2, max_size=2), st.text())
def test_ids_sort_by_time(times, name):
    early, late = sorted(times)
    if late - early >= 0.002:
        assert Lifecycle(RULES).start(name, early).id < Lifecycle(RULES).start(name, late).id


@given(st.lists(st.tuples(st.sampled_from(["start", "stop", "tick"]), st.floats(0, 2000))))
def test_whatever_happens_states_only_go_forward_and_times_are_in_order(events):
    life = Lifecycle(RULES)
    order = list(RunState)
    now = START
    seen: dict[str, RunState] = {}
    for event, passed in events:
        now += passed
        if event == "start" and not life.runs:
            life.start("n", now)
        if event == "stop" and life.runs:
            life.stop(life.runs[0].id, now)
        runs = [change.run for change in life.tick(now)] if event == "tick" else life.runs
        for run in runs:
            assert order.index(run.state) >= order.index(seen.get(run.id, WARMUP))
            seen[run.id] = run.state
            times = [run.started_at, run.active_at, run.stopped_at, run.finished_at]
            given_times = [time for time in times if time is not None]
            assert given_times == sorted(given_times)
