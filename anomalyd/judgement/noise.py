"""The noise of staging's own good runs: scale, autocorrelation and slow part, by likelihood."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from anomalyd.baseline.noise import t4_scale
from anomalyd.detectors.base import Context
from anomalyd.detectors.level_filter import WANDER_SECONDS, LevelFilter
from anomalyd.model import Floats, Kind, Rows

PHIS = (0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
WANDERS = (0.1, 0.25, 0.5)

OF_KIND = 0.5
"""Weight of what the other series of a kind make likely, against a series' own windows."""

LEAST_WINDOWS = 30

LAGS, FAR = 8, 3.0
"""How many windows apart innovations may go together; sds that one may count for."""

LONG_LAGS = 24
"""The same of residuals, which go together for longer than innovations do."""

ROOM = 1.5
"""Times the variance that a run showed about its own level: a part of it went into that level."""


@dataclass(frozen=True, slots=True)
class Noise:
    """float64[n], NaN where not known: scale of innovations over production's, phi, wander, and
    how many windows these rest on."""

    scale: Floats
    phi: Floats
    wander: Floats
    windows: Floats


def noise_of(
    runs: Sequence[Sequence[Context]],
    expected: Callable[[Context], Floats],
    kinds: Sequence[Kind],
) -> Noise:
    """The parameters under which the runs' windows are likeliest, from a grid.

    Each pair of phi and wander foretells every window by the filter that judges; its innovations,
    in sds, are as likely as Student t with 4 degrees of freedom makes them at the scale that suits
    them best. The scale then is the one whose tails cover them: for normal, t and exponential
    tails alike it is the least at which a bet on a shift is fair (no likelihood ratio of shifted
    t densities has an expectation above 1). expected: of the residuals of a window, float64[n].
    """
    pairs = [(phi, wander) for phi in PHIS for wander in WANDERS]
    n, copies = len(kinds), len(pairs)
    of = np.tile(np.arange(n), copies)
    phi, wander = (np.repeat([pair[i] for pair in pairs], n) for i in (0, 1))
    columns, spreads = [], []
    for run in runs:
        ordinary = LevelFilter(own_scale=False)
        ordinary.resize(n * copies)
        for context in run:
            plain = replace(context, residual=context.residual - expected(context)).take(of)
            plain = replace(plain, phi=phi, wander=wander)
            found = ordinary.predict(plain)
            columns.append(np.where(found.seen, found.innovation / found.sd, np.nan))
            spreads.append(np.log(found.sd))
            ordinary.update(plain, found, found.seen)
    z = np.stack(columns, axis=1).reshape(copies, n, -1)
    log_sd = np.stack(spreads, axis=1).reshape(copies, n, -1)
    best = _likeliest(z, log_sd, kinds)
    chosen = z[best, np.arange(n)]
    windows = np.isfinite(chosen).sum(axis=1).astype(np.float64)
    enough = windows >= LEAST_WINDOWS
    parts = (t4_scale(chosen), np.array(pairs)[best, 0], np.array(pairs)[best, 1])
    scale, phi, wander = (np.where(enough, part, np.nan) for part in parts)
    scale *= np.sqrt(_of_sums(chosen))
    known = np.where(enough, windows, np.nan)
    return Noise(np.where(scale > 0, scale, np.nan), phi, wander, known)


def bounded(found: Noise, own: Floats, window: float) -> Noise:
    """With no more noise than the windows themselves allow.

    own: float64[n, t], residuals about each run's own level, in scales of production's noise, NaN
    where not seen. Noise of another kind than the filter's (a saw-tooth, what overlaps) is
    likeliest under a slow process far wider than anything that was seen. Its scale is brought down
    until either its variance, or that of its long sums, is `ROOM` times what was seen, whichever
    comes first.
    """
    phi, slow = found.phi, np.exp(-window / WANDER_SECONDS)
    seen = t4_scale(own) ** 2
    stationary = 1 / (1 - phi**2)
    variance = stationary * (1 + found.wander**2)
    long = 1 / (1 - phi) ** 2 + found.wander**2 * stationary * (1 + slow) / (1 - slow)
    of_sums = seen * _of_sums(own, LONG_LAGS)
    most = np.sqrt(ROOM * np.maximum(seen / variance, of_sums / long))
    return replace(found, scale=np.where(most > 0, np.minimum(found.scale, most), found.scale))


def _of_sums(z: Floats, lags: int = LAGS) -> Floats:
    """By how much sums of successive innovations vary more than if they were white: float64[n], 1
    at least, of z[n, t].

    A process smoother than the filter's, values that overlap above all, shows in innovations of one
    sign after the other, which a bet on a step would take for one. Newey and West, "A simple,
    positive semi-definite covariance matrix", 1987.
    """
    x = np.nan_to_num(np.clip(z / _t4_ml(z)[:, np.newaxis], -FAR, FAR))
    square = np.maximum((x**2).sum(axis=1), 1e-12)
    total = np.ones(len(z))
    for lag in range(1, min(lags, x.shape[1] - 1) + 1):
        weight = 1 - lag / (lags + 1)
        total += 2 * weight * (x[:, lag:] * x[:, :-lag]).sum(axis=1) / square
    return np.maximum(total, 1.0)


def _likeliest(z: Floats, log_sd: Floats, kinds: Sequence[Kind]) -> Rows:
    """intp[n]: index of the pair that innovations, z sds each, float64[pairs, n, t], are likeliest
    under."""
    scale = _t4_ml(z)[..., np.newaxis]
    density = -2.5 * np.log1p((z / scale) ** 2 / 4) - np.log(scale) - log_sd
    own = np.nansum(density, axis=-1)
    total = own.copy()
    for kind in set(kinds):
        at = np.array([k is kind for k in kinds])
        total[:, at] += OF_KIND * own[:, at].mean(axis=1, keepdims=True)
    return np.asarray(total.argmax(axis=0))


def _t4_ml(z: Floats) -> Floats:
    """Likeliest scale of Student t with 4 degrees of freedom about 0, by EM: z[..., t] to [...]."""
    known = np.isfinite(z)
    square = np.where(known, z, 0.0) ** 2
    count = np.maximum(known.sum(axis=-1), 1)
    variance = np.maximum(square.sum(axis=-1) / count / 2, 1e-12)
    for _ in range(12):
        weight = 5 / (4 + square / variance[..., np.newaxis])
        variance = np.maximum((weight * square).sum(axis=-1) / count, 1e-12)
    return np.asarray(np.sqrt(variance))
