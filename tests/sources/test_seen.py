"""What was pushed is remembered: names of metrics and of their labels, and how often they come."""

from __future__ import annotations

import logging

import pytest

from anomalyd.model import Labels
from anomalyd.sources.seen import FORGET_SECONDS, Seen


def labels(name: str, **more: str) -> Labels:
    return Labels.of({"__name__": name, **more})


def known(path, *names: str) -> Seen:
    return Seen(path, (set(names) or {"up", "requests_total"}).__contains__)


def test_what_was_seen_is_there_after_a_restart(tmp_path):
    seen = known(tmp_path / "pushed" / "staging.json")
    seen.add(labels("up", job="a"), 1.0)
    seen.add(labels("up", job="a", instance="b"), 2.0)
    seen.comes_every(15.0)
    assert seen.save_if_due(3.0)
    again = known(tmp_path / "pushed" / "staging.json")
    assert (again.metrics(), again.interval) == ({"up": {"job", "instance"}}, 15.0)


def test_only_what_is_wanted_now_counts(tmp_path):
    seen = known(tmp_path / "a.json")
    seen.add(labels("up"), 1.0)
    seen.save_if_due(1.0)
    assert known(tmp_path / "a.json", "requests_total").metrics() == {}


def test_a_metric_that_is_long_gone_is_forgotten_but_not_while_nothing_comes(tmp_path):
    seen = known(tmp_path / "a.json")
    seen.add(labels("up"), 0.0)
    seen.add(labels("requests_total"), 0.0)
    seen.still("up", FORGET_SECONDS - 1)
    assert seen.metrics().keys() == {"up", "requests_total"}
    seen.still("up", FORGET_SECONDS + 1)
    assert seen.metrics().keys() == {"up"}


def test_only_a_metric_or_a_label_that_is_new_is_a_change(tmp_path):
    seen = known(tmp_path / "a.json")
    for time in (1.0, 2.0):
        seen.add(labels("up"), time)
    assert seen.changed_at == 1.0
    seen.add(labels("up", job="a"), 3.0)
    seen.add(labels("up", job="b"), 4.0)
    assert seen.changed_at == 3.0


@pytest.mark.parametrize("text", ["", "{", '{"metrics": 3}', "\xff"])
def test_a_damaged_file_is_said_and_learned_again(tmp_path, caplog, text):
    path = tmp_path / "a.json"
    path.write_text(text, encoding="latin-1")
    assert known(path).metrics() == {}
    assert "learned again" in caplog.text


def test_a_disk_that_refuses_is_said_once(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    (tmp_path / "pushed").write_text("in the way")
    seen = known(tmp_path / "pushed" / "a.json")
    seen.add(labels("up"), 1.0)
    assert [seen.save_if_due(time) for time in (1.0, 2.0)] == [False, False]
    assert len(caplog.records) == 1
    (tmp_path / "pushed").unlink()
    assert seen.save_if_due(3.0)
