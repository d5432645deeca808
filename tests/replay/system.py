"""A small system as its recordings show it: production's day, and runs of staging."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from anomalyd.replay.recording import Recording, write_csv

SERVICES = ("gateway", "cart", "pricing")
CALLS = (("gateway", "cart"), ("cart", "pricing"))
STEP = 15.0
CAPACITY, OFFSET = 0.5, 0.1
"""Of staging: per unit of production's, and the sd of what a run differs by."""

Floats = np.ndarray


def recorded(rng: np.random.Generator, loads: Floats, capacity: float, offset: float) -> Recording:
    """Every STEP seconds: requests, latency, errors, cpu of each service at these loads (1/s)."""
    times, columns = 1_700_000_000.0 + STEP * np.arange(len(loads)), {}
    per_unit = loads / capacity
    for i, service in enumerate(SERVICES):
        label = f'{{service="{service}"}}'

        def noise(size: float) -> Floats:
            own = np.exp(size * rng.standard_normal(len(loads)))
            return own * np.exp(offset * rng.standard_normal())

        requests = rng.poisson(loads * STEP)
        bent = 0.03 * (1 + 0.3 * i) * (1 + 0.4 * (per_unit / 60) ** 2)
        columns[f"request_rate{label}"] = requests / STEP
        columns[f"latency_p95_seconds{label}"] = bent * noise(0.06)
        columns[f"error_ratio{label}"] = rng.binomial(requests, 0.003) / np.maximum(requests, 1)
        columns[f"cpu_utilization{label}"] = 0.01 * per_unit * noise(0.04)
    return Recording(times, tuple(columns), np.stack(list(columns.values()), axis=1))


def production(seed: int = 1, hours: float = 6.0) -> Recording:
    count = int(hours * 3600 / STEP)
    loads = 40 * np.exp(0.8 * np.sin(np.arange(count) / count * 6 * np.pi))
    return recorded(np.random.default_rng(seed), loads, 1.0, 0.0)


def run(seed: int = 2, minutes: float = 40.0, capacity: float = CAPACITY) -> Recording:
    """A good run of staging at the load per unit of capacity that production knows best."""
    rng, count = np.random.default_rng(seed), int(minutes * 60 / STEP)
    loads = 40 * capacity * np.exp(0.05 * rng.standard_normal(count))
    return recorded(rng, loads, capacity, OFFSET)


def slower(recording: Recording, service: str, times: float, after: float = 900.0) -> Recording:
    """The same with this service's latency so many times as long from `after` seconds on."""
    values = recording.values.copy()
    at = recording.headers.index(f'latency_p95_seconds{{service="{service}"}}')
    values[recording.times >= recording.times[0] + after, at] *= times
    return Recording(recording.times, recording.headers, values)


def written(folder: Path, **recordings: Recording) -> dict[str, Path]:
    """Each recording as NAME.csv, and who calls whom as edges.csv."""
    paths = {name: folder / f"{name}.csv" for name in recordings}
    for name, recording in recordings.items():
        write_csv(recording, paths[name])
    paths["edges"] = folder / "edges.csv"
    calls = "".join(f"{caller},{callee}\n" for caller, callee in CALLS)
    paths["edges"].write_text(f"caller,callee\n{calls}")
    return paths
