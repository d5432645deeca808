"""Small productions whose truth is known."""

from __future__ import annotations

import numpy as np

from anomalyd.baseline.fit import FitInput, fit
from anomalyd.baseline.profile import Baseline
from anomalyd.model import Floats, Kind, PromQL, Ratio, Selector, Signal

STEP = 60.0

TRUTH = {
    "queueing latency": (Kind.LATENCY, lambda load: 0.02 / (1 - load / 200)),
    "linear traffic": (Kind.TRAFFIC, lambda load: 3 * load + 0.5),
    "flat memory": (Kind.RESOURCE, lambda load: 5e8 + 0 * load),
    "cpu": (Kind.SATURATION, lambda load: 0.05 + 0.004 * load),
}


def signal(kind: Kind = Kind.LATENCY, name: str = "s") -> Signal:
    definition = Ratio(Selector("bad"), Selector("all")) if kind is Kind.ERRORS else PromQL("x")
    return Signal(name, kind, definition)


def daily_load(windows: int, rng: np.random.Generator) -> Floats:
    """Two days of load in `windows` windows: 25 to 140 per second."""
    turn = np.sin(np.arange(windows) / windows * 4 * np.pi)
    return np.exp(np.log(60) + 0.75 * turn + rng.normal(size=windows) * 0.05)


def autoregressive(shape: tuple[int, int], phi: float, rng: np.random.Generator) -> Floats:
    """AR(1) of unit stationary sd along the last axis."""
    x = rng.normal(size=shape)
    for t in range(1, shape[1]):
        x[:, t] = phi * x[:, t - 1] + np.sqrt(1 - phi * phi) * x[:, t]
    return x


def fitted(
    values: Floats,
    load: Floats,
    *,
    kind: Kind = Kind.LATENCY,
    counts: Floats | None = None,
    step: float = STEP,
    window: float = STEP,
    times: Floats | None = None,
) -> Baseline:
    known = np.full(values.shape, np.nan) if counts is None else counts
    keys = [f's{{service="{i}"}}' for i in range(len(values))]
    return fit(
        np.arange(len(load)) * step if times is None else times,
        load,
        [FitInput(signal(kind), keys, values, known)],
        step=step,
        window=window,
        meta={"created_at": 0.0},
    )
