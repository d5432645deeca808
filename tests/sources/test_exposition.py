from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from anomalyd.model import Labels
from anomalyd.signals.table import SeriesTable
from anomalyd.sources.exposition import Exposition

NOW = 1_700_000_000.0
Read = dict[Labels, tuple[float, float]]


def parse(body: str, openmetrics: bool = False, times: int = 1, **labels: str) -> Read:
    """Labels to (timestamp, value); `times` > 1 reads known series, by the fast path."""
    table = SeriesTable(1000)
    exposition = Exposition(table, labels)
    for _ in range(times):
        parsed = exposition.parse(body.encode(), NOW, openmetrics=openmetrics)
    assert parsed.bad_lines == 0
    samples = parsed.samples
    return {
        table.labels[row]: (time, value)
        for row, time, value in zip(samples.rows, samples.timestamps, samples.values, strict=True)
    }


def twin(families) -> Read:
    """The same by prometheus_client's own parser."""
    return {
        Labels.of({**sample.labels, "__name__": sample.name}): (
            NOW if sample.timestamp is None else float(sample.timestamp),
            sample.value,
        )
        for family in families
        for sample in family.samples
    }


def same(ours: Read, theirs: Read) -> bool:
    def shown(read: Read):
        return {labels: (round(t, 3), repr(float(v))) for labels, (t, v) in read.items()}

    return shown(ours) == shown(theirs)


names = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)
label_values = st.text(
    st.characters(
        exclude_categories=["Cs"], exclude_characters="\r\x85\u2028\u2029\x0b\x0c\x1c\x1d\x1e"
    ),
    max_size=12,
)
values = st.floats(allow_nan=True, allow_infinity=True, width=64)
timestamps = st.none() | st.integers(0, 1_700_000_500).map(float)


@st.composite
def families(draw) -> list[Metric]:
    """Gauge families with any labels, values and timestamps."""
    made = []
    for name in draw(st.lists(names, min_size=1, max_size=4, unique=True)):
        metric = Metric(
            f"m_{name}", draw(st.sampled_from(["", 'help "with" \\ and\nline'])), "gauge"
        )
        keys = draw(st.lists(names.map("l_{}".format), max_size=3, unique=True))
        rows = st.tuples(*[label_values for _ in keys])
        for row in draw(st.lists(rows, min_size=1, max_size=4, unique=True)):
            labels = dict(zip(keys, row, strict=True))
            metric.add_sample(metric.name, labels, draw(values), draw(timestamps))
        made.append(metric)
    return made


class Made:
    """A registry's collector of ready families."""

    def __init__(self, made: list[Metric]) -> None:
        self.made = made

    def collect(self):
        return self.made


def registry(made: list[Metric]) -> CollectorRegistry:
    holder = CollectorRegistry()
    holder.register(Made(made))
    return holder


@given(families(), st.integers(1, 2))
def test_text_reads_as_prometheus_client_reads_it(made, times):
    body = generate_latest(registry(made)).decode()
    assert same(parse(body, times=times), twin(read_text(body)))


@given(families(), st.integers(1, 2))
def test_openmetrics_reads_as_prometheus_client_reads_it(made, times):
    body = generate_openmetrics(registry(made)).decode()
    assert same(parse(body, openmetrics=True, times=times), twin(read_openmetrics(body)))


def test_a_real_exporter_with_exemplars_and_created_lines():
    holder = CollectorRegistry()
    Counter("requests", "All of them.", ["code"], registry=holder).labels("200").inc(
        7, {"trace_id": "a # b"}
    )
    Histogram("latency_seconds", "", registry=holder).observe(0.3, {"trace_id": "abc"})
    body = generate_openmetrics(holder).decode()
    assert " # {" in body
    assert "_created" in body
    for times in (1, 2):
        assert same(parse(body, openmetrics=True, times=times), twin(read_openmetrics(body)))


