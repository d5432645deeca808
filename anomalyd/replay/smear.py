"""Over what time rates and quantiles of a recording were taken, read off its own noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from anomalyd.model import Floats
from anomalyd.replay.recording import Recording

LONGEST_SECONDS = 150.0
MOST_LAGS = 30
LEAST_STEPS = 40
CLEAR = -0.1


def averaged_over(runs: Sequence[Recording], headers: Sequence[str]) -> float:
    """Seconds of the moving average that `headers` (latencies, error ratios: what chance moves
    most) were taken over; one sample's where none shows.

    The difference of neighbouring values of an average over m samples is (e(t) - e(t - m)) / m for
    what came in at each time: uncorrelated but for lag m, where it is -1/2. The lag at which the
    mean autocorrelation over all such series is least tells m, if it is clearly below 0.
    """
    step = float(np.median([run.step for run in runs]))
    lags = int(min(max(LONGEST_SECONDS // step, 1), MOST_LAGS))
    found = [
        _autocorrelation(run.values[:, at], lags)
        for run in runs
        for at, header in enumerate(run.headers)
        if header in headers
    ]
    known = [one for one in found if one is not None]
    if not known:
        return step
    mean = np.mean(known, axis=0)
    lag = int(np.argmin(mean))
    return step * (lag + 1) if mean[lag] < CLEAR else step


def _autocorrelation(values: Floats, lags: int) -> Floats | None:
    """Of the differences of the logs at lags 1 to `lags`, those far off clipped; None where there
    is too little."""
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.diff(np.log(values))
    steps = steps[np.isfinite(steps)]
    if len(steps) < LEAST_STEPS + lags:
        return None
    far = 3 * 1.4826 * np.median(np.abs(steps))
    if not far > 0:
        return None
    steps = np.clip(steps, -far, far)
    power = float(steps @ steps)
    return np.array([float(steps[lag:] @ steps[:-lag]) / power for lag in range(1, lags + 1)])
