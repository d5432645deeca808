from __future__ import annotations

import numpy as np
import pytest

from anomalyd.model import Kind, Labels, Rate, Selector, Signal
from anomalyd.signals.table import SeriesTable, SignalTable

SIGNALS = (
    Signal("traffic", Kind.TRAFFIC, Rate(Selector("a"))),
    Signal("cpu", Kind.SATURATION, Rate(Selector("b"))),
)


def test_a_signal_series_has_one_row_with_key_labels_service_and_signal():
    table = SignalTable(SIGNALS, 10)
    cart = Labels.of({"service": "cart"})
    assert [table.row(0, cart), table.row(1, cart), table.row(0, Labels())] == [0, 1, 2]
    assert [table.row(0, cart), table.row(1, cart)] == [0, 1]
    assert table.keys == ['traffic{service="cart"}', 'cpu{service="cart"}', "traffic"]
    assert table.services == ["cart", "cart", ""]
    assert table.signal_index.tolist() == [0, 1, 0]
    assert [table.row_of(key) for key in table.keys] == [0, 1, 2]
    assert table.row_of("nothing") == -1


def test_rows_and_their_signals_stay_as_the_table_grows():
    table = SignalTable(SIGNALS, 100_000)
    for number in range(3000):
        assert table.row(number % 2, Labels.of({"service": f"s{number}"})) == number
    assert np.array_equal(table.signal_index, np.arange(3000) % 2)


def test_over_the_limit_a_signal_series_is_refused_counted_and_told_once(caplog):
    table = SignalTable(SIGNALS, 1)
    assert table.row(0, Labels.of({"service": "a"})) == 0
    assert table.row(0, Labels.of({"service": "b"})) == -1
    assert table.row(1, Labels.of({"service": "a"})) == -1
    assert table.row(0, Labels.of({"service": "a"})) == 0
    assert (table.refused, len(table)) == (2, 1)
    assert [r.message for r in caplog.records] == [
        "limits.series (1) is reached: further series are refused; raise it"
    ]


def test_a_raw_series_is_parsed_once():
    parsed = []

    def parse(key: bytes) -> Labels:
        parsed.append(key)
        return Labels.of({"key": key.decode()})

    table = SeriesTable(10)
    assert [table.row(key, parse) for key in (b"a", b"b", b"a", b"b")] == [0, 1, 0, 1]
    assert parsed == [b"a", b"b"]
    assert table.labels == [Labels.of({"key": "a"}), Labels.of({"key": "b"})]


def test_a_key_that_does_not_parse_leaves_nothing():
    def fail(_: bytes) -> Labels:
        raise ValueError("no labels")

    table = SeriesTable(10)
    with pytest.raises(ValueError, match="no labels"):
        table.row(b"x", fail)
    assert len(table) == len(table.rows) == 0


@pytest.mark.parametrize(
    ("limits", "setting"), [((1, 10), "limits.raw_series"), ((5, 2), "limits.label_bytes")]
)
def test_over_a_limit_a_raw_series_is_refused_unparsed(limits, setting, caplog):
    table = SeriesTable(*limits)
    assert table.row(b"a", lambda _: Labels()) == 0
    for _ in range(2):
        assert table.row(b"long", pytest.fail) == -1
    assert (table.refused, len(table)) == (2, 1)
    assert [r.message.split(" ")[0] for r in caplog.records] == [setting]
