"""Production's history to a baseline: reading what range queries answer, and fitting it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from statsmodels.regression.quantile_regression import QuantReg

from anomalyd.baseline.fit import FitInput, fit
from anomalyd.baseline.profile import QUANTILES
from anomalyd.baseline.rows import RowStore, Stored
from anomalyd.model import Floats, Kind, PromQL, Signal
from anomalyd.query import decode_matrix
from bench.instant import PEER, client
from bench.measure import Figure, Target, alternate
from bench.worlds import residuals

MINUTE = 60.0
POINTS = 7 * 24 * 60
START = 1_700_000_040.0
MOST_SECONDS = 60.0
WHOLE = 10_000
"""Signal series of the target; what is measured is a part of them, and scaled."""


def run(quick: bool) -> Iterator[Figure]:
    series, points, repeats = (5, 500, 3) if quick else (100, POINTS, 5)
    values = np.exp(residuals(series, points)).T
    yield reading(values, repeats)
    yield fitting(values, repeats=1 if quick else 3)


def reading(values: Floats, repeats: int) -> Figure:
    series, points = values.shape
    end = START + (points - 1) * MINUTE
    answer = body(values)
    asked = client(answer)
    stored = Stored("latency", 60.0, MINUTE)
    first, last = (datetime.fromtimestamp(t, UTC) for t in (START, end))

    with tempfile.TemporaryDirectory() as folder:
        store = RowStore(Path(folder))

        def ours() -> None:
            matrix = decode_matrix(answer, START, end, MINUTE)
            if not np.isfinite(matrix.values).all():
                raise RuntimeError("the answer was not read whole")
            keys = [key.decode() for key in matrix.keys]
            store.write(stored, START, end + MINUTE, keys, matrix.values)

        def theirs() -> None:
            for one in asked.custom_query_range("latency", first, last, "60"):
                np.array([float(value) for _, value in one["values"]], dtype=np.float32)

        mine, peer = alternate(repeats, ours, theirs)
    share = WHOLE / series * POINTS / points
    return Figure(
        "history.read",
        f"{WHOLE} series of 7 days by minute, decoded and stored; HTTP not included; "
        f"scaled from {series} series of {points} points",
        "s",
        mine.times(share),
        PEER,
        peer.times(share),
        Target(MOST_SECONDS),
    )


def fitting(values: Floats, repeats: int) -> Figure:
    series, points = values.shape
    hours = np.arange(points) / 60
    load = np.exp(4 + 0.7 * np.sin(hours * np.pi / 12))
    signal = Signal("latency", Kind.LATENCY, PromQL("latency"))
    keys = [f'latency{{service="{i}"}}' for i in range(series)]
    times: Floats = START + MINUTE * np.arange(points, dtype=np.float64)
    unknown = np.full(values.shape, np.nan)

    def ours() -> None:
        given = [FitInput(signal, keys, values, unknown)]
        fit(times, load, given, step=MINUTE, window=MINUTE, meta={})

    by_load = np.column_stack([np.ones(points), np.log(load)])

    def theirs() -> None:
        model = QuantReg(np.log(values[0]), by_load)
        for quantile in QUANTILES:
            model.fit(q=quantile)

    mine, peer = alternate(repeats, ours, theirs)
    return Figure(
        "history.fit",
        f"baseline.fit of {points} windows at changing load",
        "ms per series",
        mine.times(1e3 / series),
        "statsmodels QuantReg, 9 lines",
        peer.times(1e3),
    )


def body(values: Floats) -> bytes:
    result = [
        {
            "metric": {"service": f"service-{i}"},
            "values": [[START + MINUTE * t, repr(v)] for t, v in enumerate(row)],
        }
        for i, row in enumerate(values.tolist())
    ]
    data = {"resultType": "matrix", "result": result}
    return json.dumps({"status": "success", "data": data}, separators=(",", ":")).encode()
