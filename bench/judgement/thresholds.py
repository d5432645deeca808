"""Two ways to alert that most people begin with: mean ± 3σ by hour of the day, and fixed limits.

Both look at the same signals as Kayenta does, only upwards, and not at the first two minutes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.judgement.kayenta import WORSE_UP
from bench.judgement.records import Decision, Floats, Recording, parts

WARM_UP = 120.0
FOR = 120.0
"""Seconds that a value must be out of band, as in an alerting rule's `for`."""
AVERAGED = 300.0
"""Seconds that are averaged before a fixed limit is applied."""
LIMIT = 1.2


@dataclass(frozen=True, slots=True)
class Bands:
    """mean, deviation: float64[24, n] by hour of the day, UTC."""

    mean: Floats
    deviation: Floats


class Sigma:
    """Out of production's mean + 3σ of that hour of the day, for two minutes."""

    def fit(self, production: Recording) -> Bands:
        hour = _hour(production.times)
        rows = [production.values[hour == one] for one in range(24)]
        with np.errstate(invalid="ignore"):
            sums = [(np.nanmean(one, axis=0), np.nanstd(one, axis=0)) for one in map(_known, rows)]
        return Bands(np.array([one for one, _ in sums]), np.array([two for _, two in sums]))

    def judge(
        self,
        fitted: Bands,
        staging: Recording,
        accepted: Sequence[Recording],
        edges: Sequence[tuple[str, str]],
    ) -> Decision:
        hour, n = _hour(staging.times), fitted.mean.shape[1]
        values = staging.values[:, :n]
        over = values > fitted.mean[hour] + 3 * fitted.deviation[hour]
        length = max(1, round(FOR / (staging.times[1] - staging.times[0])))
        return _first(staging, _lasting(over, length), _ratio(values, fitted.mean[hour]))


class Fixed:
    """A five-minute mean more than a fifth above production's mean."""

    def fit(self, production: Recording) -> Floats:
        return np.asarray(np.nanmean(_known(production.values), axis=0), dtype=float)

    def judge(
        self,
        fitted: Floats,
        staging: Recording,
        accepted: Sequence[Recording],
        edges: Sequence[tuple[str, str]],
    ) -> Decision:
        values = staging.values[:, : len(fitted)]
        known = np.isfinite(values) & (staging.times - staging.times[0] >= WARM_UP)[:, None]
        length = max(1, round(AVERAGED / (staging.times[1] - staging.times[0])))
        count = _trailing(known.astype(float), length)
        total = _trailing(np.where(known, values, 0.0), length)
        mean = total / np.where(count >= length // 2 + 1, count, np.nan)
        return _first(staging, mean > LIMIT * fitted, _ratio(mean, fitted))


def _known(values: Floats) -> Floats:
    """With a zero in columns that are empty, which no mean can be taken of."""
    return np.where(np.isfinite(values).any(axis=0), values, 0.0)


def _ratio(values: Floats, usual: Floats) -> Floats:
    return np.asarray(values / np.maximum(usual, 1e-12), dtype=float)


def _hour(times: Floats) -> NDArray[np.int64]:
    return (times % 86_400.0 // 3600.0).astype(np.int64)


def _trailing(values: Floats, length: int) -> Floats:
    total = np.cumsum(values, axis=0)
    total[length:] -= total[:-length].copy()
    return total


def _lasting(over: NDArray[np.bool_], length: int) -> NDArray[np.bool_]:
    """Where the last `length` rows are all True. bool[t, n]."""
    return np.asarray(_trailing(over.astype(float), length) >= length - 0.5)


def _first(staging: Recording, fires: NDArray[np.bool_], ratio: Floats) -> Decision:
    """At the first row that fires; services ranked by how far above they are there."""
    judged = np.array([parts(name)[0] in WORSE_UP for name in staging.headers[: fires.shape[1]]])
    since = staging.times - staging.times[0]
    fires = fires & judged & (since >= WARM_UP)[:, None]
    rows = np.flatnonzero(fires.any(axis=1))
    if not len(rows):
        return Decision("pass")
    far: dict[str, float] = {}
    for column in np.flatnonzero(fires[rows[0]]):
        service = parts(staging.headers[column])[1]
        far[service] = max(far.get(service, 0.0), float(np.nan_to_num(ratio[rows[0], column])))
    ranked = sorted(far, key=lambda service: (-far[service], service))
    return Decision("fail", float(since[rows[0]]), tuple(ranked))
