"""The detectors of all rows and the one e-value per row that they add up to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomalyd.detectors import DETECTORS
from anomalyd.detectors.base import Arrays, Context, Detector, Mask, Once, Returns
from anomalyd.detectors.baseline_deviation import BaselineDeviation
from anomalyd.detectors.mixture import TILTS, OnsetMixture, bets_on_p
from anomalyd.detectors.run_shift import RunShift
from anomalyd.detectors.trend import Trend
from anomalyd.model import Floats, Rows

BLOCK = 8192
"""Rows that are worked on at once, so that what comes and goes stays in the cache."""

SCRATCH_BYTES = 4 << 20
"""About what a block needs for what comes and goes."""


@dataclass(frozen=True, slots=True)
class Scores:
    """log_evidence float64[n] (0 = none); leader intp[n], index of the detector that adds most;
    ruled bool[n], a rule of some detector holds; whole_run bool[n], what leads speaks of the run
    as a whole against production, not of a change within it."""

    log_evidence: Floats
    leader: Rows
    ruled: Mask
    whole_run: Mask


class Bank:
    """Runs every detector once per disjoint window and accumulates what they return.

    Predictive p-values are bet on (OnsetMixture); sequential e-values are taken as they are; the
    weighted mean of e-values is an e-value (Vovk and Wang, "E-values", 2021, section 3), the
    shares of detectors that are not ready stay at 1. Rows are independent of one another, and
    are worked on in blocks.
    """

    def __init__(self, n: int = 0) -> None:
        self._n = 0
        self._blocks: list[_Block] = []
        self._parts = Once(self._split)
        _keep_scratch()
        self.names = [detector.name for detector in _Block().detectors]
        self.resize(n)

    def time_to(self, row: int, limit: float, window: float) -> float:
        """Seconds until the row reaches `limit` (its unit) at its present slope, inf if never."""
        trends = (d for d in self._blocks[row // BLOCK].detectors if isinstance(d, Trend))
        limits = np.full(min(self._n, BLOCK), limit)
        return min(float(trend.time_to(limits, window)[row % BLOCK]) for trend in trends)

    def resize(self, n: int) -> None:
        self._n = n
        while len(self._blocks) * BLOCK < n:
            self._blocks.append(_Block())
        for start, block in self._placed():
            block.resize(min(n - start, BLOCK))
        self._parts.forget()

    def score(self, context: Context, judged: Mask, watched: Mask | None = None) -> Scores:
        """Score one window and bet it for `judged` rows; rules hold for `watched` ones (None:
        the judged ones), whose presence counts whether or not their values can be judged."""
        watched = judged if watched is None else watched
        log_evidence, leader = np.zeros(self._n), np.zeros(self._n, dtype=np.intp)
        ruled = np.zeros(self._n, dtype=bool)
        for (start, block), part in zip(self._placed(), self._parts(context), strict=True):
            rows = slice(start, start + BLOCK)
            log_evidence[rows], leader[rows], ruled[rows] = block.score(part, judged[rows])
        whole_run = leader == self.names.index(RunShift.name)
        return Scores(log_evidence, leader, ruled & watched, whole_run)

    def learn(self, context: Context, mask: Mask, watched: Mask | None = None) -> None:
        """Rules learn from `watched` rows (None: those of `mask`), all others from `mask`."""
        watched = mask if watched is None else watched
        for (start, block), part in zip(self._placed(), self._parts(context), strict=True):
            rows = slice(start, start + BLOCK)
            block.learn(part, mask[rows], watched[rows])
        self._parts.forget()

    def reset(self, rows: Rows) -> None:
        for block, inside in self._holding(rows):
            block.reset(inside)

    def forget_evidence(self, rows: Rows) -> None:
        """Begin anew after an anomaly resolved; what was learned of the run's level stays."""
        for block, inside in self._holding(rows):
            block.forget_evidence(inside)

    def dump(self) -> dict[str, NDArray[np.generic]]:
        """Arrays whose last axis is the row."""
        dumps = [block.dump() for block in self._blocks] or [_Block().dump()]
        return {name: np.concatenate([d[name] for d in dumps], axis=-1) for name in dumps[0]}

    def load(self, state: Arrays) -> None:
        """The state of as many rows as there are."""
        for start, block in self._placed():
            block.load({k: v[..., start : start + BLOCK] for k, v in state.items()})
        self._parts.forget()

    def _split(self, context: Context) -> list[Context]:
        return [context.take(slice(start, start + BLOCK)) for start, _ in self._placed()]

    def _placed(self) -> Iterator[tuple[int, _Block]]:
        return zip(range(0, len(self._blocks) * BLOCK, BLOCK), self._blocks, strict=True)

    def _holding(self, rows: Rows) -> Iterator[tuple[_Block, Rows]]:
        for start, block in self._placed():
            inside = rows[(rows >= start) & (rows < start + BLOCK)] - start
            if inside.size:
                yield block, inside


