"""Runs, incidents and verdicts for tests; every field that a test does not name is plausible."""

from __future__ import annotations

from typing import Any

from anomalyd import model
from anomalyd.model import Kind, Labels, Outcome, RunState


def run(run_id: str = "r1", **fields: Any) -> model.Run:
    given = {"name": "nightly", "state": RunState.ACTIVE, "started_at": 1000.0} | fields
    return model.Run(run_id, **given)


def finished(run_id: str = "r1", at: float = 2000.0, **fields: Any) -> model.Run:
    return run(run_id, state=RunState.FINISHED, stopped_at=at - 30, finished_at=at, **fields)


def anomaly(**fields: Any) -> model.Anomaly:
    given = {
        "signal": "latency",
        "labels": Labels.of({"service": "cart"}),
        "service": "cart",
        "kind": Kind.LATENCY,
        "unit": "s",
        "detector": "mixture",
        "started_at": 1100.0,
        "fired_at": 1110.0,
        "observed": 0.4,
        "expected": 0.1,
        "low": 0.08,
        "high": 0.13,
        "effect": 3.0,
        "evidence": 12.5,
    }
    return model.Anomaly(**(given | fields))


def incident(incident_id: str = "i1", run_id: str = "r1", **fields: Any) -> model.Incident:
    given = {
        "started_at": 1100.0,
        "severity": "critical",
        "summary": "cart is slow",
        "anomalies": (anomaly(),),
        "suspects": (model.Suspect("cart", 0.8, "own latency rose first"),),
    }
    return model.Incident(incident_id, run_id, **(given | fields))


def verdict(run_id: str = "r1", **fields: Any) -> model.Verdict:
    given = {
        "outcome": Outcome.FAIL,
        "reasons": ("latency of cart is 4 times production's",),
        "reference": "production",
        "budget": 0.01,
        "coverage": model.Coverage(10, 9, 9, 8, ("errors{}",), ()),
        "findings": (
            model.Finding(
                "latency", Labels.of({"service": "cart"}), "cart", Kind.LATENCY, "s", "ok"
            ),
        ),
    }
    return model.Verdict(run_id, **(given | fields))
