"""The detectors of all rows and the one e-value per row that they add up to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from anomalyd.detectors import DETECTORS
from anomalyd.detectors.base import Context, Detector, Mask, Returns
from anomalyd.detectors.baseline_deviation import BaselineDeviation
from anomalyd.detectors.mixture import TILTS, OnsetMixture, bets_on_p
from anomalyd.model import Floats, Rows


@dataclass(frozen=True, slots=True)
class Scores:
    """log_evidence float64[n] (0 = none); leader intp[n], index of the detector that adds most;
    ruled bool[n], a rule of some detector holds."""

    log_evidence: Floats
    leader: Rows
    ruled: Mask


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
        self.resize(n)

    @property
    def names(self) -> list[str]:
        return [detector.name for detector in self.detectors]

    def resize(self, n: int) -> None:
        for detector in self.detectors:
            detector.resize(n)
        for mixture in self._mixtures.values():
            mixture.resize(n)

    def score(self, context: Context, judged: Mask) -> Scores:
        """Score one window and bet it for `judged` rows."""
        n = len(context.value)
        terms = np.full((len(self.detectors), n), -np.inf)
        used = np.zeros((len(self.detectors), n))
        ruled = np.zeros(n, dtype=bool)
        for i, detector in enumerate(self.detectors):
            score = detector.score(context)
            ready = np.isfinite(score)
            if detector.returns is Returns.RULE:
                ruled |= ready & (score > 0)
                continue
            if detector.returns is Returns.PREDICTIVE:
                mixture = self._mixtures[detector.name]
                bets = bets_on_p(np.where(ready, score, 1.0))
                mixture.update((bets, bets), ready & judged)
                score, ready = mixture.log_value(), mixture.age > 0
            used[i] = np.where(ready, self._shares[i], 0.0)
            terms[i] = np.where(
                ready, np.where(ready, score, 0.0) + np.log(self._shares[i]), -np.inf
            )
        rest = np.clip(1.0 - used.sum(axis=0), 1e-12, None)
        total = np.logaddexp(np.logaddexp.reduce(terms, axis=0), np.log(rest))
        return Scores(total, terms.argmax(axis=0), ruled & judged)

    def learn(self, context: Context, mask: Mask) -> None:
        for detector in self.detectors:
            detector.learn(context, mask)

    def reset(self, rows: Rows) -> None:
        for detector in self.detectors:
            detector.reset(rows)
        for mixture in self._mixtures.values():
            mixture.reset(rows)

    def forget_evidence(self, rows: Rows) -> None:
        """Begin anew after an anomaly resolved; what was learned of the run's level stays."""
        for detector in self.detectors:
            if isinstance(detector, BaselineDeviation):
                detector.forget_evidence(rows)
            elif detector.returns is Returns.SEQUENTIAL:
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
