from __future__ import annotations

import numpy as np
import pytest

from anomalyd.judgement.board import Board
from anomalyd.judgement.silences import Silence
from anomalyd.model import Batch, Labels, Matcher
from anomalyd.signals.table import SignalTable
from tests.judgement.world import SIGNALS

NAN = float("nan")
NAMES = frozenset(s.name for s in SIGNALS)


class Desk:
    """A board over series named as `signal service` or `signal service run`."""

    def __init__(self, *series: str, label: str | None = None) -> None:
        self.table, self.label = SignalTable(SIGNALS, 100), label
        self.board = Board(self.table, label)
        self.rows = {name: self.row(name) for name in series}
        self.board.grown()

    def row(self, name: str) -> int:
        signal, service, run = [*name.split(" "), "", ""][:3]
        pairs = {"service": service} | ({self.label: run} if self.label else {})
        return self.table.add(signal, Labels.of(pairs))

    def lay(self, answered: frozenset[str] = NAMES, **absent: float) -> Board:
        """Everything has the value 1 but what is named (spaces as `_`)."""
        missing = {name.replace("__", " ") for name in absent}
        there = [row for name, row in self.rows.items() if name not in missing]
        ones = np.ones(len(there))
        self.board.lay(Batch(30.0, np.array(there, dtype=np.intp), ones, ones, answered))
        return self.board

    def counted(self, **absent: float) -> set[str]:
        """Names whose absence would count."""
        mask = self.lay(**absent).answered()
        return {name for name, row in self.rows.items() if mask[row]}


@pytest.mark.parametrize(
    ("rows", "once"),
    [
        ([], True),
        ([4], True),
        ([1, 2, 7], True),
        ([7, 1, 2], True),
        ([1, 1], False),
        ([1, 2, 1], False),
    ],
)
def test_a_batch_has_every_row_once_in_any_order(rows, once):
    values = np.ones(len(rows))
    if once:
        Batch(30.0, np.array(rows, dtype=np.intp), values, values, NAMES)
        return
    with pytest.raises(ValueError, match="unique"):
        Batch(30.0, np.array(rows, dtype=np.intp), values, values, NAMES)


def test_it_grows_with_the_table_and_only_then():
    desk = Desk("cpu a", "load")
    assert desk.board.grown() is False
    desk.row("cpu b")
    assert desk.board.grown() is True
    assert len(desk.board) == 3
    assert desk.board.is_load.tolist() == [False, True, False]


def test_the_same_labels_are_the_same_row():
    desk = Desk("cpu a", "cpu a")
    assert len(desk.board) == 1


def test_what_did_not_arrive_is_absent_not_old():
    desk = Desk("cpu a", "cpu b")
    desk.lay()
    board = desk.lay(cpu__a=NAN)
    np.testing.assert_array_equal(board.observed, [NAN, 1.0])
    np.testing.assert_array_equal(board.counts, [NAN, 1.0])


def test_rows_and_loads_belong_to_runs_by_label():
    desk = Desk("load  x", "load  y", "cpu a x", "cpu a y", "cpu a", label="testid")
    board = desk.lay()
    board.observed[:2] = [10.0, 30.0]
    assert board.rows_of("x").tolist() == [0, 2]
    assert board.rows_of("nobody").tolist() == []
    assert board.rows_of("").tolist() == [0, 1, 2, 3, 4]
    loads = board.loads(capacity=2.0)
    assert loads == {"x": 5.0, "y": 15.0}
    np.testing.assert_array_equal(board.spread(loads), [5, 15, 5, 15, NAN])


def test_without_a_run_label_everything_is_of_the_one_run():
    desk = Desk("cpu a", "load")
    assert desk.lay().rows_of("whatever").tolist() == [0, 1]
    assert desk.board.loads(1.0) == {"": 1.0}


@pytest.mark.parametrize(
    ("absent", "expected"),
    [
        (["cpu a"], {"cpu a"}),  # a gauge or rate that stopped
        (["latency_p95 a"], set()),  # a quantile of no requests
        (["cpu a", "cpu b"], set()),  # an exporter that stopped everywhere
        (["cpu a", "latency_p95 a"], {"cpu a", "latency_p95 a"}),  # a service that died
        (["memory a"], {"memory a"}),  # the only series of its signal
        (["cpu a", "cpu b", "latency_p95 a", "latency_p95 b", "memory a"], set()),  # all
    ],
)
def test_an_absence_counts_if_it_is_the_service_s(absent, expected):
    desk = Desk("cpu a", "cpu b", "latency_p95 a", "latency_p95 b")
    if "memory a" in absent:
        desk.rows["memory a"] = desk.row("memory a")
        desk.board.grown()
    named = {name.replace(" ", "__"): NAN for name in absent}
    assert desk.counted(**named) & set(absent) == expected


def test_what_silences_all_services_at_once_is_what_collects_them_though_the_load_goes_on():
    desk = Desk("cpu a", "cpu b", "load")
    assert desk.counted(cpu__a=NAN, cpu__b=NAN) == {"load"}
    assert desk.counted(cpu__a=NAN) >= {"cpu a"}


def test_the_only_service_there_is_is_absent_while_the_load_goes_on():
    assert Desk("cpu a", "load").counted(cpu__a=NAN) == {"cpu a", "load"}


def test_what_was_not_asked_is_not_absent():
    desk = Desk("cpu a", "cpu b")
    mask = desk.lay(NAMES - {"cpu"}, cpu__a=NAN).answered()
    assert not mask.any()
    assert desk.board.unanswered == ["cpu"]


def test_a_run_whose_series_all_ended_is_no_absence_though_another_goes_on():
    desk = Desk("cpu a x", "cpu b x", "cpu a y", "cpu b y", label="testid")
    assert "cpu a x" not in desk.counted(cpu__a__x=NAN, cpu__b__x=NAN)
    assert "cpu a x" in desk.counted(cpu__a__x=NAN)


@pytest.mark.parametrize(
    ("absent", "expected"),
    [
        ({}, []),
        ({"cpu__a": NAN}, []),
        ({"cpu__a": NAN, "cpu__b": NAN}, ["cpu"]),
        ({"memory__a": NAN}, []),
    ],
)
def test_signals_that_vanished_everywhere(absent, expected):
    desk = Desk("cpu a", "cpu b", "memory a")
    assert desk.lay(**absent).vanished(np.arange(3)) == expected


def test_silences_are_worked_out_anew_when_they_rows_or_the_time_change():
    desk = Desk("cpu a", "cpu b")
    board = desk.lay()
    a = Silence("cpu", (Matcher("service", "=", "a"),), "", 100.0)
    b = Silence("cpu", (Matcher("service", "=", "b"),), "", 200.0)
    assert board.quiet((), 0.0).tolist() == [False, False]
    assert board.quiet((a, b), 0.0).tolist() == [True, True]
    assert board.quiet((a, b), 100.0).tolist() == [False, True]
    assert board.quiet((a,), 99.0).tolist() == [True, False]
    desk.row("cpu c")
    board.grown()
    assert board.quiet((a,), 99.0).tolist() == [True, False, False]
    assert board.quiet((a, b), 200.0).tolist() == [False, False, False]
