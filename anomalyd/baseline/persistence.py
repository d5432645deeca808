"""How long a deviation lasts: the autocorrelation of windows, with gaps, cautious."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomalyd.baseline.noise import INCIDENT, spread
from anomalyd.model import Floats

MOST = 0.97
ENOUGH_FOR_SHAPE = 200


@dataclass(frozen=True, slots=True)
class Persistence:
    """phi: float64[s], cautious lag-one autocorrelation of windows one `window` apart. shorten:
    float64[s], the scale of innovations one window ahead over that at the history's lag."""

    phi: Floats
    shorten: Floats


def autocorrelation(residual: Floats, lag: int) -> Floats:
    """Autocorrelation at `lag` columns: float64[s] of float64[s, t]; 0 where it is not defined.

    Products of the pairs that are both there over the mean square, as statsmodels' `acf` with
    missing="conservative", adjusted=True does one series at a time.
    """
    known = np.isfinite(residual)
    mean = np.where(known, residual, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    x = np.where(known, residual - mean[:, np.newaxis], 0.0)
    square = np.einsum("st,st->s", x, x) / np.maximum(known.sum(axis=1), 1)
    if residual.shape[1] <= lag:
        return np.zeros(len(residual))
    pairs = (known[:, lag:] & known[:, :-lag]).sum(axis=1)
    product = np.einsum("st,st->s", x[:, lag:], x[:, :-lag]) / np.maximum(pairs, 1)
    usable = (square > 0) & (pairs > 1)
    return np.where(usable, product / np.where(usable, square, 1.0), 0.0)


def persistence(
    residual: Floats, lag: int, stretch: float, sampled: Floats, spent: int
) -> Persistence:
    """Autocorrelation at `lag` columns, carried to one window (`stretch` lags, at most 1).

    Outliers are clipped at 4 robust sds first. Corrected for the bias of short histories
    (Kendall 1954: -(1 + 3·rho) / n for a fitted mean; -(1 + rho) / n more for each further one of
    the `spent` parameters, since load changes slowly) and for `sampled` (float64[s], variance of
    white sampling noise, which hides persistence), then raised by one standard error. Where the
    history's lag is longer than a window, the nearer past foretells more: by how much is read off
    the decay from lag one to two (a slow part plus white noise); a short history is given no such
    credit.
    """
    limit = INCIDENT * spread(residual)[:, np.newaxis]
    x = np.where(limit > 0, np.clip(residual, -limit, limit), residual)
    n = np.isfinite(x).sum(axis=1) / lag
    safe_n = np.maximum(n, 4.0)
    raw = autocorrelation(x, lag)
    up = np.maximum(raw, 0.0)
    rho = np.clip(raw + (spent * (1.0 + up) + 2.0 * up) / safe_n, 0.0, MOST)
    variance = np.maximum(spread(residual) ** 2, 1e-300)
    hidden = 1.0 - np.minimum(sampled / variance, 0.5)
    upper = rho / hidden + np.sqrt((1.0 - rho**2) / safe_n) / hidden
    phi = np.clip(upper, 0.0, MOST) ** stretch
    phi = np.minimum(phi, MOST)
    if stretch >= 1.0:
        return Persistence(phi, np.ones(len(phi)))
    twice = np.clip(autocorrelation(x, 2 * lag), 0.0, rho)
    slow = np.clip(twice / np.maximum(rho, 1e-9), rho, 1.0)
    share = np.where(slow > 0, rho / np.maximum(slow, 1e-9), 0.0)
    nearer = np.where(n >= ENOUGH_FOR_SHAPE, share * slow**stretch, rho)
    there = 1.0 + phi**2 - 2.0 * phi * rho
    here = 1.0 + phi**2 - 2.0 * phi * nearer
    return Persistence(phi, np.sqrt(np.clip(here / there, 0.05, 1.0)))