def _keep_scratch() -> None:
    """Let what a block frees be used again: glibc returns memory to the system beyond a threshold
    that it raises to the largest chunk ever freed (mallopt(3), M_MMAP_THRESHOLD), and fetching it
    anew costs a third of the whole."""
    np.empty(SCRATCH_BYTES, dtype=np.uint8)


class _Block:
    """Every detector over at most `BLOCK` rows."""

    def __init__(self) -> None:
        self.detectors: list[Detector] = [factory() for factory, _ in DETECTORS]
        self._mixtures = {
            detector.name: OnsetMixture(len(TILTS))
            for detector in self.detectors
            if detector.returns is Returns.PREDICTIVE
        }

    @property
    def _stateful(self) -> Sequence[Detector | OnsetMixture]:
        return (*self.detectors, *self._mixtures.values())

    def resize(self, n: int) -> None:
        for part in self._stateful:
            part.resize(n)

    def score(self, context: Context, judged: Mask) -> tuple[Floats, Rows, Mask]:
        n = len(context.value)
        total, best = np.ones(n), np.zeros(n)
        leader, ruled = np.zeros(n, dtype=np.intp), np.zeros(n, dtype=bool)
        for i, (detector, share) in enumerate(zip(self.detectors, SHARES, strict=True)):
            score = detector.score(context)
            if detector.returns is Returns.RULE:
                ruled |= score > 0
                continue
            if detector.returns is Returns.PREDICTIVE:
                score = self._accumulate(detector.name, score, judged, context.brief)
            held = share * np.exp(np.minimum(np.where(np.isnan(score), 0.0, score), MOST))
            total += held - share
            better = held > best
            leader[better] = i
            np.maximum(best, held, out=best)
        return np.log(np.maximum(total, LEAST)), leader, ruled

    def _accumulate(self, name: str, p: Floats, judged: Mask, brief: Floats) -> Floats:
        mixture, ready = self._mixtures[name], np.isfinite(p)
        bets = bets_on_p(np.where(ready, p, 1.0))
        mixture.commit(mixture.after((bets, bets), np.exp(brief)), ready & judged)
        return mixture.log_value()

    def learn(self, context: Context, mask: Mask, watched: Mask) -> None:
        for detector in self.detectors:
            detector.learn(context, watched if detector.returns is Returns.RULE else mask)

    def reset(self, rows: Rows) -> None:
        for part in self._stateful:
            part.reset(rows)

    def forget_evidence(self, rows: Rows) -> None:
        for detector in self.detectors:
            if isinstance(detector, BaselineDeviation):
                detector.forget_evidence(rows)
            elif detector.returns is Returns.SEQUENTIAL:
                detector.reset(rows)
        for mixture in self._mixtures.values():
            mixture.reset(rows)

    def dump(self) -> dict[str, NDArray[np.generic]]:
        return {f"{k}.{name}": v for k, part in self._named() for name, v in part.dump().items()}

    def load(self, state: Arrays) -> None:
        for name, part in self._named():
            part.load(_below(state, name))

    def _named(self) -> Iterator[tuple[str, Detector | OnsetMixture]]:
        yield from ((detector.name, detector) for detector in self.detectors)
        yield from ((f"{name}:mixture", mixture) for name, mixture in self._mixtures.items())


SHARES = tuple(share for _, share in DETECTORS)

LEAST, MOST = 1e-12, 600.0
"""An e-value is never told to be below `LEAST`, nor its log above `MOST`: there rounding rules."""


def _below(state: Mapping[str, NDArray[np.generic]], name: str) -> Arrays:
    return {k.removeprefix(f"{name}."): v for k, v in state.items() if k.startswith(f"{name}.")}
