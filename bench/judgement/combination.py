"""`python -m bench.judgement.combination`: would a detector of combinations earn a place?

Three of them judge the signals of each service together, as innovations in standard deviations of
the filter that judges them alone: river's HalfSpaceTrees, Mahalanobis' distance with a shrunk
correlation (Ledoit and Wolf), and how much likelier a window is if its signals had nothing to do
with one another than as they go together. Each window's score becomes a conformal p-value by its
rank within each accepted run, the least favourable of them (runs differ more than windows do), and
p-values are accumulated as evidence of any detector is. Two minutes; WORLDS=n.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from river import anomaly
from scipy.special import ndtr

from anomalyd.detectors.base import Context, Mask
from anomalyd.detectors.level_filter import LevelFilter
from anomalyd.detectors.mixture import TILTS, OnsetMixture, bets_on_p
from anomalyd.judgement.evidence import Bank, Scores
from anomalyd.replay import judge as replaying
from anomalyd.replay.recording import Recording as Table
from anomalyd.replay.windows import batches, gather
from bench.judgement import joint, ours
from bench.judgement.records import Floats, Recording, parts
from bench.judgement.world import World, draw

SEED, WORLDS, RUNS = 77, 12, 3
"""Runs of each kind in each world, and as many twins."""
CLIP = 2.5
"""Standard deviations, or a blip of one signal would be a combination."""
LEAST = 10
"""Windows of a service that are worth judging."""
LEVELS = (0.1, 0.01, 0.001)

Windows = dict[str, Floats]
"""service -> float64[t, signals], NaN where not seen."""
Score = Callable[[Floats], Floats]
Fit = Callable[[Floats], Score]


class Listening(Bank):
    """The bank, and what its filter finds surprising: innovations, in sds, of judged rows."""

    def __init__(self, n: int) -> None:
        super().__init__(n)
        self.surprise: list[Floats] = []
        self._level = LevelFilter()
        self._level.resize(n)

    def score(self, context: Context, judged: Mask, watched: Mask | None = None) -> Scores:
        found = self._level.predict(context)
        seen = found.seen & judged
        self.surprise.append(np.where(seen, found.innovation / found.sd, np.nan))
        self._level.update(context, found, judged)
        return super().score(context, judged, watched)


def windows_of(
    reference: replaying.Reference, recording: Recording, graph: dict[str, list[str]]
) -> Windows:
    """The judged windows of a run, by service."""
    found = gather(
        Table(recording.times, recording.headers, recording.values),
        reference.columns,
        reference.width,
    )
    started = replaying.start(reference, found, reference.smear or 1, graph)
    pipeline = started.pipeline
    pipeline.bank = bank = Listening(len(pipeline.table))
    for batch in batches(found, reference.columns):
        pipeline.process(batch)
    services: dict[str, list[int]] = defaultdict(list)
    for row, key in enumerate(pipeline.table.keys):
        if parts(key)[1] and not key.startswith("error_ratio"):
            services[parts(key)[1]].append(row)
    z = np.array(bank.surprise)
    judged = {service: z[:, rows] for service, rows in services.items()}
    return {s: one[np.isfinite(one).sum(axis=1) >= 2] for s, one in judged.items()}


def clipped(z: Floats) -> Floats:
    return np.clip(np.nan_to_num(z), -CLIP, CLIP)


def shrunk(z: Floats) -> tuple[Floats, Floats]:
    """(sd of each column about 0, inverse of their correlation, shrunk towards none)."""
    sd = np.sqrt((z * z).mean(axis=0)) + 1e-9
    y, n = z / sd, len(z)
    plain = y.T @ y / n
    variance = ((y**2).T @ (y**2) / n - plain**2) / n
    off = ~np.eye(len(sd), dtype=bool)
    share = min(1.0, float(variance[off].sum() / max((plain[off] ** 2).sum(), 1e-9)))
    return sd, np.linalg.inv((1 - share) * plain + share * np.eye(len(sd)))


def mahalanobis(z: Floats, *, beyond_each: bool = False) -> Score:
    """beyond_each: less what each signal adds by itself, twice the log likelihood ratio of signals
    that have nothing to do with one another."""
    sd, inverse = shrunk(clipped(z))
    matrix = inverse - np.eye(len(sd)) if beyond_each else inverse

    def score(new: Floats) -> Floats:
        y = clipped(new) / sd
        return np.asarray(np.einsum("ti,ij,tj->t", y, matrix, y))

    return score


def dependence(z: Floats) -> Score:
    return mahalanobis(z, beyond_each=True)


def trees(z: Floats) -> Score:
    """Half-space trees over each innovation's place in the normal distribution, in [0, 1]."""
    model = anomaly.HalfSpaceTrees(n_trees=25, height=6, window_size=len(z), seed=1)

    def places(row: Floats) -> dict[int, float]:
        return dict(enumerate(ndtr(np.nan_to_num(row)).tolist()))

    for row in z:
        model.learn_one(places(row))
    return lambda new: np.array([model.score_one(places(row)) for row in new])


