"""The noise and persistence of a fit make honest p-values on data it has not seen."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from anomalyd.baseline.lookup import Lookup
from anomalyd.model import Kind
from tests.baseline.worlds import autoregressive, daily_load, fitted

student4 = stats.t(4)


def streams(name, shape, rng):
    return {
        "iid normal": lambda: rng.normal(size=shape),
        "AR(1) 0.8": lambda: autoregressive(shape, 0.8, rng),
        "Student t3": lambda: rng.standard_t(3, size=shape),
        "log-normal": lambda: rng.normal(size=shape),
        "log-normal, linear": lambda: np.exp(rng.normal(size=shape)),
    }[name]()


@pytest.mark.parametrize(
    "name", ["iid normal", "AR(1) 0.8", "Student t3", "log-normal", "log-normal, linear"]
)
def test_p_values_of_the_next_week_are_not_smaller_than_they_say(name):
    rng = np.random.default_rng(17)
    windows = 10_080
    load = daily_load(2 * windows, rng)
    x = streams(name, (24, 2 * windows), rng)
    truth = 0.02 / (1 - load / 200)
    linear = name.endswith("linear")
    values = x - 2.0 if linear else truth * np.exp((0.8 if name == "log-normal" else 0.15) * x)
    kind = Kind.OTHER if linear else Kind.LATENCY
    baseline = fitted(values[:, :windows], load[:windows], kind=kind)
    residual = future_residuals(baseline, values[:, windows:], load[windows:])
    p = baseline.profiles
    innovation = residual[:, 1:] - p.phi[:, None] * residual[:, :-1]
    for sign in (1, -1):
        tail = student4.sf(sign * innovation / p.noise[:, None])
        shares = {u: (tail < u).mean() / u for u in (0.1, 0.05, 0.01, 0.001)}
        assert max(shares.values()) <= 1.3, shares


def future_residuals(baseline, values, load):
    lookup, rows = Lookup(baseline), np.arange(len(values))
    return np.stack(
        [
            lookup.residual(values[:, t], lookup.at(load[t], rows), rows)
            for t in range(values.shape[1])
        ],
        axis=1,
    )


def test_where_noise_grows_with_load_p_values_are_honest_at_every_load():
    rng = np.random.default_rng(0)
    windows = 6000
    load = daily_load(2 * windows, rng)
    sd = 0.05 + 0.15 * (load / 140) ** 2
    values = np.exp(sd * rng.normal(size=(24, 2 * windows))) * 0.02 / (1 - load / 200)
    baseline = fitted(values[:, :windows], load[:windows])
    residual = future_residuals(baseline, values[:, windows:], load[windows:])
    lookup, rows, phi = Lookup(baseline), np.arange(24), baseline.profiles.phi
    noise = np.stack([lookup.noise(x, rows) for x in load[windows + 1 :]], axis=1)
    tail = student4.sf((residual[:, 1:] - phi[:, None] * residual[:, :-1]) / noise)
    for low, high in ((0, 40), (40, 80), (80, 120), (120, 999)):
        there = (load[windows + 1 :] > low) & (load[windows + 1 :] <= high)
        for u in (0.1, 0.05, 0.01, 0.001):
            assert (tail[:, there] < u).mean() <= 1.3 * u, (low, u)
    assert lookup.noise(30.0, rows).mean() < 0.5 * lookup.noise(130.0, rows).mean()
    assert lookup.noise(np.nan, rows) == pytest.approx(baseline.profiles.noise)
