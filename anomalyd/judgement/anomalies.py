"""pending → firing → resolved, per signal series."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anomalyd.detectors.base import Arrays, Context, Mask
from anomalyd.judgement.evidence import Scores
from anomalyd.model import Floats, Rows, State

PENDING = np.log(20.0)
"""Evidence at which a series alone would be suspicious at 5%: shown, not told to anybody."""

CALM_SDS = 2.0
"""A row is calm within `tolerate` and this many sds of where it was before it began to rise, or of
production where the run as a whole is off."""


_ARRAYS = ("state", "since", "fired_at", "calm_since", "seen_at", "peak", "level", "known")


@dataclass(frozen=True, slots=True)
class Transitions:
    """Rows that changed at this window; calm: bool[n], those whose values are ordinary."""

    fired: Rows
    resolved: Rows
    calm: Mask


class Anomalies:
    """State per row: state int8[n]; since float64[n], when evidence last began to rise, or the
    values stopped; fired_at, calm_since, seen_at (when it last had a value) float64[n]; peak
    float64[n], the largest log e-value of the run. level, known float64[n]: mean residual of the
    windows before it began to rise, and how many they were."""

    def __init__(self, keep_firing_for: float) -> None:
        self._keep = keep_firing_for
        self.state = np.zeros(0, dtype=np.int8)
        self.since: Floats = np.zeros(0)
        self.fired_at: Floats = np.zeros(0)
        self.calm_since: Floats = np.zeros(0)
        self.seen_at: Floats = np.zeros(0)
        self.peak: Floats = np.zeros(0)
        self.level: Floats = np.zeros(0)
        self.known: Floats = np.zeros(0)

    def resize(self, n: int) -> None:
        more = n - len(self.state)
        self.state = np.pad(self.state, (0, more))
        for name in ("since", "fired_at", "calm_since", "seen_at"):
            setattr(self, name, np.pad(getattr(self, name), (0, more), constant_values=np.nan))
        for name in ("peak", "level", "known"):
            setattr(self, name, np.pad(getattr(self, name), (0, more)))

    def reset(self, rows: Rows) -> None:
        self.state[rows] = State.OK
        for times in (self.since, self.fired_at, self.calm_since, self.seen_at):
            times[rows] = np.nan
        self.peak[rows] = self.level[rows] = self.known[rows] = 0.0

    def fire(self, row: int, since: float, at: float, evidence: float) -> None:
        """A row that was firing before a restart."""
        self.peak[row] = max(self.peak[row], evidence)
        if self.state[row] != State.FIRING:
            self.state[row] = State.FIRING
            self.since[row], self.fired_at[row], self.calm_since[row] = since, at, np.nan

    def resolve(self, row: int, evidence: float) -> None:
        """A row that had fired, and resolved, before a restart."""
        self.peak[row] = max(self.peak[row], evidence)
        self.state[row] = State.RESOLVED

    def dump(self) -> dict[str, NDArray[np.generic]]:
        return {name: getattr(self, name).copy() for name in _ARRAYS}

    def load(self, state: Arrays) -> None:
        for name in _ARRAYS:
            setattr(self, name, np.array(state[name]))

    @property
    def firing(self) -> Mask:
        return self.state == State.FIRING

    def step(
        self, context: Context, scores: Scores, log_threshold: Floats, judged: Mask, silenced: Mask
    ) -> Transitions:
        """Advance every judged row by one window; silenced rows may rise but not fire, and a row
        fires only at a window that is itself out of the ordinary."""
        firing = self.firing
        start = context.time - context.window
        rising = judged & ~firing & (scores.log_evidence > np.log(2.0))
        self.since[rising & np.isnan(self.since)] = start
        self.since[judged & ~firing & ~rising] = np.nan
        self.peak[judged] = np.maximum(self.peak[judged], scores.log_evidence[judged])

        off = (scores.whole_run | self._strange(context)) & ~firing
        calm = self._is_calm(context, scores, np.where(off, 0.0, self.level))
        crossed = judged & (scores.log_evidence >= log_threshold)
        crossed = (crossed | scores.ruled) & ~firing & ~silenced & ~calm
        as_before = self._is_calm(context, scores, self.level)
        self.level[crossed & (scores.whole_run | as_before)] = 0.0
        pending = judged & ~firing & ~crossed
        self.state[pending & (scores.log_evidence >= PENDING)] = State.PENDING
        settled = pending & (scores.log_evidence < PENDING) & (self.state == State.PENDING)
        self.state[settled] = State.OK
        self.state[crossed] = State.FIRING
        self.fired_at[crossed] = context.time
        self.calm_since[crossed] = np.nan
        gone = crossed & scores.ruled
        self.since[gone] = self.seen_at[gone]
        self.since[crossed & np.isnan(self.since)] = start
        self.seen_at[np.isfinite(context.value) & ~context.ceased] = context.time

        self._follow(context, judged & ~firing & ~rising)
        self.calm_since[firing & ~calm] = np.nan
        self.calm_since[firing & calm & np.isnan(self.calm_since)] = start
        done = firing & calm & (context.time - self.calm_since >= self._keep)
        self.state[done] = State.RESOLVED
        return Transitions(np.flatnonzero(crossed), np.flatnonzero(done), calm)

    def _follow(self, context: Context, ordinary: Mask) -> None:
        rows = np.flatnonzero(ordinary & np.isfinite(context.residual))
        self.known[rows] += 1
        self.level[rows] += context.apart_from(self.level)[rows] / self.known[rows]

    def _strange(self, context: Context) -> Mask:
        """bool[n]: rows whose own level is farther from production than a good run's would be."""
        allowed = context.tolerate + CALM_SDS * np.sqrt(context.difference)
        worse = np.where(context.sign == 0, np.abs(self.level), self.level * context.sign)
        return np.asarray(worse > allowed)

    def _is_calm(self, context: Context, scores: Scores, level: Floats) -> Mask:
        """bool[n]: the row is there, and back to where it was (for counts: to what is allowed)."""
        spread = np.sqrt(context.bad_ratio * (1 - context.bad_ratio) / np.maximum(context.total, 1))
        allowed = context.bad_ratio + context.tolerate + CALM_SDS * spread
        counted = context.bad / np.maximum(context.total, 1) <= allowed
        sd = np.sqrt(context.noise**2 / (1 - context.phi**2) + context.sampling)
        away = context.apart_from(level)
        worse = np.where(context.sign == 0, np.abs(away), away * context.sign)
        near = worse <= context.tolerate + CALM_SDS * sd
        ordinary = np.where(np.isfinite(context.total), counted, near)
        return ordinary & np.isfinite(context.value) & ~scores.ruled
