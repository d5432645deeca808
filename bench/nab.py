"""`make bench-nab`: the score of `anomalyd score` on streams laid out as the Numenta benchmark's.

DATA=folder       where `data/<group>/<file>.csv` and `windows.json` are
THRESHOLD=x       judge by this threshold alone; otherwise it is chosen by cross-validation
ABLATION=1        also leave out each part in turn, and add river's (five minutes)
Writes bench/nab.json.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomalyd.streams import PARTS
from anomalyd.streams.score import THRESHOLD, Stream, scores
from bench.nab_data import COPIES, File, load
from bench.nab_score import PROFILES, Floats, Profile, curve, normalised

DEFAULT_DATA = "../shared/data/nab"
RESULTS = Path(__file__).with_name("nab.json")
SPLITS = 200
RESAMPLES = 4000
GRID = 1500
SEED = 1
SILENT = 2.0
"""A threshold that no score reaches."""

Scorer = Callable[[Floats, Floats], Floats]


@dataclass(frozen=True)
class Scored:
    """What one scorer says of all files, and of each kind of their copies."""

    worlds: dict[str, tuple[Sequence[File], Sequence[Floats]]]

    @classmethod
    def of(cls, files: Sequence[File], scorer: Scorer) -> Scored:
        worlds = {"as they are": list(files)}
        worlds |= {name: [copy(file) for file in files] for name, copy in COPIES.items()}
        return cls(
            {
                name: (world, [scorer(file.times, file.values) for file in world])
                for name, world in worlds.items()
            }
        )

    def raws(self, grid: Floats, profile: Profile) -> Floats:
        """float64[worlds, files, thresholds]: raw scores; the files as they are come first."""
        return np.array(
            [
                [curve(file.labels, one, grid, profile) for file, one in zip(*world, strict=True)]
                for world in self.worlds.values()
            ]
        )

    def grid(self) -> Floats:
        """Ascending candidates, the highest scores of all files; the last is silence."""
        found = [one for _, all_found in self.worlds.values() for one in all_found]
        highest = np.unique(np.concatenate([np.sort(one)[-300:] for one in found]))
        highest = highest[highest > 0]
        picked = np.linspace(0, len(highest) - 1, min(GRID, len(highest))).astype(int)
        return np.append(highest[picked], SILENT)


@dataclass(frozen=True)
class Judged:
    """One scorer, one profile.

    score: each file under thresholds chosen on other files and their copies; interval: 95%,
    over files; copies: the same for each kind of copy; alone: the score with thresholds chosen on
    other files without their copies; threshold: that of `THRESHOLD`, or the median of those
    chosen; at_threshold: the score with it; best: with the best of all.
    """

    score: float
    interval: tuple[float, float]
    copies: dict[str, float]
    alone: float
    threshold: float
    at_threshold: float
    best: float


def judge(scored: Scored, profile: Profile) -> Judged:
    """By two-fold cross-validation over files, `SPLITS` times; by `THRESHOLD` if that is given."""
    fixed = os.environ.get("THRESHOLD")
    grid = np.array([float(fixed)]) if fixed else scored.grid()
    raws = scored.raws(grid, profile)
    names, files = list(scored.worlds), scored.worlds["as they are"][0]
    windows = np.array([len(file.labels.windows) for file in files])
    chosen, unseen = cross_validate(raws)
    middle, total = int(np.median(chosen)), windows.sum()
    alone = cross_validate(raws[:1])[1].sum()
    by_world = [normalised(world.sum(), total, profile) for world in unseen]
    return Judged(
        score=by_world[0],
        interval=interval(unseen[0], windows, profile),
        copies=dict(zip(names[1:], by_world[1:], strict=True)),
        alone=normalised(alone, total, profile),
        threshold=float(grid[middle]),
        at_threshold=normalised(raws[0, :, middle].sum(), total, profile),
        best=normalised(raws[0].sum(axis=0).max(), total, profile),
    )


def cross_validate(raws: Floats) -> tuple[NDArray[np.intp], Floats]:
    """(threshold chosen per fold, float64[worlds, files]: mean raw score under the other fold's).

    raws: float64[worlds, files, thresholds]. A file and its copies are in the same fold.
    """
    random, count = np.random.default_rng(SEED), raws.shape[1]
    chosen, unseen = [], np.zeros(raws.shape[:2])
    for _ in range(SPLITS):
        order = random.permutation(count)
        halves = order[: count // 2], order[count // 2 :]
        for train, test in (halves, halves[::-1]):
            chosen.append(int(raws[:, train].sum(axis=(0, 1)).argmax()))
            unseen[:, test] += raws[:, test, chosen[-1]] / SPLITS
    return np.array(chosen), unseen


def interval(unseen: Floats, windows: NDArray[np.intp], profile: Profile) -> tuple[float, float]:
    """95% of the score over files drawn anew."""
    drawn = np.random.default_rng(SEED).integers(0, len(windows), (RESAMPLES, len(windows)))
    known = drawn[windows[drawn].sum(axis=1) > 0]
    values = normalised(unseen[known].sum(axis=1), windows[known].sum(axis=1), profile)
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def per_file(file: File, found: Floats, threshold: float) -> dict[str, Any]:
    """Windows found, false detections, and what they come to on the standard profile."""
    profile = PROFILES["standard"]
    rows = np.flatnonzero(found >= threshold)
    rows = rows[rows >= file.labels.probation]
    inside = [(rows >= left) & (rows <= right) for left, right in file.labels.windows]
    got = curve(file.labels, found, np.array([threshold]), profile)[0]
    return {
        "file": file.name,
        "rows": file.labels.rows,
        "windows": len(inside),
        "found": sum(bool(one.any()) for one in inside),
        "false": len(rows) - int(sum(one.sum() for one in inside)),
        "gain": float(got + profile.false_negative * len(inside)),
    }


class AlwaysNews(Stream):
    """Without the refractory time."""

    def score(self, time: float, value: float) -> float:
        return 1.0 - 10.0 ** -self.evidence(time, value) if np.isfinite(value) else 0.0


class Impatient(Stream):
    """Without asking for more the longer it looks."""

    def asked(self) -> float:
        return 0.5  # what `Stream` asks for at first


def larger_than_ever(times: Floats, values: Floats) -> Floats:
    """The plain peer: by how much of the range so far the value lies outside of it."""
    known = np.where(np.isfinite(values), values, values[np.isfinite(values)][0])
    high, low = np.maximum.accumulate(known)[:-1], np.minimum.accumulate(known)[:-1]
    beyond = np.maximum(np.maximum(known[1:] - high, low - known[1:]), 0.0)
    share = beyond / np.maximum(high - low, 1e-9)
    return np.concatenate(([0.0], share / (1.0 + share)))


def whole(stream: type[Stream]) -> Scorer:
    def score(times: Floats, values: Floats) -> Floats:
        one = stream()
        pairs = zip(times.tolist(), values.tolist(), strict=True)
        return np.array([one.score(*pair) for pair in pairs])

    return score


def variants() -> dict[str, Scorer]:
    """What the ablation compares."""
    from bench import nab_river

    named: dict[str, Scorer] = {}
    for part in PARTS:
        rest = tuple(other for other in PARTS if other is not part)
        named[f"without {part.name}"] = lambda t, v, rest=rest: scores(t, v, rest)
    for part in (nab_river.Trees, nab_river.Adaptive):
        more = (*PARTS, part)
        named[f"with river's {part.name}"] = lambda t, v, more=more: scores(t, v, more)
    named["without refractory time"] = whole(AlwaysNews)
    named["without patience"] = whole(Impatient)
    named["larger than ever seen, alone"] = larger_than_ever
    return named


def line(name: str, judged: Judged) -> str:
    low, high = judged.interval
    copies = ", ".join(f"{score:.1f}" for score in judged.copies.values())
    return (
        f"{name:<28} {judged.score:5.1f} ({low:.1f} to {high:.1f})  copies {copies}  alone "
        f"{judged.alone:.1f}  at {judged.threshold:.3f} {judged.at_threshold:.1f}  best "
        f"{judged.best:.1f}"
    )


def table(rows: Sequence[dict[str, Any]]) -> str:
    head = f"{'file':<58} {'rows':>6} {'found':>7} {'false':>6} {'gain':>7}"
    lines = [
        f"{row['file']:<58} {row['rows']:>6} {row['found']:>3} of {row['windows']} "
        f"{row['false']:>6} {row['gain']:>7.2f}"
        for row in rows
    ]
    found, windows, false = (sum(row[key] for row in rows) for key in ("found", "windows", "false"))
    return "\n".join([head, *lines, f"found {found} of {windows}, {false} false detections"])


def main() -> None:
    folder = Path(os.environ.get("DATA") or DEFAULT_DATA)
    if not (folder / "windows.json").exists():
        sys.exit(f"{folder}: has no windows.json; name the benchmark's folder with DATA=folder")
    files = load(folder)
    begun = time.process_time()
    scored = Scored.of(files, scores)
    seconds = time.process_time() - begun
    rate = sum(len(file.times) for world, _ in scored.worlds.values() for file in world) / seconds
    print(f"{len(files)} files, {rate:,.0f} rows per second of CPU; 95% over files in brackets")
    print(f"copies: {', '.join(COPIES)}")
    profiles = {name: judge(scored, profile) for name, profile in PROFILES.items()}
    print("\n".join(line(name, one) for name, one in profiles.items()))
    threshold = float(os.environ.get("THRESHOLD") or THRESHOLD)
    plain = zip(*scored.worlds["as they are"], strict=True)
    rows = [per_file(file, one, threshold) for file, one in plain]
    print(f"\nat a threshold of {threshold}, standard profile:\n{table(rows)}")
    document: dict[str, Any] = {
        "rows_per_second": rate,
        "profiles": {name: vars(one) for name, one in profiles.items()},
        "threshold": threshold,
        "files": rows,
    }
    if os.environ.get("ABLATION", "") not in ("", "0"):
        document["ablation"] = ablation(files, profiles["standard"])
    RESULTS.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def ablation(files: Sequence[File], everything: Judged) -> dict[str, Any]:
    """Each variant on the standard profile, printed as it is there."""
    print("\nwhat each part adds, standard profile:\n" + line("all", everything))
    results = {"all": vars(everything)}
    for name, scorer in variants().items():
        judged = judge(Scored.of(files, scorer), PROFILES["standard"])
        print(line(name, judged), flush=True)
        results[name] = vars(judged)
    return results


if __name__ == "__main__":
    main()
