"""The shape of a run's traces beside production's, which outlives the daemon."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from anomalyd import config
from anomalyd.config import EnvironmentConfig, OtlpSpans
from anomalyd.keeping import Disk
from anomalyd.model import Environment, Labels, Reshaped, Run, RunState
from anomalyd.shaping import HALF_LIFE_SECONDS, KEEP_SECONDS, Shaping, read
from anomalyd.signals.identity import Canonical
from anomalyd.signals.table import SignalTable
from anomalyd.signals.traces.evaluate import SpanEvaluator
from anomalyd.sources.base import Side
from anomalyd.sources.combined import Combined
from anomalyd.sources.otlp.source import SpanSource
from tests.signals.naive_spans import START, Span, columns
from tests.signals.test_traces_changes import call

RUN = Run("r-1", "nightly", RunState.ACTIVE, float(START), selector="7")
OTHER = replace(RUN, id="r-2", selector="8")


class Environments:
    """Staging and production that are sent spans, and a daemon that may begin anew."""

    def __init__(self, state: Path) -> None:
        self._state, self._disk = state, Disk(state)
        self.begin_anew()

    def begin_anew(self) -> None:
        staging, self.staging = _source(Environment.STAGING)
        production, self.production = _source(Environment.PRODUCTION)
        self.shaping = Shaping(staging, self._state, self._disk, "run")
        self.shaping.follow(production)

    def told(self, run: Run) -> list[tuple[Reshaped, str, str]]:
        return [(one.kind, one.client, one.server) for one in self.shaping.end(run)]


def _source(name: Environment) -> tuple[Combined, SpanEvaluator]:
    evaluator = SpanEvaluator(
        SignalTable((), 10), Canonical(("service_name",), run_label="run"), 60.0, 5.0
    )
    side = Side(name, EnvironmentConfig(otlp=OtlpSpans()), None, {}, None)
    source = SpanSource(side, evaluator, OtlpSpans(), config.Otlp(), evaluator.store.shapes)
    return Combined(side, {"otlp": source}), evaluator


def send(
    evaluator: SpanEvaluator, calls: Callable[[int], Sequence[Span]], run: str = "", n: int = 100
) -> None:
    spans = [
        replace(one, trace=trace)
        for trace in range(1, n + 1)
        for one in (Span(1, service="gateway", operation="GET /"), *calls(trace))
    ]
    found = columns(spans)
    labelled = [Labels.of({**dict(labels), "run": run}) for labels in found.resources]
    evaluator.take(replace(found, resources=tuple(labelled)), START + 1.0)
    evaluator.evaluate(START + 30.0)


@pytest.fixture
def environments(tmp_path: Path) -> Environments:
    return Environments(tmp_path)


def test_a_run_s_traces_are_compared_and_those_of_another_run_are_not(
    environments: Environments,
) -> None:
    for run in (RUN, OTHER):
        environments.shaping.begin(run)
    send(environments.production, lambda n: call(2, "cart"))
    send(environments.staging, lambda n: call(2, "cart") + call(4, "pricing"), run="7")
    send(environments.staging, lambda n: call(2, "cart"), run="8")
    so_far = environments.shaping.so_far(RUN)
    assert environments.told(RUN) == [(Reshaped.NEW_EDGE, "gateway", "pricing")]
    assert [str(one) for one in so_far] == [
        "gateway → pricing is called, which production does not do: 100% (86.2% to 100%, of 100) "
        "of traces, in production 0% (0% to 13.8%, of 100)"
    ]
    assert environments.told(OTHER) == []


def test_what_staging_did_before_a_run_is_none_of_it(environments: Environments) -> None:
    send(environments.production, lambda n: call(2, "cart"))
    send(environments.staging, lambda n: call(4, "pricing"), run="7")
    environments.shaping.begin(RUN)
    send(environments.staging, lambda n: call(2, "cart"), run="7")
    assert environments.told(RUN) == []


def test_production_s_shape_outlives_the_daemon(environments: Environments) -> None:
    send(environments.production, lambda n: call(2, "cart"))
    environments.shaping.keep()
    environments.begin_anew()
    environments.shaping.begin(RUN)
    send(environments.staging, lambda n: call(4, "pricing"), run="7")
    assert environments.told(RUN) == [
        (Reshaped.MISSING_EDGE, "gateway", "cart"),
        (Reshaped.NEW_EDGE, "gateway", "pricing"),
    ]


def test_what_production_did_days_ago_counts_little(environments: Environments) -> None:
    send(environments.production, lambda n: call(2, "cart"))
    environments.shaping.keep_if_due(START)
    environments.shaping.keep_if_due(START + KEEP_SECONDS)
    environments.shaping.keep_if_due(START + KEEP_SECONDS + 10 * HALF_LIFE_SECONDS)
    environments.begin_anew()
    environments.shaping.begin(RUN)
    send(environments.production, lambda n: call(4, "pricing"))
    send(environments.staging, lambda n: call(4, "pricing"), run="7")
    assert environments.told(RUN) == []


@pytest.mark.parametrize(
    "written",
    [
        b"",
        b"[]",
        b'{"version": 0, "entries": [], "edges": [], "services": []}',
        b'{"version": 1, "entries": [[["a"], [1]]], "edges": [], "services": []}',
    ],
)
def test_a_file_that_does_not_fit_is_learned_anew_and_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, written: bytes
) -> None:
    path = tmp_path / "shape.json"
    path.write_bytes(written)
    assert read(path).entries == {}
    assert "learned anew" in caplog.text


def test_without_production_s_spans_nothing_is_told(tmp_path: Path) -> None:
    staging, evaluator = _source(Environment.STAGING)
    shaping = Shaping(staging, tmp_path, Disk(tmp_path), "run")
    shaping.begin(RUN)
    send(evaluator, lambda n: call(4, "pricing"), run="7")
    assert shaping.end(RUN) == ()
