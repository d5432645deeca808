"""The Grafana files: valid, and every panel shows something against a real Prometheus."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from anomalyd import telemetry
from anomalyd.config import Telemetry as Settings
from anomalyd.telemetry import Band
from tests.servers import prometheus
from tests.tools import need

GRAFANA = Path(__file__).resolve().parent.parent / "grafana"
DASHBOARDS = sorted((GRAFANA / "dashboards").glob("*.json"))
Json = dict[str, Any]

VARIABLES = {
    "datasource": "prometheus",
    "run": "run-1",
    "service": "cart",
    "signal": "p95",
    "series": r"p95\\{service='cart'\\}",
    "instance": "anomalyd:8642",
    "__range": "10m",
    "__rate_interval": "2m",
}


def load(path: Path) -> Json:
    return json.loads(path.read_text("utf-8"))


@pytest.fixture(params=DASHBOARDS, ids=lambda path: path.stem)
def dashboard(request: pytest.FixtureRequest) -> Json:
    return load(request.param)


def fill_in(text: str) -> str:
    """The text as Grafana sends it; an unknown variable stays and fails to parse."""
    return re.sub(
        r"\$(\w+)|\$\{(\w+)\}",
        lambda found: VARIABLES.get(found[1] or found[2], found[0]),
        text,
    )


def expressions(dashboard: Json) -> list[str]:
    """Every expression of a panel, and of a variable the selector or query within it."""
    found = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            asked = re.fullmatch(
                r"label_values\((.*), \w+\)|query_result\((.*)\)", variable["definition"]
            )
            assert asked, variable["definition"]
            found.append(asked[1] or asked[2])
    return found


def test_the_dashboards_are_the_two_that_the_docs_name() -> None:
    assert [load(path)["title"] for path in DASHBOARDS] == ["anomalyd: health", "anomalyd: run"]
    assert all(load(path)["uid"] == path.stem for path in DASHBOARDS)


def test_panels_have_ids_of_their_own(dashboard: Json) -> None:
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))


def test_no_panel_lies_over_another_nor_beyond_the_grid(dashboard: Json) -> None:
    boxes = [panel["gridPos"] for panel in dashboard["panels"]]
    assert all(box["x"] >= 0 and box["x"] + box["w"] <= 24 for box in boxes)
    for one, other in itertools.combinations(boxes, 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (one, other)


def test_annotations_of_anomalyd_are_shown(dashboard: Json) -> None:
    asked = {"type": "tags", "tags": ["anomalyd"], "matchAny": True}
    entry = next(e for e in dashboard["annotations"]["list"] if e["name"] == "anomalyd")
    assert asked.items() <= entry.items()
    assert asked.items() <= entry["target"].items()
    assert entry["datasource"] == {"type": "grafana", "uid": "-- Grafana --"}
    assert entry["enable"]


def test_every_panel_asks_the_data_source_that_was_chosen(dashboard: Json) -> None:
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    assert all(panel["datasource"] == chosen for panel in panels)
    assert dashboard["templating"]["list"][0]["type"] == "datasource"


def test_the_run_is_chosen_by_run_service_and_signal() -> None:
    variables = load(GRAFANA / "dashboards/anomalyd-run.json")["templating"]["list"]
    assert {"datasource", "run", "service", "signal"} <= {v["name"] for v in variables}


def test_the_band_is_filled_between_its_ends() -> None:
    panels = load(GRAFANA / "dashboards/anomalyd-run.json")["panels"]
    band = next(panel for panel in panels if panel.get("repeat") == "series")
    names = {target["legendFormat"] for target in band["targets"]}
    fills = {
        override["matcher"]["options"]: setting["value"]
        for override in band["fieldConfig"]["overrides"]
        for setting in override["properties"]
        if setting["id"] == "custom.fillBelowTo"
    }
    assert fills == {"high": "low"}
    assert {"observed", "expected", "low", "high"} == names


def test_no_dashboard_is_titled_as_its_folder() -> None:
    path = GRAFANA / "provisioning/dashboards/anomalyd.yaml"
    provisioning = yaml.safe_load(path.read_text("utf-8"))
    assert provisioning["apiVersion"] == 1
    (provider,) = provisioning["providers"]
    assert provider["type"] == "file"
    assert provider["options"]["path"].startswith("/")
    assert provider["folder"] not in {load(path)["title"] for path in DASHBOARDS}


def test_the_data_source_is_provisioned() -> None:
    path = GRAFANA / "provisioning/datasources/anomalyd.yaml"
    provisioning = yaml.safe_load(path.read_text("utf-8"))
    assert provisioning["apiVersion"] == 1
    (source,) = provisioning["datasources"]
    assert (source["type"], source["access"]) == ("prometheus", "proxy")


START = 1_700_000_000


def history() -> str:
    """Ten minutes of a busy anomalyd, as OpenMetrics with timestamps; one row per 10 s."""
    handle = telemetry.setup(
        Settings(),
        bands=lambda: (
            Band("run-1", "p95", "cart", 'p95{service="cart"}', 0.9, 0.5, 0.4, 0.6, 1.5),
        ),
        outcomes=lambda: (("run-1", "fail"),),
        risks=lambda: (("run-1", 93.0, 61.5),),
        sources=("staging",),
        sinks=("grafana",),
    )
    rows: dict[str, list[str]] = {}
    for second in range(0, 610, 10):
        happen()
        for family in text_string_to_metric_families(handle.render().decode()):
            lines = rows.setdefault(family.name, [f"# TYPE {family.name} {family.type}"])
            for sample in family.samples:
                labels = sample.labels | {"instance": "anomalyd:8642", "job": "anomalyd"}
                pairs = ",".join(f'{key}="{value}"' for key, value in labels.items())
                lines.append(f"{sample.name}{{{pairs}}} {sample.value} {START + second}")
    handle.shutdown()
    return "\n".join(itertools.chain(*rows.values(), ["# EOF", ""]))


def happen() -> None:
    """One of everything, with the labels that the parts give."""
    telemetry.ticks.add(1)
    telemetry.tick_duration.record(0.1)
    telemetry.tick_lag.set(0.2)
    telemetry.samples.add(10, {"source": "staging"})
    telemetry.evidence_windows.add(5)
    telemetry.runs.set(1, {"state": "active"})
    telemetry.series_refused.add(1, {"limit": "limits.series"})
    telemetry.source_duration.record(0.1, {"source": "staging"})
    telemetry.source_failures.add(1, {"source": "staging", "reason": "timeout"})
    telemetry.sink_dropped.add(1, {"sink": "grafana", "reason": "full"})
    telemetry.store_write_failures.add(1, {"reason": "sqlite_full"})
    telemetry.store_writes_dropped.add(1)
    telemetry.api_requests.add(1, {"route": "/", "method": "GET", "status": "200"})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    tmp_path = tmp_path_factory.mktemp("prometheus")
    text = tmp_path / "history.txt"
    text.write_text(history())
    subprocess.run(
        [need("promtool"), "tsdb", "create-blocks-from", "openmetrics", text, tmp_path / "data"],
        check=True,
        capture_output=True,
    )
    with prometheus(tmp_path, "{}", "--storage.tsdb.retention.time=100y") as url:
        yield url


def ask(server: str, expression: str) -> list[Json]:
    asked = urllib.parse.urlencode({"query": expression, "time": START + 600})
    with urllib.request.urlopen(f"{server}/api/v1/query?{asked}", timeout=10) as answer:
        return json.load(answer)["data"]["result"]


def test_every_expression_finds_what_anomalyd_exports(dashboard: Json, server: str) -> None:
    empty = [text for text in expressions(dashboard) if not ask(server, fill_in(text))]
    assert empty == []


def test_the_series_variable_yields_values_that_select_series(server: str) -> None:
    variables = load(GRAFANA / "dashboards/anomalyd-run.json")["templating"]["list"]
    series = next(variable for variable in variables if variable["name"] == "series")
    (found,) = ask(server, fill_in(re.fullmatch(r"query_result\((.*)\)", series["definition"])[1]))
    pairs = ",".join(f'{key}="{value}"' for key, value in found["metric"].items())
    listed = re.search(series["regex"].strip("/"), f"{{{pairs}}} 1.5 {time.time():.0f}")
    assert listed is not None
    assert listed[1] == "p95{service='cart'}"