PEERS: dict[str, Fit] = {
    "HalfSpaceTrees": trees,
    "Mahalanobis": mahalanobis,
    "dependence": dependence,
}


def conformal(fit: Fit, known: Sequence[Floats]) -> Callable[[Floats], Floats]:
    """p-values of new windows; each accepted run is scored by what the others taught."""
    ranked = []
    for i, run in enumerate(known):
        rest = np.vstack([one for j, one in enumerate(known) if j != i])
        ranked.append(np.sort(fit(rest)(run)))
    score = fit(np.vstack(known))

    def p(new: Floats) -> Floats:
        found = score(new)
        shares = [(len(c) - np.searchsorted(c, found) + 1) / (len(c) + 1) for c in ranked]
        return np.asarray(np.max(shares, axis=0))

    return p


def highest(p: Floats) -> float:
    """Largest log evidence on the way."""
    mixture, most = OnsetMixture(len(TILTS)), 0.0
    mixture.resize(1)
    for one in p:
        bets = bets_on_p(np.array([one]))
        mixture.commit(mixture.after((bets, bets)), np.ones(1, dtype=bool))
        most = max(most, float(mixture.log_value()[0]))
    return most


def judge_world(world: World) -> dict[tuple[str, str, float], list[float]]:
    """(peer, kind, size) -> largest evidence of services; kind "" for those of good twins."""
    judge, graph = ours.Ours(), defaultdict(list)
    for caller, callee in world.named_edges:
        graph[caller].append(callee)
    given = [joint.accepted(world, k) for k in range(5)]
    fitted = judge.fit(joint.history(world))
    judge.judge(fitted, given[0], given, world.named_edges)
    reference: Any = fitted.reference
    known = [windows_of(reference, one, graph) for one in given]
    judges = {
        (name, service): conformal(fit, [one[service] for one in known])
        for name, fit in PEERS.items()
        for service in known[0]
        if known[0][service].shape[1] > 2 and min(len(one[service]) for one in known) >= LEAST
    }
    found: dict[tuple[str, str, float], list[float]] = defaultdict(list)
    for kind in joint.KINDS:
        for number in range(RUNS):
            nth = number + RUNS * (world.index // 3 % 3)
            for twin in (False, True):
                one = joint.joint(world, kind, nth, twin=twin)
                seen = windows_of(reference, one.recording, graph)
                for (name, service), p in judges.items():
                    if len(seen[service]) >= LEAST and (twin or service == one.truth.root):
                        key = (name, "", 0.0) if twin else (name, kind, one.truth.size)
                        found[key].append(highest(p(seen[service])))
    return found


def main() -> None:
    found: dict[tuple[str, str, float], list[float]] = defaultdict(list)
    for index in range(int(os.environ.get("WORLDS") or WORLDS)):
        for key, values in judge_world(draw(SEED, index)).items():
            found[key] += values
    print("| peer | good services beyond 10% / 1% / 0.1% | kind | size | found at 1% of good |")
    for name in PEERS:
        good = np.array(found[name, "", 0.0])
        shares = " / ".join(f"{(good >= np.log(1 / a)).mean():.2%}" for a in LEVELS)
        bar = float(np.quantile(good, 0.99))
        for (peer, kind, size), values in sorted(found.items()):
            if peer == name and kind:
                hits = int((np.array(values) > bar).sum())
                print(f"| {name} | {shares} | {kind} | {size} | {hits} of {len(values)} |")


if __name__ == "__main__":
    main()
