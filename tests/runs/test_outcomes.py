"""What became of a release is kept with the number that it was given."""

from __future__ import annotations

import pytest

from anomalyd.model import Became, Risk
from anomalyd.runs import outcomes
from anomalyd.runs.life import UnknownRun
from anomalyd.runs.outcomes import NotRecordable
from anomalyd.runs.store import Store
from tests.runs import samples

RISK = Risk(40.0, ())


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "anomalyd.db") as opened:
        yield opened


def judged(store: Store, run_id: str = "r1", risk: Risk | None = RISK) -> None:
    store.save_verdict(samples.finished(run_id), samples.verdict(run_id, risk=risk), now=2000.0)


def test_an_outcome_is_kept_with_the_number_of_its_run(store, tmp_path):
    judged(store)
    done = outcomes.record(store, "r1", Became.INCIDENT, 3000.0, "the cache fell over")
    assert (done.score, done.decided_at, done.recorded_at) == (40.0, 2000.0, 3000.0)
    store.close()
    with Store.open(tmp_path / "anomalyd.db") as again:
        assert again.outcomes() == [done]
        assert outcomes.of(again, "r1") == done


def test_an_outcome_that_is_recorded_again_is_replaced_and_counts_from_then_on(store):
    judged(store)
    outcomes.record(store, "r1", Became.CLEAN, 3000.0)
    later = outcomes.record(store, "r1", Became.INCIDENT, 4000.0)
    assert store.outcomes() == [later]


def test_an_outcome_is_undone_and_that_is_idempotent(store):
    judged(store)
    done = outcomes.record(store, "r1", Became.CLEAN, 3000.0)
    assert outcomes.undo(store, "r1") == done
    assert outcomes.undo(store, "r1") is None
    assert store.outcomes() == []


def test_an_unknown_run_has_no_outcome_to_record_or_undo(store):
    for change in (
        lambda: outcomes.record(store, "r9", Became.CLEAN, 3000.0),
        lambda: outcomes.undo(store, "r9"),
    ):
        with pytest.raises(UnknownRun, match="there is no run r9"):
            change()


def test_a_run_without_a_verdict_has_no_outcome_yet(store):
    store.save_run(samples.run())
    with pytest.raises(NotRecordable, match="has no verdict yet"):
        outcomes.record(store, "r1", Became.CLEAN, 3000.0)


def test_a_run_of_an_older_version_has_no_number_to_calibrate(store):
    judged(store, risk=None)
    with pytest.raises(NotRecordable, match="worked out no risk"):
        outcomes.record(store, "r1", Became.CLEAN, 3000.0)


def test_the_number_is_read_without_the_verdict_and_is_the_calibrated_one_too(store):
    judged(store)
    judged(store, "r2", Risk(40.0, (), calibrated=True, calibrated_score=12.5))
    assert (store.risk("r1"), store.risk("r2"), store.risk("r9")) == (
        (40.0, None),
        (40.0, 12.5),
        None,
    )


def test_retention_takes_the_run_and_leaves_what_became_of_it(store):
    judged(store)
    done = outcomes.record(store, "r1", Became.CLEAN, 3000.0)
    assert store.prune(now=1e6, age=10.0) == ["r1"]
    assert (store.risk("r1"), store.outcomes()) == (None, [done])
    assert outcomes.undo(store, "r1") == done