@pytest.mark.parametrize(
    ("line", "labels", "value"),
    [
        ("up 1", {}, 1),
        ("up{} 1", {}, 1),
        ("  up   1  ", {}, 1),
        ("up\t1", {}, 1),
        ("up 1\r", {}, 1),
        ('up{a="b"}1', {"a": "b"}, 1),
        ('up {a="b",} 1e3', {"a": "b"}, 1000),
        ('up{ a = "b" , c = "d e" } -Inf', {"a": "b", "c": "d e"}, -math.inf),
        ('up{a="{}\\"\\\\,\\n x"} +Inf', {"a": '{}"\\,\n x'}, math.inf),
        ('up{a="# no comment"} 3', {"a": "# no comment"}, 3),
        ('up{a=""} 3', {}, 3),
        ('up{a="ü€"} 3', {"a": "ü€"}, 3),
    ],
)
@pytest.mark.parametrize("times", [1, 2])
def test_a_line_however_it_is_spaced_and_quoted(line, labels, value, times):
    wanted = Labels.of({**labels, "__name__": "up"})
    assert parse(line, times=times) == {wanted: (NOW, value)}


def test_timestamps_are_milliseconds_in_text_and_seconds_in_openmetrics():
    up = Labels.of({"__name__": "up"})
    assert parse("up 1 1699999999500") == {up: (1699999999.5, 1.0)}
    assert parse("up 1 1699999999.5", openmetrics=True) == {up: (1699999999.5, 1.0)}


@pytest.mark.parametrize(
    "line",
    [
        "up",
        "up one",
        "up1",
        '{a="b"} 1',
        'up{a="b" 1',
        "up{a=b} 1",
        'up{a="b" c="d"} 1',
        'up{a="b",a="c"} 1',
        "up{,} 1",
        'up{a="b"} 1 soon',
        "up 1 2 3",
        "<html>",
        "9up 1",
        "up 1 1800000000000",
    ],
)
def test_a_line_that_is_no_sample_is_counted_and_the_rest_kept(line):
    table = SeriesTable(10)
    exposition = Exposition(table, {})
    for _ in range(2):
        parsed = exposition.parse(f"before 1\n{line}\nafter 2\n".encode(), NOW)
        assert parsed.bad_lines == 1
        assert parsed.samples.values.tolist() == [1, 2]


def test_bytes_that_are_not_utf8_are_a_bad_line():
    parsed = Exposition(SeriesTable(10), {}).parse(b'up{a="\xff"} 1\nup 1', NOW)
    assert (parsed.bad_lines, len(parsed.samples.rows)) == (1, 1)


def test_target_labels_win_and_the_exporters_own_are_kept_as_exported():
    read = parse('up{job="own",exported_job="older",x="y"} 1', job="mine")
    [labels] = read
    assert dict(labels) == {
        "__name__": "up",
        "job": "mine",
        "exported_job": "older",
        "exported_exported_job": "own",
        "x": "y",
    }


def test_series_over_the_limit_are_refused_and_the_others_kept():
    table = SeriesTable(2)
    exposition = Exposition(table, {})
    for values in ([1, 2], [5, 6]):
        body = "".join(f"m{i} {value}\n" for i, value in enumerate([*values, 9]))
        parsed = exposition.parse(body.encode(), NOW)
        assert parsed.samples.values.tolist() == values
        assert (parsed.refused, parsed.bad_lines) == (1, 0)
    assert table.refused == 1


def test_names_of_vanished_series_are_forgotten_while_their_rows_stay():
    table = SeriesTable(10_000)
    exposition = Exposition(table, {})
    for generation in range(8):
        body = "".join(f'm{{id="{generation}-{i}"}} 1\n' for i in range(500)) + "stays 1\n"
        exposition.parse(body.encode(), NOW)
    assert len(exposition._rows) < 2100
    before = len(table)
    exposition.parse(b"stays 2\n", NOW)
    assert len(table) == before


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_no_body_breaks_the_parser(first, second):
    exposition = Exposition(SeriesTable(100), {"job": "x"})
    for body in (first, second, b'up{a="' + first + b'"} 1\n' + second):
        parsed = exposition.parse(body, NOW)
        assert len(parsed.samples.rows) + parsed.bad_lines <= body.count(b"\n") + 1
