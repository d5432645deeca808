"""What the store keeps is there after it was closed and opened again."""

from __future__ import annotations

import math
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from hypothesis import HealthCheck, given, settings

from anomalyd import codec
from anomalyd.model import Enrichment, Matcher, Outcome, RunState
from anomalyd.runs.database import Database
from anomalyd.runs.schema import MIGRATIONS
from anomalyd.runs.silences import Silence
from anomalyd.runs.store import Store, StoreError
from tests.runs import samples, strategies


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "anomalyd.db"


@pytest.fixture
def store(path):
    with Store.open(path) as opened:
        yield opened


def reopened(store: Store, path) -> Store:
    store.close()
    return Store.open(path)


def test_a_run_is_there_after_a_restart(store, path):
    run = samples.run(labels=samples.Labels.of({"team": "shop"}), selector="a", active_at=1060.0)
    store.save_run(run)
    with reopened(store, path) as again:
        assert again.run("r1") == run
        assert again.unfinished_runs() == [run]


def test_a_run_that_finished_is_no_longer_unfinished(store):
    store.save_run(samples.run("r1"))
    store.save_run(samples.run("r2", started_at=1500.0))
    store.save_run(samples.finished("r1"))
    assert [run.id for run in store.unfinished_runs()] == ["r2"]
    assert [run.id for run in store.runs()] == ["r2", "r1"]
    assert [run.id for run in store.runs(limit=1)] == ["r2"]


def test_an_unknown_run_has_nothing(store):
    assert store.run("r9") is None
    assert store.verdict("r9") is None
    assert store.report_dir("r9") is None
    assert store.incidents("r9") == []


def test_notes_belong_to_the_run_and_survive_its_next_state(store, path):
    store.save_run(samples.run())
    store.add_note("r1", "cache was cold", now=1010.0)
    store.save_run(samples.run(state=RunState.SETTLING))
    store.add_note("r1", "and warmed up", now=1020.0)
    with reopened(store, path) as again:
        found = again.run("r1")
        assert found is not None
        assert found.state is RunState.SETTLING
        assert found.notes == ("cache was cold", "and warmed up")


def test_an_incident_that_is_saved_again_is_replaced(store, path):
    store.save_incidents([samples.incident("i1"), samples.incident("i2", started_at=1050.0)])
    store.save_incident(samples.incident("i1", ended_at=1200.0))
    with reopened(store, path) as again:
        found = [(incident.id, incident.open) for incident in again.incidents("r1")]
        assert found == [("i2", True), ("i1", False)]
        assert again.incidents("r2") == []


def test_incidents_of_the_first_version_s_database_are_there(tmp_path):
    path = tmp_path / "first.db"
    Database(path, migrations=MIGRATIONS[:1]).close()
    with closing(sqlite3.connect(path)) as first, first:
        body = codec.dumps(samples.incident("i1"))
        first.execute("INSERT INTO incidents VALUES ('r1', 'i1', 1, 1000.0, ?)", (body,))
    with Store.open(path) as store:
        assert store.incidents("r1") == [samples.incident("i1")]
        store.save_incident(samples.incident("i1", ended_at=1200.0))
        assert [incident.open for incident in store.incidents("r1")] == [False]


def test_a_verdict_brings_its_run_and_incidents_with_it(store, path, tmp_path):
    verdict = samples.verdict(incidents=(samples.incident(ended_at=1200.0),))
    store.save_run(samples.run())
    store.save_incident(samples.incident())
    store.save_verdict(samples.finished(), verdict, 2000.0, tmp_path / "reports" / "r1")
    with reopened(store, path) as again:
        found = again.verdict("r1")
        assert repr(found) == repr(verdict)
        assert again.outcome("r1") is Outcome.FAIL
        assert again.outcome("r2") is None
        assert again.report_dir("r1") == tmp_path / "reports" / "r1"
        assert again.unfinished_runs() == []
        assert not any(incident.open for incident in again.incidents())


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(strategies.incidents)
def test_any_incident_comes_back_as_it_was(store, incident):
    store.save_incident(incident)
    assert repr(incident) in map(repr, store.incidents(incident.run_id))


def test_a_start_that_is_not_known_is_kept_and_sorts_first(store):
    store.save_incident(samples.incident("i1"))
    store.save_incident(samples.incident("i2", started_at=math.nan))
    assert [incident.id for incident in store.incidents()] == ["i2", "i1"]
    assert math.isnan(store.incidents()[0].started_at)


def silence(until: float = 5000.0, signal_name: str = "latency") -> Silence:
    match = (Matcher("service", "=", "cart"),)
    return Silence.new(signal=signal_name, match=match, reason="known", until=until, now=1000.0)


def test_silences_end_by_time_or_by_hand(store, path):
    early, late = silence(until=2000.0), silence(until=5000.0)
    store.add_silence(late)
    store.add_silence(early)
    assert store.silences(1000.0) == [early, late]
    assert store.silences(2000.0) == [late]
    with reopened(store, path) as again:
        assert again.delete_silence(late.id) is True
        assert again.delete_silence(late.id) is False
        assert again.silences(2000.0) == []


def test_the_same_silence_twice_is_one(store):
    store.add_silence(silence())
    store.add_silence(silence())
    assert len(store.silences(0.0)) == 1
    assert silence().id != silence(signal_name="errors").id


