"""docs/traces.md names the metrics that the presets look for, and no others."""

from __future__ import annotations

import re
from pathlib import Path

from anomalyd.model import Ratio
from anomalyd.signals.presets_spans import (
    EDGES,
    GRAPH_FAILED,
    MESH_FAILED,
    MESH_P95,
    MESH_RATE,
    OPERATIONS,
)
from anomalyd.signals.quantities import SPANS

DOCS = (Path(__file__).resolve().parent.parent / "docs" / "traces.md").read_text("utf-8")


def test_every_metric_made_from_spans_is_there() -> None:
    quantities = [one for quantity in (*OPERATIONS, *EDGES) for one in quantity.alternatives]
    alternatives = [*quantities, *MESH_RATE, *MESH_P95, *MESH_FAILED]
    sought = {one.metric for one in alternatives} - {SPANS} | {GRAPH_FAILED}
    section = DOCS.partition("## Metrics made from spans")[2].partition("\n## ")[0]
    told = set(re.findall(r"`(\w+_(?:total|bucket))`", section))
    unprefixed = {"calls_total", "duration_seconds_bucket", "duration_milliseconds_bucket"}
    assert told == sought - unprefixed
    assert "without the prefix where they carry `span_kind`" in section
    assert all("span_kind" in one.labels for one in quantities if one.metric in unprefixed)


def test_the_side_at_which_a_mesh_counts_is_as_said() -> None:
    for one, said in ((MESH_RATE, "destination"), (EDGES[0].alternatives, "source")):
        narrowed = [
            str(alternative.definition) for alternative in one if "istio" in alternative.metric
        ]
        assert narrowed
        assert all(f"value='{said}'" in definition for definition in narrowed)
        assert f'`reporter="{said}"`' in DOCS
    failed = [one.definition for one in EDGES[2].alternatives if one.metric.startswith("traces_")]
    assert [one.bad.metric for one in failed if isinstance(one, Ratio)] == [GRAPH_FAILED]
