"""Which runs may be accepted, and what becomes of them."""

from __future__ import annotations

import pytest

from anomalyd.model import Outcome
from anomalyd.runs.acceptance import NotAcceptable, accept, undo
from anomalyd.runs.life import UnknownRun
from anomalyd.runs.store import Store
from tests.runs import samples


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "anomalyd.db") as opened:
        yield opened


def finished(store: Store, outcome: Outcome, run_id: str = "r1") -> None:
    store.save_verdict(
        samples.finished(run_id), samples.verdict(run_id, outcome=outcome), now=2000.0
    )
    (store.directory / "recordings" / run_id).mkdir(parents=True)


@pytest.mark.parametrize("outcome", [Outcome.PASS, Outcome.INCONCLUSIVE])
def test_a_run_that_did_not_fail_is_accepted_until_that_is_undone(store, tmp_path, outcome):
    finished(store, outcome)
    assert accept(store, "r1", 2100.0, "the new cache").notes == ("the new cache",)
    store.close()
    with Store.open(tmp_path / "anomalyd.db") as again:
        assert again.accepted() == ["r1"]
        assert undo(again, "r1").id == undo(again, "r1").id == "r1"
        assert again.accepted() == []


def test_a_run_that_failed_is_accepted_by_force_alone(store):
    finished(store, Outcome.FAIL)
    with pytest.raises(NotAcceptable, match="--force"):
        accept(store, "r1", 2100.0)
    assert store.accepted() == []
    accept(store, "r1", 2100.0, force=True)
    assert store.accepted() == ["r1"]


def test_runs_are_accepted_in_order_and_once(store):
    for at, run_id in enumerate(("b", "a", "b")):
        if at < 2:
            finished(store, Outcome.PASS, run_id)
        accept(store, run_id, 2100.0 + at)
    assert store.accepted() == ["b", "a"]


def test_a_run_without_a_verdict_is_not_accepted(store):
    store.save_run(samples.run())
    with pytest.raises(NotAcceptable, match="has no verdict yet"):
        accept(store, "r1", 2100.0, force=True)


def test_a_run_that_was_invalid_is_not_accepted(store):
    finished(store, Outcome.INVALID)
    with pytest.raises(NotAcceptable, match="the test itself was broken"):
        accept(store, "r1", 2100.0, force=True)


def test_a_run_without_a_recording_is_not_accepted(store):
    finished(store, Outcome.PASS)
    (store.directory / "recordings" / "r1").rmdir()
    with pytest.raises(NotAcceptable, match=r"limits\.recording_bytes"):
        accept(store, "r1", 2100.0)


def test_an_unknown_run_is_neither_accepted_nor_undone(store):
    for change in (lambda: accept(store, "r9", 2100.0), lambda: undo(store, "r9")):
        with pytest.raises(UnknownRun, match="there is no run r9"):
            change()


def test_retention_spares_a_run_until_it_is_accepted_no_longer(store):
    finished(store, Outcome.PASS)
    accept(store, "r1", 2100.0)
    assert store.prune(now=1e6, age=10.0) == []
    assert (store.directory / "recordings" / "r1").is_dir()
    undo(store, "r1")
    assert store.prune(now=1e6, age=10.0) == ["r1"]
    assert not (store.directory / "recordings" / "r1").exists()
