"""The baseline of a recorded production, and staging's share of its capacity."""

from __future__ import annotations

import math

import numpy as np

from anomalyd.baseline.fit import FitInput, fit
from anomalyd.baseline.profile import Baseline
from anomalyd.detectors.base import Mask
from anomalyd.model import LOAD_SIGNAL
from anomalyd.replay.infer import Columns
from anomalyd.replay.recording import Recording, RecordingError
from anomalyd.replay.windows import gather


def fit_production(recording: Recording, columns: Columns, width: float) -> Baseline:
    """Profiles of windows `width` wide (seconds; of one sample where production's samples are
    further apart). Raises RecordingError for a recording too short to learn from."""
    step = recording.step
    if not math.isfinite(step):
        raise RecordingError("production's recording is too short to learn from")
    windows = gather(recording, columns, max(width, step), counted=width)
    answered: Mask = np.asarray(np.isfinite(windows.values).any(axis=1))
    inputs = []
    for signal in columns.signals:
        at = [i for i, one in enumerate(columns.series) if one.signal == signal.name]
        if signal.name == LOAD_SIGNAL or not at:
            continue
        inputs.append(
            FitInput(
                signal,
                [columns.series[i].key for i in at],
                windows.values[:, at].T,
                windows.counts[:, at].T,
                answered,
            )
        )
    meta = {"queries": {}, "source": {"recording": list(columns.load)}}
    return fit(windows.ends, windows.load, inputs, step=windows.width, window=width, meta=meta)
