"""The baseline's quantiles beside statsmodels' quantile regression, by the loss on days not seen.

`python -m bench.quantiles` prints the table of docs/judgement.md in some ten seconds.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from functools import partial

import numpy as np
from statsmodels.regression.quantile_regression import QuantReg

from anomalyd.baseline.curves import hats, load_axis
from anomalyd.baseline.fit import FitInput, fit
from anomalyd.baseline.lookup import Lookup
from anomalyd.model import Floats, Kind, PromQL, Signal

SERIES, WINDOWS, STEP = 12, 2016, 300.0
LEVELS = (0.05, 0.50, 0.95)

Truth = Callable[[Floats, Floats], Floats]
"""Log values float64[s, t] of a log load float64[t] and noise float64[s, t]."""

WORLDS: dict[str, tuple[Kind, Truth, bool]] = {
    "queueing latency, noisier under load": (
        Kind.LATENCY,
        lambda x, e: (
            np.log(0.02 / (1 - np.minimum(np.exp(x), 190) / 200)) + 0.12 * e * (0.5 * x - 1)
        ),
        False,
    ),
    "cpu, incidents in the history": (
        Kind.SATURATION,
        lambda x, e: np.log(0.05 + 0.004 * np.exp(x)) + 0.1 * e,
        True,
    ),
    "memory, a bend": (
        Kind.RESOURCE,
        lambda x, e: np.log(5e8) + 0.05 * e + 0.1 * np.maximum(x - 4.4, 0.0),
        False,
    ),
}


def autoregressive(rng: np.random.Generator, phi: float, rows: int) -> Floats:
    x = rng.standard_normal((rows, WINDOWS))
    for t in range(1, WINDOWS):
        x[:, t] = phi * x[:, t - 1] + np.sqrt(1 - phi * phi) * x[:, t]
    return x


def week(rng: np.random.Generator, truth: Truth, incidents: bool) -> tuple[Floats, Floats]:
    """(log load float64[t], log values float64[s, t]); noise is AR(1) 0.5 with heavy tails."""
    hours = np.arange(WINDOWS) * STEP / 3600
    load = np.log(60) + 0.75 * np.sin(hours / 12 * np.pi) + 0.15 * autoregressive(rng, 0.9, 1)[0]
    heavy = np.sqrt(5 / np.maximum(rng.chisquare(5, (SERIES, WINDOWS)), 0.5))
    y = truth(load, autoregressive(rng, 0.5, SERIES) * heavy)
    for row in y if incidents else ():
        for start in rng.integers(0, WINDOWS - 60, 5):
            row[start : start + rng.integers(12, 48)] += rng.choice([0.5, 1.0])
    return load, y


def ours(kind: Kind, load: Floats, y: Floats, unseen: Floats) -> list[Floats]:
    signal, keys = Signal("s", kind, PromQL("x")), [f's{{a="{i}"}}' for i in range(SERIES)]
    given = [FitInput(signal, keys, np.exp(y), np.full(y.shape, np.nan))]
    times = STEP * np.arange(WINDOWS, dtype=np.float64)
    lookup = Lookup(fit(times, np.exp(load), given, step=STEP, window=STEP, meta={}))
    at = [lookup.at(float(one), np.arange(SERIES)) for one in np.exp(unseen)]
    found = ([e.low for e in at], [e.center for e in at], [e.high for e in at])
    return [np.log(np.stack(level, axis=1)) for level in found]


def regression(design: Floats, y: Floats, unseen: Floats) -> list[Floats]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [
            np.stack([unseen @ QuantReg(row, design).fit(q=q, max_iter=1000).params for row in y])
            for q in LEVELS
        ]


def loss(y: Floats, found: list[Floats]) -> list[float]:
    """Mean pinball loss at each level, in thousandths of the log."""
    errors = [(level, y - q) for level, q in zip(LEVELS, found, strict=True)]
    return [1e3 * float(np.maximum(q * e, (q - 1) * e).mean()) for q, e in errors]


def line(load: Floats) -> Floats:
    return np.column_stack([np.ones(len(load)), load])


def main() -> None:
    rng = np.random.default_rng(11)
    for name, (kind, truth, incidents) in WORLDS.items():
        (x, y), (unseen, other) = week(rng, truth, incidents), week(rng, truth, False)
        knots = load_axis(np.exp(x)).centres
        ways = {
            "ours": partial(ours, kind, x, y, unseen),
            "QuantReg, a line": partial(regression, line(x), y, line(unseen)),
            "QuantReg, eight hinges": partial(regression, hats(x, knots), y, hats(unseen, knots)),
        }
        for way, run in ways.items():
            began = time.process_time()
            losses = loss(other, run())
            each = (time.process_time() - began) / SERIES * 1e3
            print(f"| {name} | {way} | {' | '.join(f'{v:.1f}' for v in losses)} | {each:.0f} ms |")


if __name__ == "__main__":
    main()
