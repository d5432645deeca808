"""A state directory in which a daemon finds what it needs to judge a recording at once."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from anomalyd import assembly
from anomalyd.baseline.file import save
from anomalyd.baseline.profile import LOAD_BINS
from anomalyd.config import Config, EnvironmentConfig, Limits, parse
from anomalyd.model import Environment
from anomalyd.push import Post
from anomalyd.signals.evaluate import Evaluator
from anomalyd.signals.table import SeriesTable, SignalTable
from anomalyd.sources.base import Side
from anomalyd.sources.pushed import PushedSource
from anomalyd.sources.remote_write import RemoteWrite
from anomalyd.sources.seen import Seen
from bench import worlds
from bench.live_bodies import Recording
from bench.worlds import START
from tests.fakes.sender import HEADERS

REQUESTS = "http_requests_total"
SIGNALS = (
    {"name": "p95", "kind": "latency", "histogram": "http_request_duration_seconds"},
    {
        "name": "errors",
        "kind": "errors",
        "ratio": {"bad": REQUESTS + '{code=~"5.."}', "total": REQUESTS},
    },
    {"name": "traffic", "kind": "traffic", "rate": REQUESTS},
)
"""By app and route: a signal series of eleven raw ones."""


class Pace(Protocol):
    @property
    def scrape(self) -> float: ...
    @property
    def step(self) -> float: ...
    @property
    def window(self) -> float: ...


def prepare(recording: Recording, folder: Path, port: int, pace: Pace) -> Path:
    """The path of a configuration. Its signals are known, and production did what will be sent."""
    tree = settings(folder / "state", port, pace)
    config = parse(tree)
    table = SignalTable([one.signal() for one in config.signals.custom], 10**6)
    evaluator = Evaluator(
        table,
        SeriesTable(Limits().raw_series),
        assembly.canonical(config, Environment.STAGING),
        pace.window,
    )
    _learn(config, recording, evaluator, pace.scrape)
    known = evaluator.evaluate(START)
    values = np.full(len(table), np.nan)
    values[known.rows] = known.values
    if not np.isfinite(values).all():
        raise RuntimeError("not every signal series has a value: this would measure something else")
    traffic = [i for i, signal in enumerate(table.signals) if signal.name == "traffic"]
    load = float(values[np.isin(table.signal_index, traffic)].sum())
    baseline = worlds.baseline(table, np.maximum(values, 1e-3))
    bins = np.log(load) + np.linspace(-1, 1, LOAD_BINS)
    meta = {"window": pace.window, "step": pace.window, "conditioned": True, "queries": {}}
    meta |= {"created_at": START, "load_range": [load / 3, 3 * load]}
    profiles = replace(baseline.profiles, load_bins=bins)
    save(replace(baseline, profiles=profiles, meta=meta), config.state_dir / "baseline.npz")
    path = folder / "anomalyd.yaml"
    path.write_text(json.dumps(tree), encoding="utf-8")  # JSON is YAML
    return path


def _learn(config: Config, recording: Recording, evaluator: Evaluator, scrape: float) -> None:
    """Send scrapes up to START; what metrics there are is kept in the state directory."""
    names = {REQUESTS, *(f"http_request_duration_seconds_{end}" for end in ("bucket", "count"))}
    environment = EnvironmentConfig.model_validate({"remote_write": {}})
    side = Side(Environment.STAGING, environment, None, {}, None, section="remote_write")
    path = config.state_dir / "pushed" / "staging-remote_write.json"
    seen = Seen(path, names.__contains__)
    inlet = PushedSource(side, evaluator, seen, names.__contains__)
    receiver = RemoteWrite({Environment.STAGING: inlet}, 2**25)
    bodies = recording.bodies()
    for nth in range(-4, 1):
        at = START + scrape * nth
        for body in bodies:
            receiver.receive(Post("staging", HEADERS, body.stamped(at, nth + 4), at))
    seen.comes_every(scrape)
    if not seen.save_if_due(START):
        raise RuntimeError(f"{path} was not written")


def settings(state: Path, port: int, pace: Pace) -> dict[str, Any]:
    every = {"by": ["service", "route"]}
    quantile = {"quantile": 0.95, "unit": "s"}
    return {
        "environments": {
            "staging": {"remote_write": {}},
            "production": {"remote_write": {}},
        },
        "identity": {"service": ["app"]},
        "signals": {
            "presets": [],
            "custom": [
                {**one, **every, **(quantile if "histogram" in one else {})} for one in SIGNALS
            ],
        },
        "load": {"rate": REQUESTS},
        "step": f"{pace.step:g}s",
        "window": f"{pace.window:g}s",
        "judgement": {"warmup": "0s", "settle": "1s"},
        "state_dir": str(state),
        "api": {"listen": f"127.0.0.1:{port}"},
        "telemetry": {"series": 10},
    }
