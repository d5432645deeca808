"""A histogram that comes in both forms counts once, whichever of them comes or goes."""

from __future__ import annotations

import numpy as np
import pytest

from anomalyd.model import Kind, Labels, Rate, Samples, Selector, Signal
from anomalyd.signals.evaluate import Evaluator
from anomalyd.signals.identity import Canonical
from anomalyd.signals.native.twins import Twins
from anomalyd.signals.table import SeriesTable, SignalTable
from tests.signals.test_native_log import T, plain

TRAFFIC = Signal("traffic", Kind.TRAFFIC, Rate(Selector("x_count")))
KEY = 'traffic{service="a"}'


class Sender:
    """Pods of one service that each count one observation per second, in either form."""

    def __init__(self, classic: frozenset[str] = frozenset()) -> None:
        self.table, self.series = SignalTable([TRAFFIC], 10), SeriesTable(10_000)
        canonical = Canonical(["service"])
        self.evaluator = Evaluator(self.table, self.series, canonical, 30.0, classic=classic)

    def row(self, name: str, pod: int) -> int:
        labels = Labels.of({"__name__": name, "service": "a", "pod": str(pod)})
        return self.series.row(str(labels).encode(), lambda _: labels)

    def classic(self, pods: range, seconds: range) -> None:
        rows = np.array([self.row("x_count", pod) for pod in pods])
        for second in seconds:
            times = np.full(len(rows), T / 1000 + second)
            self.evaluator.take(Samples(rows, times, np.full(len(rows), float(second))))

    def native(self, pods: range) -> None:
        rows = [self.row("x", pod) for pod in pods]
        self.evaluator.take_histograms(plain(rows, [0] * len(rows)))

    def forget(self, name: str, pods: range) -> None:
        self.evaluator.forget(np.array([self.row(name, pod) for pod in pods]))

    def traffic(self, second: int) -> float | None:
        batch = self.evaluator.evaluate(T / 1000 + second)
        return dict(zip(batch.rows.tolist(), batch.values.tolist(), strict=True)).get(0)


@pytest.mark.parametrize("first", ["classic", "native"])
def test_of_many_pods_those_count_in_classic_form_whose_native_one_is_gone(first):
    sender, pods = Sender(), range(500)
    if first == "classic":
        sender.classic(pods, range(0, 5, 5))
    sender.native(pods)
    sender.classic(pods, range(5, 35, 5))
    assert sender.table.keys == [KEY]
    assert sender.traffic(30) is None
    sender.forget("x", range(200))
    sender.classic(pods, range(35, 65, 5))
    assert sender.traffic(60) == pytest.approx(200)


def test_a_native_form_that_was_passed_over_leaves_the_classic_one_as_it_is():
    sender = Sender(classic=frozenset({"x"}))
    sender.classic(range(1), range(0, 5, 5))
    sender.native(range(1))
    sender.forget("x", range(1))
    sender.classic(range(1), range(5, 35, 5))
    assert sender.traffic(30) == pytest.approx(1)


def test_a_row_that_was_another_series_before_anything_was_fed_counts_once():
    sender = Sender()
    sender.native(range(1))
    sender.forget("x", range(1))
    sender.classic(range(1), range(0, 35, 5))
    assert sender.traffic(30) == pytest.approx(1)


def test_nothing_is_known_of_classic_series_that_are_gone():
    sender = Sender()
    for generation in range(5):
        pods = range(10 * generation, 10 * generation + 10)
        sender.classic(pods, range(5))
        sender.native(pods)
        sender.forget("x_count", pods)
        sender.forget("x", pods)
    assert len(sender.evaluator._twins) == 0
    assert len(sender.series) == 0


def test_twins_are_the_series_whose_name_less_suffix_and_bound_is_the_native_one():
    names = ["x_bucket", "x_bucket", "x_count", "x_sum", "x_total", "y_count"]
    bounds = ["1", "2", "", "", "", ""]
    labels = [
        Labels.of({"__name__": name, "le": le, "pod": "1"})
        for name, le in zip(names, bounds, strict=True)
    ]
    twins, native = Twins(), Labels.of({"__name__": "x", "pod": "1"})
    for raw, one in enumerate(labels):
        twins.note(raw, one)
    assert twins.of([native], labels) == [0, 1, 2, 3]
    twins.forget(1, labels[1])
    twins.forget(1, labels[1])
    assert twins.of([native], labels) == [0, 2, 3]
    assert twins.of([Labels.of({"__name__": "x", "pod": "2"})], labels) == []
