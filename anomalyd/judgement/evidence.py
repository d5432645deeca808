"""The detectors of all rows and the one e-value per row that they add up to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomalyd.detectors import DETECTORS
from anomalyd.detectors.base import Context, Detector, Mask, Returns
from anomalyd.detectors.mixture import TILTS, OnsetMixture, bets_on_p
from anomalyd.model import Floats, Rows


@dataclass(frozen=True, slots=True)
class Scores:
    """log_evidence float64[n] (0 = none); leader intp[n], index of the detector that adds most;
    ruled bool[n], a rule of some detector holds; p float64[n], how ordinary this window is
    (1 = as expected), NaN where no detector can say."""

    log_evidence: Floats
    leader: Rows
    ruled: Mask
    p: Floats


class Bank:
    """Runs every detector once per disjoint window and accumulates what they return.

    Predictive p-values are bet on (OnsetMixture); sequential e-values are taken as they are; the
    weighted mean of e-values is an e-value (Vovk and Wang, "E-values", 2021, section 3), the
    shares of detectors that are not ready stay at 1.
    """

    def __init__(self, n: int = 0) -> None:
        self.detectors: list[Detector] = [factory() for factory, _ in DETECTORS]
        self._shares = np.array([share for _, share in DETECTORS])
        self._mixtures = {
            detector.name: OnsetMixture(len(TILTS))
            for detector in self.detectors
            if detector.returns is Returns.PREDICTIVE
        }
        self._last = np.zeros(0)
        self.resize(n)

    @property
    def names(self) -> list[str]:
        return [detector.name for detector in self.detectors]

    def resize(self, n: int) -> None:
        for part in (*self.detectors, *self._mixtures.values()):
            part.resize(n)

    def score(self, context: Context, judged: Mask) -> Scores:
        """Score one window and bet it for `judged` rows."""
        n = len(context.value)
        terms = np.full((len(self.detectors), n), -np.inf)
        used = np.zeros((len(self.detectors), n))
        ruled, ordinary = np.zeros(n, dtype=bool), np.full(n, np.nan)
        for i, detector in enumerate(self.detectors):
            score = detector.score(context)
            ready = np.isfinite(score)
            if detector.returns is Returns.RULE:
                ruled |= ready & (score > 0)
                continue
            if detector.returns is Returns.PREDICTIVE:
                if detector.name == "baseline_deviation":
                    ordinary = score
                mixture = self._mixtures[detector.name]
                mixture.update(bets_on_p(np.where(ready, score, 1.0)), ready & judged)
                score, ready = mixture.log_value(), mixture.age > 0
            used[i] = np.where(ready, self._shares[i], 0.0)
            terms[i] = np.where(ready, np.where(ready, score, 0.0) + np.log(self._shares[i]), -np.inf)
        rest = np.clip(1.0 - used.sum(axis=0), 1e-12, None)
        total = np.logaddexp(np.logaddexp.reduce(terms, axis=0), np.log(rest))
        return Scores(total, terms.argmax(axis=0), ruled & judged, ordinary)

    def learn(self, context: Context, mask: Mask) -> None:
        for detector in self.detectors:
            detector.learn(context, mask)

    def reset(self, rows: Rows) -> None:
        for part in (*self.detectors, *self._mixtures.values()):
            part.reset(rows)

    def forget_evidence(self, rows: Rows) -> None:
        """Begin anew after an anomaly resolved; what was learned of the run's level stays."""
        for detector in self.detectors:
            if detector.returns is Returns.SEQUENTIAL:
                detector.reset(rows)
        for mixture in self._mixtures.values():
            mixture.reset(rows)

    def dump(self) -> dict[str, np.ndarray]:
        parts = {d.name: d for d in self.detectors}
        state = {f"{k}.{name}": v for k, part in parts.items() for name, v in part.dump().items()}
        for k, mixture in self._mixtures.items():
            state |= {f"{k}.mixture.{name}": v for name, v in mixture.dump().items()}
        return state

    def load(self, state: dict[str, np.ndarray]) -> None:
        for detector in self.detectors:
            detector.load(_below(state, detector.name))
        for name, mixture in self._mixtures.items():
            mixture.load(_below(state, f"{name}.mixture"))


def _below(state: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {k.removeprefix(f"{prefix}."): v for k, v in state.items() if k.startswith(f"{prefix}.")}