def test_each_sink_remembers_for_itself(store, path):
    grafana, other = store.memory("grafana"), store.memory("webhook")
    grafana.put("run/r1", "17")
    grafana.put("incident/i2", "19")
    grafana.put("incident/i1", "18")
    other.put("run/r1", "x")
    grafana.put("run/r1", "20")
    with reopened(store, path) as again:
        memory = again.memory("grafana")
        assert memory.get("run/r1") == "20"
        assert memory.get("run/r2") is None
        assert memory.items("incident/") == [("incident/i1", "18"), ("incident/i2", "19")]
        memory.delete("incident/i1")
        memory.delete("incident/i1")
        assert memory.items("incident/") == [("incident/i2", "19")]
        assert again.memory("webhook").items("") == [("run/r1", "x")]


def test_pruning_takes_old_runs_with_all_that_is_theirs(store, path):
    reports = path.parent / "reports"
    for run_id, at in (("old", 2000.0), ("new", 9000.0)):
        directory = reports / run_id
        directory.mkdir(parents=True)
        (directory / "report.json").write_text("{}")
        store.save_verdict(samples.finished(run_id, at), samples.verdict(run_id), at, directory)
        store.save_incident(samples.incident("i1", run_id))
        store.add_note(run_id, "a note", at)
        store.save_enrichment(Enrichment(run_id, "i1", at))
    store.save_run(samples.run("under-way", started_at=10.0))
    assert store.prune(now=10_000.0, age=5000.0) == ["old"]
    assert [run.id for run in store.runs()] == ["new", "under-way"]
    assert store.verdict("old") is None
    assert store.incidents("old") == []
    assert len(store.incidents("new")) == 1
    assert [one.run_id for one in store.enrichments()] == ["new"]
    assert [directory.name for directory in reports.iterdir()] == ["new"]
    store.save_run(samples.run("old"))
    found = store.run("old")
    assert found is not None
    assert found.notes == ()


def test_pruning_leaves_reports_that_were_written_elsewhere(store, tmp_path):
    elsewhere = tmp_path / "mine"
    elsewhere.mkdir()
    store.save_verdict(samples.finished(), samples.verdict(), 2000.0, elsewhere)
    assert store.prune(now=10_000.0, age=10.0) == ["r1"]
    assert elsewhere.is_dir()


def test_pruning_goes_on_where_reports_are_gone_already(store, path):
    gone = path.parent / "reports" / "r1"
    store.save_verdict(samples.finished(), samples.verdict(), 2000.0, gone)
    assert store.prune(now=10_000.0, age=10.0) == ["r1"]


def test_a_run_whose_reports_cannot_be_deleted_stays(store, path, caplog):
    not_a_directory = path.parent / "reports"
    not_a_directory.write_text("")
    store.save_verdict(samples.finished(), samples.verdict(), 2000.0, not_a_directory)
    assert store.prune(now=10_000.0, age=10.0) == []
    assert store.run("r1") is not None
    assert "cannot be deleted" in caplog.text


def test_pruning_takes_silences_that_ended(store):
    store.add_silence(silence(until=2000.0))
    store.prune(now=3000.0, age=10.0)
    assert store.silences(0.0) == []


def test_a_second_daemon_on_the_same_state_is_refused_until_the_first_is_gone(path):
    with Store.open(path, exclusive=True):
        with Store.open(path) as reader:
            assert reader.runs() == []
        with pytest.raises(StoreError, match="in use by another anomalyd; stop it or set another"):
            Store.open(path, exclusive=True)
    Store.open(path, exclusive=True).close()


def test_a_body_that_cannot_be_read_is_named(store, path):
    store.save_run(samples.run())
    store._database._connection.execute("UPDATE runs SET body = '{}'")
    with pytest.raises(StoreError, match=r"has a row in runs that cannot be read \(id: is requi"):
        store.run("r1")


WRITER = """
import sys
from pathlib import Path
from anomalyd.runs.store import Store
from tests.runs import samples
store = Store.open(Path(sys.argv[1]), exclusive=True)
number = 0
while True:
    number += 1
    store.save_run(samples.run(f"r{number}", started_at=float(number)))
    store.save_incident(samples.incident("i1", f"r{number}"))
    store.memory("grafana").put(f"run/r{number}", str(number))
    print(number, flush=True)
"""


def test_kill_9_loses_nothing_that_was_saved(path):
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=os.getcwd(),
        env=os.environ | {"PYTHONPATH": os.getcwd()},
    )
    with writer:
        assert writer.stdout is not None
        said = [int(writer.stdout.readline()) for _ in range(50)]
        os.kill(writer.pid, signal.SIGKILL)
        said += [int(line) for line in writer.stdout if line.endswith("\n")]
    assert writer.returncode == -signal.SIGKILL
    with Store.open(path, exclusive=True) as again:
        runs = {run.id for run in again.unfinished_runs()}
        incidents = {incident.run_id for incident in again.incidents()}
        assert {f"r{number}" for number in said} <= runs
        assert {f"r{number}" for number in said} <= incidents
        assert all(again.memory("grafana").get(f"run/r{n}") == str(n) for n in said)
