"""Faults put into a good run, and found by the ordinary judge."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from anomalyd.model import Outcome
from anomalyd.replay import judge
from anomalyd.replay.faults import SIZES, Fault, FaultKind, inject
from anomalyd.replay.given import of_csv
from anomalyd.replay.infer import columns
from anomalyd.replay.mutate import WHOLE_RUN, Good, Mutation, Trial
from anomalyd.replay.production import fit_production
from anomalyd.replay.recording import RecordingError
from anomalyd.replay.sights import recalls, sights
from anomalyd.replay.subjects import of_bundle, of_recording
from tests.replay.system import SERVICES, STEP, production, run, slower

EDGES = {"gateway": ["cart"], "cart": ["pricing"]}
MINUTES = 14
LATENCY, ERRORS, LEAK, LOST = FaultKind.LATENCY, FaultKind.ERRORS, FaultKind.LEAK, FaultKind.LOST


@pytest.fixture(scope="module")
def reference() -> judge.Reference:
    history = production(hours=2)
    found = columns(history.headers, EDGES)
    accepted = [run(3, minutes=MINUTES), run(4, minutes=MINUTES)]
    return judge.learn(found, fit_production(history, found, STEP), STEP, accepted, EDGES)


@pytest.fixture(scope="module")
def good(reference: judge.Reference) -> Good:
    return of_recording("good.csv", run(2, minutes=MINUTES), reference, EDGES, 0.01)


@pytest.fixture(scope="module")
def mutation(good: Good) -> Mutation:
    return Mutation(good, onsets=1)


def test_a_slow_service_is_found_and_blamed_from_some_size_on(mutation) -> None:
    (onset,) = mutation.onsets
    found = mutation.trial(LATENCY, "pricing", onset)
    assert found.size in SIZES[LATENCY][1:]
    assert found.series
    assert all("pricing" in series for series in found.series)
    assert found.suspect == "pricing"
    assert STEP <= found.delay <= 600


def test_a_size_below_the_smallest_found_is_missed_by_the_judge_itself(good, mutation) -> None:
    (onset,) = mutation.onsets
    found = mutation.trial(LATENCY, "cart", onset)
    at = SIZES[LATENCY].index(found.size)
    for size, fires in ((found.size, True), (SIZES[LATENCY][at - 1], False)):
        batches = inject(good.subject, Fault(LATENCY, "cart", size, onset))
        player = good.start(batches)
        for batch in batches:
            player.feed(batch)
        fired = player.fired()
        assert (fired is not None) == fires
        if fired is not None:
            assert fired.time - onset == found.delay


def test_a_service_that_vanishes_is_found_whole(mutation) -> None:
    (found,) = (mutation.trial(LOST, "cart", onset) for onset in mutation.onsets)
    assert found.size == 1.0
    assert all("cart" in series for series in found.series)


def test_a_fault_that_was_always_there_is_harder_to_find(good, mutation) -> None:
    whole = Mutation(good, onsets=0)
    assert whole.onsets == [WHOLE_RUN]
    found = whole.trial(ERRORS, "pricing", WHOLE_RUN)
    assert found.size is not None
    assert 0 < found.delay < 1200
    late = whole.trial(LATENCY, "pricing", WHOLE_RUN)
    (onset,) = mutation.onsets
    assert late.size is None or late.size >= mutation.trial(LATENCY, "pricing", onset).size


def test_a_kind_without_series_is_named_and_fan_out_of_those_that_call_nobody_is_not(
    mutation,
) -> None:
    assert set(mutation.without()) == {(LEAK, service) for service in SERVICES}
    tried = set(mutation.pairs())
    assert (FaultKind.FAN_OUT, "gateway") in tried
    assert (FaultKind.FAN_OUT, "pricing") not in tried
    assert len(mutation.waiting()) == len(tried) * len(mutation.onsets)


def test_onsets_spread_evenly_over_what_is_judged(good) -> None:
    onsets = Mutation(good, onsets=3).onsets
    assert onsets == sorted(set(onsets))
    steps = [b - a for a, b in pairwise(onsets)]
    assert len(onsets) == 3
    assert max(steps) - min(steps) <= STEP


@pytest.mark.parametrize(
    ("recording", "sentence"),
    [
        (
            slower(run(2, minutes=MINUTES), "cart", 3.0, after=240),
            "is no good run, its verdict is fail",
        ),
        (run(2, minutes=1), "no window of it can be judged"),
    ],
)
def test_a_run_that_is_not_good_cannot_be_mutated(reference, recording, sentence) -> None:
    with pytest.raises(RecordingError, match=sentence):
        Mutation(of_recording("bad.csv", recording, reference, EDGES, 0.01), onsets=1)


def trial(kind: FaultKind, service: str, size: float | None, delay: float = 60.0) -> Trial:
    missed = Outcome.PASS if size is None else None
    return Trial("r", kind, service, 0.0, size, math.nan if size is None else delay, (), "", missed)


def test_blind_spots_come_first_and_the_best_seen_last() -> None:
    made = [
        trial(LATENCY, "a", 0.2), trial(LATENCY, "a", 0.4, 120.0),
        trial(LATENCY, "b", 0.8), trial(LATENCY, "b", 0.8),
        trial(ERRORS, "a", 0.02), trial(ERRORS, "a", None),
        trial(ERRORS, "b", None), trial(ERRORS, "b", None),
    ]  # fmt: skip
    found = sights(made, [(LEAK, "a"), (LATENCY, "a")])
    assert [(one.kind, one.service) for one in found] == [
        (ERRORS, "b"), (LEAK, "a"), (ERRORS, "a"), (LATENCY, "b"), (LATENCY, "a"),
    ]  # fmt: skip
    assert [one.blind for one in found] == [True, True, True, False, False]
    last = found[-1]
    assert (last.always, last.once, last.delay, last.trials) == (0.4, 0.2, 90.0, 2)
    assert found[0].outcomes == (Outcome.PASS, Outcome.PASS)


def test_recall_counts_what_was_found_at_a_size_or_below_it() -> None:
    made = [trial(LATENCY, service, size) for service, size in zip("abc", (0.2, 0.8, None))]  # noqa: B905
    found = {one.size: (one.found, one.trials) for one in recalls(made)}
    assert found == {
        0.05: (0, 3), 0.1: (0, 3), 0.2: (1, 3), 0.4: (1, 3), 0.8: (2, 3), 1.6: (2, 3),
    }  # fmt: skip
    low, high = recalls(made)[-1].interval
    assert 0.2 < low < 2 / 3 < high < 0.95


def test_what_was_recorded_of_a_run_is_mutated_as_its_csv_is(reference, mutation) -> None:
    recorded = of_csv(run(2, minutes=MINUTES), reference, EDGES)
    other = Mutation(of_bundle("good.csv", recorded), onsets=1)
    assert (other.onsets, other.pairs()) == (mutation.onsets, mutation.pairs())
    (onset,) = mutation.onsets
    for kind in (ERRORS, LOST):
        assert other.trial(kind, "cart", onset) == mutation.trial(kind, "cart", onset)
