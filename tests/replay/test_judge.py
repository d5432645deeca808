"""A recorded run judged: what is learned before it, from it, and what its verdict is made of."""

from __future__ import annotations

import numpy as np
import pytest

from anomalyd.model import Outcome
from anomalyd.replay.infer import columns
from anomalyd.replay.judge import FIRST_WARMUPS, WARMUP, judge, learn
from anomalyd.replay.production import fit_production
from anomalyd.replay.recording import Recording
from tests.replay.system import CALLS, CAPACITY, STEP, production, recorded, run, slower

EDGES = {caller: [callee] for caller, callee in CALLS}
MINUTES = 15.0


@pytest.fixture(scope="module")
def fitted():
    """Columns and baseline of two hours of production."""
    history = production(hours=2.0)
    found = columns(history.headers, EDGES)
    return found, fit_production(history, found, STEP)


@pytest.fixture(scope="module")
def alone(fitted):
    """The reference without an accepted run."""
    return learn(*fitted, STEP, [], EDGES)


@pytest.fixture(scope="module")
def taught(fitted):
    """The reference with one."""
    return learn(*fitted, STEP, [run(3, MINUTES)], EDGES)


def without(recording: Recording, since: int, until: int) -> Recording:
    """The same without the samples of those numbers."""
    kept = np.r_[0:since, until : len(recording.times)]
    return Recording(recording.times[kept], recording.headers, recording.values[kept])


def test_without_accepted_runs_the_run_tells_its_own_capacity(alone):
    assert (alone.capacity, alone.transfer) == (None, None)
    judged = judge(alone, run(5, MINUTES), EDGES)
    assert judged.capacity == pytest.approx(CAPACITY, rel=0.25)
    assert judged.verdict.reference == "production"
    assert judged.verdict.outcome is not Outcome.FAIL


def test_accepted_runs_tell_the_capacity_of_the_next(taught):
    assert taught.capacity == pytest.approx(CAPACITY, rel=0.25)
    judged = judge(taught, run(5, MINUTES), EDGES)
    assert judged.capacity == taught.capacity
    assert judged.run.active_at == judged.run.started_at + WARMUP
    assert judged.verdict.reference == "accepted-runs"
    assert judged.verdict.outcome is not Outcome.FAIL


def test_windows_without_a_sample_are_windows_in_which_nothing_is_judged(taught):
    whole, gap = run(5, MINUTES), slice(24, 34)
    judged = judge(taught, without(whole, gap.start, gap.stop), EDGES)
    record = judged.course.record
    np.testing.assert_allclose(np.diff(record.times), STEP)
    assert len(record.times) == len(whole.times)
    assert not any(record.judged[gap])
    assert all(record.judged[gap.stop + 5 :])
    assert any(
        entry.kind == "no-data" and entry.end - entry.start == pytest.approx(10 * STEP)
        for entry in judged.verdict.integrity
    ), judged.verdict.integrity


@pytest.mark.parametrize(
    ("ramp_minutes", "least", "most"),
    [(0.0, FIRST_WARMUPS[0], FIRST_WARMUPS[0]), (2.0, 180.0, 240.0), (9.0, 300.0, 300.0)],
)
def test_a_first_run_is_judged_once_its_load_has_settled(alone, ramp_minutes, least, most):
    rng, count = np.random.default_rng(6), round(MINUTES * 60 / STEP)
    rise = np.minimum(1.0, (np.arange(count) + 1) * STEP / max(ramp_minutes * 60, STEP))
    offered = np.round(40 * CAPACITY * rise, 3)
    ramp = recorded(rng, offered, CAPACITY, 0.0)
    ramp.values[:, ramp.headers.index(alone.columns.load[0])] = offered
    judged = judge(alone, ramp, EDGES)
    assert judged.run.active_at is not None
    assert least <= judged.run.active_at - judged.run.started_at <= most


def test_edges_lead_from_those_that_wait_to_the_one_that_is_slow(taught):
    bad = run(5, MINUTES)
    for service in ("gateway", "cart", "pricing"):
        bad = slower(bad, service, 3.0, after=420.0)
    (incident,) = judge(taught, bad, EDGES).verdict.incidents
    assert incident.suspects[0].service == "pricing"
    assert len(incident.anomalies) == 3
    unknown = judge(taught, bad, {}).verdict.incidents
    assert [one.suspects[0].service for one in unknown if one.suspects] != ["pricing"]


def test_a_verdict_is_causal(taught):
    """What fired, fired by what came before: the same run cut short fires at the same moment."""
    bad = slower(run(5, MINUTES), "pricing", 3.0, after=420.0)
    (whole,) = judge(taught, bad, EDGES).verdict.incidents
    (cut,) = judge(taught, without(bad, 45, len(bad.times)), EDGES).verdict.incidents
    assert cut.anomalies[0].fired_at == whole.anomalies[0].fired_at <= bad.times[44]
