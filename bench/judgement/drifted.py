"""`python -m bench.judgement.drifted`: is a production that moved for good found, and by whom?

Days of production of simulated worlds, in some of which every latency, CPU, memory and call count
is larger from a moment on. Found by `anomalyd.baseline.drift`, and by river's ADWIN and PageHinkley
over the same medians of hours. One minute; WORLDS=n.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable

import numpy as np
from river import drift as streaming

from anomalyd.baseline import drift
from anomalyd.baseline.curves import along, centre_curves, load_axis
from anomalyd.baseline.scales import transform
from anomalyd.model import Kind
from bench.judgement.production import STEP, production
from bench.judgement.records import LOAD, Floats, parts
from bench.judgement.world import World, draw

SEED, WORLDS = 55, 12
SIZES = (0.0, 0.05, 0.1, 0.2, 0.4)
MOVES = {
    "latency_p50_seconds": Kind.LATENCY,
    "latency_p95_seconds": Kind.LATENCY,
    "cpu_utilisation": Kind.SATURATION,
    "memory_bytes": Kind.RESOURCE,
    "calls_per_request": Kind.OTHER,
}
LEAST = float(np.log1p(drift.LEAST_CHANGE))
HOUR = round(3600 / STEP)

Found = tuple[float, float]
"""(since, in hours from the start; change of the log)."""


def ours(residual: Floats, start: float) -> Found | None:
    found = drift.drift(residual, start, STEP, LEAST)
    return None if found is None else ((found.since - start) / 3600, found.change)


def hours(residual: Floats) -> tuple[Floats, Floats]:
    """(medians of hours less that of their hour of the day, in robust sds; the same in logs)."""
    blocks = residual[: len(residual) // HOUR * HOUR].reshape(-1, HOUR)
    seen = np.isfinite(blocks).sum(axis=1) >= HOUR // 4
    level = np.array([np.nanmedian(b) if s else np.nan for b, s in zip(blocks, seen, strict=True)])
    for hour in range(24):
        level[hour::24] -= np.nanmedian(level[hour::24])
    spread = 1.4826 * np.nanmedian(np.abs(level - np.nanmedian(level))) + 1e-12
    return level / spread, level


def adwin(residual: Floats, start: float) -> Found | None:
    """Fed with values in [0, 1], as its bound asks. The last detection counts: what it
    drops of its window are the oldest hours, not those before the move."""
    model, at = streaming.ADWIN(delta=0.002, clock=1), None
    scaled, level = hours(residual)
    known = np.flatnonzero(np.isfinite(level))
    for i, row in enumerate(known):
        model.update(float(np.clip(scaled[row] / 8 + 0.5, 0, 1)))
        if model.drift_detected:
            at = max(1, i)
    return _between(level[known], known, at)


def page_hinkley(residual: Floats, start: float) -> Found | None:
    model = streaming.PageHinkley(min_instances=10, delta=0.5, threshold=50, alpha=1.0)
    scaled, level = hours(residual)
    known, at = np.flatnonzero(np.isfinite(level)), None
    for i, row in enumerate(known):
        model.update(float(scaled[row]))
        if model.drift_detected:
            at = max(1, i)
    return _between(level[known], known, at)


def _between(level: Floats, known: Floats, at: int | None) -> Found | None:
    if at is None:
        return None
    change = float(np.median(level[at:]) - np.median(level[:at]))
    return (float(known[at]), change) if abs(change) >= LEAST else None


PEERS: dict[str, Callable[[Floats, float], Found | None]] = {
    "anomalyd": ours,
    "ADWIN": adwin,
    "PageHinkley": page_hinkley,
}


def residuals(world: World, size: float) -> tuple[list[Floats], float, float]:
    """(of every series that moves, what is left once load is accounted for; start; hour of the
    move)."""
    plain = production(world)
    share = np.random.default_rng([world.seed, world.index, 6]).uniform(0.3, 0.9)
    at = int(share * len(plain.times))
    axis, found = load_axis(plain.column(LOAD)), []
    for column, name in enumerate(plain.headers):
        kind = MOVES.get(parts(name)[0])
        if kind is None:
            continue
        values = plain.values[:, column].copy()
        values[at:] *= 1 + size
        y, logarithmic, _ = transform(values[np.newaxis], kind)
        if logarithmic[0]:
            found.append((y - along(centre_curves(y, axis, rising=False), axis))[0])
    return found, float(plain.times[0]), at / HOUR


def main() -> None:
    told: dict[tuple[str, float], list[Found | None]] = defaultdict(list)
    off: dict[tuple[str, float], list[float]] = defaultdict(list)
    for index in range(int(os.environ.get("WORLDS") or WORLDS)):
        for size in SIZES:
            rows, start, hour = residuals(draw(SEED, index), size)
            for name, peer in PEERS.items():
                for one in rows:
                    found = peer(one, start)
                    told[name, size].append(found)
                    if found is not None:
                        off[name, size].append(abs(found[0] - hour))
    print("| peer | moved by | told | hours off, median |\n|---|---|---|---|")
    for (name, size), ones in sorted(told.items()):
        hits = sum(one is not None for one in ones)
        late = f"{np.median(off[name, size]):.1f}" if hits else "–"
        print(f"| {name} | {size:.0%} | {hits} of {len(ones)} | {late} |")


if __name__ == "__main__":
    main()
