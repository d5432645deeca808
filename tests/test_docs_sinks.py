"""docs/sinks.md: its payloads, its ways to verify a signature, its Alertmanager rules are true."""

from __future__ import annotations

import importlib.util
import json
import logging
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from anomalyd import config
from anomalyd.model import (
    Anomaly,
    Coverage,
    Finding,
    Incident,
    Kind,
    Labels,
    Outcome,
    Run,
    RunState,
    Suspect,
    Verdict,
)
from anomalyd.sinks import SINKS, grafana
from anomalyd.sinks.base import IncidentChanged, RunFinished, RunStarted
from anomalyd.sinks.log import Log
from anomalyd.sinks.payload import FINDINGS, payload
from anomalyd.sinks.webhook import signature
from tests.sinks.examples import context
from tests.tools import need

DOCS = (Path(__file__).resolve().parent.parent / "docs" / "sinks.md").read_text("utf-8")
KEY, TIMESTAMP, BODY = "a key", "1790000000", b'{"version":1,"type":"run.started"}'

RUN = Run(
    id="20260921-140320-0003c1",
    name="nightly",
    state=RunState.ACTIVE,
    started_at=1789999400.0,
    origin="watch",
    labels=Labels.of({"commit": "1a2b3c"}),
    active_at=1789999460.0,
)
ANOMALY = Anomaly(
    signal="latency_p95",
    labels=Labels.of({"service": "cart"}),
    service="cart",
    kind=Kind.LATENCY,
    unit="s",
    detector="baseline_deviation",
    started_at=1789999880.0,
    fired_at=1789999910.0,
    observed=0.812,
    expected=0.21,
    low=0.18,
    high=0.24,
    effect=2.87,
    evidence=12.5,
)
INCIDENT = Incident(
    id="3f7a10c2b4d5",
    run_id=RUN.id,
    started_at=1789999880.0,
    severity="critical",
    summary="cart: latency_p95 812 ms, expected 180 ms to 240 ms (+287%)",
    anomalies=(ANOMALY,),
    suspects=(Suspect("cart", 1.0, "own latency_p95 out of band"),),
)
VERDICT = Verdict(
    run_id=RUN.id,
    outcome=Outcome.FAIL,
    reasons=('latency_p95{service="cart"} was 812 ms, expected 180 ms to 240 ms at this load',),
    reference="production",
    budget=0.01,
    coverage=Coverage(40, 38, 37, 36, ('memory{service="search"}',), ()),
    findings=(
        Finding("latency_p95", Labels.of({"service": "cart"}), "cart", Kind.LATENCY, "s", "fired"),
    ),
    incidents=(INCIDENT,),
)
OPEN = IncidentChanged(RUN, INCIDENT)
CLOSED = IncidentChanged(RUN, replace(INCIDENT, ended_at=1789999990.0))


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", DOCS, re.M | re.S)


def test_the_payload_is_as_shown() -> None:
    (shown,) = map(json.loads, blocks("json"))
    assert shown == payload(OPEN)


def test_every_type_of_notice_is_explained() -> None:
    said = dict(re.findall(r"^\| `((?:run|incident)\.\w+)` \| (.*?) \|", DOCS, re.M))
    for notice in (RunStarted(RUN), OPEN, CLOSED, RunFinished(RUN, VERDICT)):
        body = payload(notice)
        assert all(f"`{part}`" in said[body["type"]] for part in body.keys() - {"version", "type"})


def test_what_a_verdict_carries_is_explained() -> None:
    body = payload(RunFinished(RUN, VERDICT))["verdict"]
    text = DOCS.partition("### Verdicts")[2].partition("\n### ")[0]
    for part in body:
        if not part.endswith("_rfc3339"):
            assert f"`{part}`" in text, part
    assert f"{FINDINGS} findings at most" in " ".join(text.split())


@pytest.fixture
def receiver(tmp_path: Path) -> ModuleType:
    """The example in Python, imported as a receiver would."""
    (code,) = [block for block in blocks("python") if "def is_ours" in block]
    path = tmp_path / "receiver.py"
    path.write_text(code)
    spec = importlib.util.spec_from_file_location("receiver", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("given", "now", "accepted"),
    [
        (signature(KEY.encode(), TIMESTAMP, BODY), 1790000010.0, True),
        (signature(b"another", TIMESTAMP, BODY), 1790000010.0, False),
        (signature(KEY.encode(), TIMESTAMP, BODY + b" "), 1790000010.0, False),
        (signature(KEY.encode(), "1790000001", BODY), 1790000010.0, False),
        (signature(KEY.encode(), TIMESTAMP, BODY), 1790000400.0, False),
        ("", 1790000010.0, False),
    ],
    ids=["ours", "another key", "another body", "another time", "too old", "unsigned"],
)
def test_the_python_example_tells_ours_from_others(
    receiver: ModuleType, given: str, now: float, accepted: bool
) -> None:
    headers = {"X-Anomalyd-Timestamp": TIMESTAMP, "X-Anomalyd-Signature": given}
    assert receiver.is_ours(KEY.encode(), headers, BODY, now) is accepted
    assert not receiver.is_ours(KEY.encode(), {}, BODY, now)


@pytest.mark.parametrize(("key", "code"), [(KEY, 0), ("another", 1)])
def test_the_shell_example_tells_ours_from_others(key: str, code: int, tmp_path: Path) -> None:
    (script,) = [block for block in blocks("bash") if "openssl" in block]
    (tmp_path / "body.json").write_bytes(BODY)
    values = {
        "KEY": key,
        "TIMESTAMP": TIMESTAMP,
        "SIGNATURE": signature(KEY.encode(), TIMESTAMP, BODY),
        "PATH": "/usr/bin:/bin",
    }
    done = subprocess.run(["bash", "-euc", script], cwd=tmp_path, env=values, capture_output=True)
    assert done.returncode == code, done.stderr


def test_alertmanager_takes_the_rules(tmp_path: Path) -> None:
    (rules,) = [block for block in blocks("yaml") if "inhibit_rules" in block]
    tree = yaml.safe_load(rules)
    assert tree["inhibit_rules"][0]["equal"] == ["incident"]
    path = tmp_path / "alertmanager.yml"
    path.write_text(rules)
    done = subprocess.run(
        [need("amtool"), "check-config", str(path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 inhibit rules" in done.stdout


async def test_the_log_line_is_as_shown(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await Log(config.LogSink(), context()).deliver(OPEN)
    (line,) = caplog.messages
    assert f"\n{line}\n" in DOCS


def test_every_sink_and_permission_is_there() -> None:
    for name, _ in SINKS:
        assert re.search(rf"^## {name.capitalize()}$", DOCS, re.M), name
    for permission in re.findall(r"annotations:\w+", grafana.PERMISSIONS):
        assert f"`{permission}`" in DOCS
