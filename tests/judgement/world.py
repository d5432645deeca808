"""A small synthetic system: production to fit a baseline to, and runs of staging with faults.

Four services, twenty signal series. Everything is drawn from a seed and vectorised over runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np

from anomalyd.baseline.fit import FitInput, fit
from anomalyd.baseline.profile import Baseline
from anomalyd.explain.suspects import Graph
from anomalyd.model import (
    LOAD_SIGNAL,
    Batch,
    Change,
    Floats,
    Gauge,
    HistogramQuantile,
    Kind,
    Labels,
    Rate,
    Ratio,
    Run,
    RunState,
    Selector,
    Signal,
    Verdict,
    Worse,
)
from anomalyd.pipeline import Pipeline, Settings
from anomalyd.signals.table import SignalTable

WINDOW = 30.0
LOAD = 40.0
SERVICES = ("gateway", "cart", "pricing", "inventory")
CALLS = {"gateway": ["cart", "inventory"], "cart": ["pricing", "inventory"]}
X = Selector("x")
SIGNALS = (
    Signal(LOAD_SIGNAL, Kind.TRAFFIC, Rate(X), by=()),
    Signal("latency_p95", Kind.LATENCY, HistogramQuantile(X, 0.95), unit="s"),
    Signal("request_rate", Kind.TRAFFIC, Rate(X), worse=Worse.BOTH, unit="req/s"),
    Signal(
        "error_ratio", Kind.ERRORS, Ratio(X, X), unit="ratio",
        tolerate=Change(absolute=0.005), detect=Change(absolute=0.05),
    ),
    Signal("cpu", Kind.SATURATION, Rate(X)),
    Signal("memory", Kind.RESOURCE, Gauge(X), unit="By"),
)  # fmt: skip

Series = tuple[str, str]
Data = dict[Series, Floats]


@dataclass(frozen=True)
class Fault:
    """From window `at` on, by `size` (relative; in points of ratio for errors)."""

    kind: str
    service: str
    at: int = 20
    size: float = 1.0


def draw(rng: np.random.Generator, loads: Floats, runs: int, offset: float) -> tuple[Data, Data]:
    """Values and counts float64[windows, runs] of good operation."""
    windows = len(loads)
    values: Data = {}
    counts: Data = {}
    load = loads[:, np.newaxis]

    def noise(size: float, phi: float = 0.5) -> Floats:
        innovations = size * rng.standard_normal((windows + 40, runs))
        last, out = np.zeros(runs), np.empty((windows, runs))
        for t, innovation in enumerate(innovations):
            last = phi * last + innovation
            if t >= 40:
                out[t - 40] = last
        return np.exp(out + offset * rng.standard_normal(runs))

    for i, service in enumerate(SERVICES):
        requests = rng.poisson(load * WINDOW, (windows, runs)).astype(float)
        busy = np.maximum(requests, 1)
        sampled = np.exp(rng.standard_normal((windows, runs)) / np.sqrt(busy))
        bent = 0.03 * (1 + 0.3 * i) * (1 + 0.4 * (load / 60) ** 2)
        values["latency_p95", service] = bent * noise(0.06) * sampled
        values["request_rate", service] = requests / WINDOW
        values["error_ratio", service] = rng.binomial(requests.astype(int), 0.003) / busy
        values["cpu", service] = 0.002 * load * noise(0.05)
        values["memory", service] = 50e6 * noise(0.005, 0.9) + 0 * load
        for signal in ("latency_p95", "error_ratio"):
            counts[signal, service] = requests
    return values, counts


def apply(fault: Fault, values: Data, counts: Data, rng: np.random.Generator) -> None:
    at, s, more = fault.at, fault.service, 1 + fault.size
    if fault.kind == "latency":
        values["latency_p95", s][at:] *= more
    if fault.kind == "cpu":
        values["cpu", s][at:] *= more
    if fault.kind == "errors":
        total = counts["error_ratio", s][at:]
        extra = rng.binomial(total.astype(int), fault.size) / np.maximum(total, 1)
        values["error_ratio", s][at:] += extra
    if fault.kind == "leak":
        length = len(values["memory", s]) - at
        values["memory", s][at:] *= np.linspace(1, more, length)[:, np.newaxis]
    if fault.kind == "fan-out":
        for signal in ("request_rate", "cpu"):
            values[signal, s][at:] *= more
    if fault.kind == "dead":
        for series in values:
            if series[1] == s:
                values[series][at:] = np.nan
        for caller in (c for c, callees in CALLS.items() if s in callees):
            values["error_ratio", caller][at:] = 0.5
        for callee in CALLS.get(s, ()):
            values["request_rate", callee][at:] = 0.0
            for signal in ("latency_p95", "error_ratio"):
                values[signal, callee][at:] = np.nan
                counts[signal, callee][at:] = 0.0


@cache
def production() -> Baseline:
    windows = 2000
    loads = 32 + 24 * np.sin(np.arange(windows) / windows * 6 * np.pi)
    values, counts = draw(np.random.default_rng(2), loads, 1, 0.0)
    inputs = []
    for signal in SIGNALS[1:]:
        mine = [series for series in values if series[0] == signal.name]
        inputs.append(
            FitInput(
                signal,
                [f'{name}{{service="{service}"}}' for name, service in mine],
                np.array([values[series][:, 0] for series in mine]),
                np.array(
                    [counts.get(series, np.full((windows, 1), np.nan))[:, 0] for series in mine]
                ),
            )
        )
    return fit(np.arange(windows) * WINDOW, loads, inputs, step=WINDOW, window=WINDOW, meta={})


@dataclass
class Stage:
    """Runs of staging, one per selector, before a pipeline. Without `label` there is one run."""

    selectors: Sequence[str] = ("",)
    faults: Sequence[Fault] = ()
    windows: int = 40
    seed: int = 1
    load: float = LOAD
    offset: float = 0.1
    label: str | None = None
    limit: int = 100_000
    start: float = 0.0
    baseline: Baseline | None = field(default_factory=production)
    settings: Mapping[str, float | bool] = field(default_factory=dict)
    calls: Mapping[str, Sequence[str]] = field(default_factory=lambda: CALLS)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed)
        self.loads = np.full(self.windows, self.load)
        self.values, self.counts = draw(rng, self.loads, len(self.selectors), self.offset)
        for fault in self.faults:
            apply(fault, self.values, self.counts, rng)
        self.answered = [frozenset(s.name for s in SIGNALS) for _ in range(self.windows)]
        self.pipeline = self.new_pipeline()
        self.told: list[str] = []

    def new_pipeline(self) -> Pipeline:
        settings = Settings(WINDOW, run_label=self.label, **dict(self.settings))
        pipeline = Pipeline(SignalTable(SIGNALS, self.limit), settings, Graph(self.calls))
        pipeline.use_baseline(self.baseline)
        return pipeline

    def runs(self, state: RunState = RunState.ACTIVE) -> list[Run]:
        run = Run("", "synthetic", state, self.start, active_at=self.start)
        return [replace(run, id=f"run-{s}", selector=s) for s in self.selectors]

    def batch(self, t: int) -> Batch:
        """What a source hands over of window t: rows with a value."""
        table, rows, values, counts = self.pipeline.table, [], [], []
        for i, selector in enumerate(self.selectors):
            rows.append(table.add(LOAD_SIGNAL, self._labels(selector)))
            values.append(self.loads[t])
            counts.append(np.nan)
            for series, column in self.values.items():
                rows.append(table.add(series[0], self._labels(selector, series[1])))
                values.append(column[t, i])
                counts.append(self.counts[series][t, i] if series in self.counts else np.nan)
        row, value, count = np.array(rows), np.array(values), np.array(counts)
        answered = self.answered[t]
        asked = np.array([table.signals[table.signal_index[r]].name in answered for r in rows])
        kept = np.isfinite(value) & (row >= 0) & asked
        return Batch(self.start + (t + 1) * WINDOW, row[kept], value[kept], count[kept], answered)

    def _labels(self, selector: str, service: str = "") -> Labels:
        pairs = {"service": service}
        return Labels.of(pairs | ({self.label: selector} if self.label else {}))

    def play(
        self,
        windows: Iterable[int] | None = None,
        before: Callable[[int], None] | None = None,
    ) -> Stage:
        """Start the runs and feed windows; `before` is called ahead of each."""
        for run in self.runs():
            if run.id not in self.pipeline.courses:
                self.pipeline.start_run(run)
        for t in range(self.windows) if windows is None else windows:
            if before is not None:
                before(t)
            for incident in self.pipeline.process(self.batch(t)):
                self.told.append(incident.id)
        return self

    def verdicts(self) -> list[Verdict]:
        end = self.start + self.windows * WINDOW
        return [self.pipeline.finish_run(r, end)[0] for r in self.runs(RunState.FINISHED)]

    def verdict(self) -> Verdict:
        (verdict,) = self.verdicts()
        return verdict

    def failed(self) -> list[str]:
        """Selectors of the runs in which something fired."""
        courses = self.pipeline.courses
        return [s for s in self.selectors if courses[f"run-{s}"].anomalies]
