"""Slow, obvious twins: one object per series, plain Python, formulas as they stand in the papers.

`Twin`s are compared with the detectors window by window over streams with gaps, masks and resets.
"""

from __future__ import annotations

import copy
import math
from dataclasses import fields
from typing import Any

import numpy as np

from anomalyd.detectors import absence, baseline_deviation, count_deviation, level_filter
from anomalyd.detectors.base import Context, Detector

TILTS = (0.5, 1.0, 2.0, 3.0)


def row_of(context: Context, i: int) -> dict[str, Any]:
    """One series' view of a window: plain floats and bools by name."""
    out: dict[str, Any] = {}
    for field in fields(Context):
        of_all = getattr(context, field.name)
        out[field.name] = of_all[i].item() if isinstance(of_all, np.ndarray) else of_all
    return out


def score_of(p: float) -> float:
    """Abramowitz and Stegun 26.2.23, less 1e-3."""
    tail = max(min(p, 1 - p), 1e-300)
    t = math.sqrt(-2 * math.log(tail))
    above = 2.515517 + 0.802853 * t + 0.010328 * t**2
    below = 1 + 1.432788 * t + 0.189269 * t**2 + 0.001308 * t**3
    z = t - above / below
    return (z if p <= 0.5 else -z) - 1e-3


def tilted(p: float) -> list[float]:
    return [math.exp(tilt * score_of(p) - tilt**2 / 2) for tilt in TILTS]


class Onsets:
    """Σ_k π_k mean_j Π_{i >= k} min(f_ij, e^5.5) + the mass still to come, term by term."""

    def __init__(self) -> None:
        self.windows: list[tuple[list[float], list[float]]] = []

    def value(self, extra: tuple[list[float], list[float]] | None = None) -> float:
        windows = [*self.windows, *([extra] if extra is not None else [])]
        unspent, total = 1.0, 0.0
        for onset in range(len(windows)):
            mass = unspent * (0.3 if onset == 0 else 1 / 40)
            unspent -= mass
            bets = len(windows[onset][1])
            for j in range(bets):
                stake = min(windows[onset][1][j], math.exp(5.5))
                for going_on, _ in windows[onset + 1 :]:
                    stake *= min(going_on[j], math.exp(5.5))
                total += mass * stake / bets
        return math.log(total + unspent)


class FilterTwin:
    """State (o, b, c, a, d) with numpy matrices; F, Q, H, R as in Harvey 1989, 3.2."""

    def __init__(self) -> None:
        self.x: np.ndarray | None = None
        self.seen, self.scale, self.beyond = 0, 1.0, 0.0

    def transition(self, w):
        slow = math.exp(-w["window"] / level_filter.WANDER_SECONDS)
        return np.diag([1.0, 1.0, 1.0, w["phi"], slow])

    def ahead(self, w):
        f = self.transition(w)
        variance = self.scale * w["noise"] ** 2
        own = variance / (1 - w["phi"] ** 2)
        slow = w["wander"] ** 2 * own
        if self.x is None:
            p = np.diag([w["offset"] ** 2, w["slope"] ** 2, w["shift"] ** 2, own, slow])
            p[0, 0] += self.overload(w)
            p[1, 2] = p[2, 1] = w["slope_with_shift"]
            return np.zeros(5), p
        offset = self.overload(w) if self.moved(w) else 0.0
        q = np.diag([offset, 0.0, 0.0, variance, slow * (1 - f[4, 4] ** 2)])
        return f @ self.x, f @ self.p @ f.T + q

    def moved(self, w):
        return abs(w["beyond"] - self.beyond) > level_filter.MOVED

    def overload(self, w):
        return w["overload"] ** 2 * abs(w["beyond"] ** 2 - self.beyond**2)

    def design(self, w):
        return np.array([1.0, w["load"], w["steepness"], 1.0, 1.0])

    def foretell(self, w):
        """Innovation, its sd, gain; NaN where there is no residual."""
        x, p = self.ahead(w)
        h = self.design(w)
        variance = h @ p @ h + w["sampling"]
        return w["residual"] - h @ x, math.sqrt(variance), p @ h / variance

    def learn(self, w, mask):
        if not (mask and math.isfinite(w["residual"])):
            if self.x is not None:
                self.x, self.p = self.ahead(w)
                self.beyond = w["beyond"] if self.moved(w) else self.beyond
            return
        error, sd, gain = self.foretell(w)
        begun = self.x is None
        self.x, self.p = self.ahead(w)
        self.beyond = w["beyond"] if begun or self.moved(w) else self.beyond
        most = level_filter.CLIP * sd
        clipped = max(-most, min(most, error))
        weight = min(1.0, most / abs(error)) if error else 1.0
        self.x = self.x + weight * gain * error + np.array([0, 0, 0, error - clipped, 0])
        self.p = self.p - weight * np.outer(gain, gain) * sd**2
        surprise = (clipped / sd) ** 2 / level_filter.ORDINARY - 1
        self.scale *= 1 + surprise / (self.seen + w["sure"])
        self.scale = max(level_filter.SCALES[0], min(level_filter.SCALES[1], self.scale))
        self.seen += 1


class Onset:
    """Stakes on steps that began at one window, and what the filter has learned of a unit step."""

    def __init__(self, stake: float, bets: int) -> None:
        self.wealth = [stake / bets] * bets
        self.response, self.age = np.zeros(5), 0

    def left(self, w, design) -> float:
        """Of a unit step in this window's innovation."""
        return min(1.0, (self.age + 1) / w["smear"]) - design @ self.response

    @property
    def total(self) -> float:
        return sum(self.wealth)


class StepsTwin:
    """Likelihood ratios of Student t densities, one object per onset that is bet on."""

    def __init__(self) -> None:
        self.filter = FilterTwin()
        self.forget_evidence()

    def forget_evidence(self):
        self.slots: list[Onset] = []
        self.cash, self.unspent = 0.0, 1.0

    def steps(self, w):
        """(size beyond what is tolerated, what is tolerated) with their signs."""
        if w["sign"] == 0:
            sizes = baseline_deviation.BOTH_WAYS.tolist()
        else:
            sizes = [w["sign"] * size for size in baseline_deviation.SIZES]
        return [(s * w["size"], math.copysign(w["tolerate"], s)) for s in sizes]

    def bets(self, w):
        past = min(max(2, math.ceil(baseline_deviation.OWN_PAST / w["window"])), 4)
        return math.isfinite(w["residual"]) and self.filter.seen >= past

    def after(self, w):
        """Onsets, cash and unspent mass once this window is bet on."""
        error, sd, _ = self.filter.foretell(w)
        slots, cash = copy.deepcopy(self.slots), self.cash
        stake = self.unspent * baseline_deviation.HAZARD
        steps = self.steps(w)
        new = Onset(stake, len(steps))
        f, h = self.filter.transition(w), self.filter.design(w)
        for onset in slots:
            onset.response = f @ onset.response
        if len(slots) < baseline_deviation.ONSETS:
            slots.append(new)
        else:
            poorest = min(range(len(slots)), key=lambda i: slots[i].total)
            cash += slots[poorest].total
            slots[poorest] = new
        for onset in slots:
            left = onset.left(w, h)
            for j, (size, tolerated) in enumerate(steps):
                null = density4((error - tolerated * left) / sd)
                share = float(baseline_deviation.SHARES[j])
                there = left if share == 1 else 1
                other = density4((error - tolerated * left - size * there) / sd)
                factor = share * other / null + (1 - share)
                grown = onset.wealth[j] * min(factor, math.exp(w["brief"]))
                onset.wealth[j] = min(grown, float(baseline_deviation.RICH))
        return slots, cash, self.unspent - stake

    def score(self, w):
        if math.isnan(w["noise"]):
            return math.nan
        slots, cash, unspent = self.slots, self.cash, self.unspent
        if self.bets(w):
            slots, cash, unspent = self.after(w)
        return math.log(sum(onset.total for onset in slots) + cash + unspent)

    def learn(self, w, mask):
        if math.isnan(w["noise"]):
            return
        if mask and self.bets(w):
            self.slots, self.cash, self.unspent = self.after(w)
        else:
            for onset in self.slots:
                onset.response = self.filter.transition(w) @ onset.response
        if mask and math.isfinite(w["residual"]):
            _, _, gain = self.filter.foretell(w)
            for onset in self.slots:
                left = onset.left(w, self.filter.design(w))
                onset.response = onset.response + gain * left
        for onset in self.slots:
            onset.age += 1
        self.filter.learn(w, mask)


def density4(t: float) -> float:
    """Student t with 4 degrees of freedom."""
    return 0.375 * (1 + t * t / 4) ** -2.5


class CountTwin:
    def __init__(self) -> None:
        self.onsets = Onsets()

    def bets(self, w):
        if not (w["total"] > 0 and math.isfinite(w["bad"]) and math.isfinite(w["bad_ratio"])):
            return None
        ratio = min(w["bad_ratio"] + w["tolerate"], 1.0)
        null = w["total"] * ratio
        factors = []
        size = 1 / w["burst"]
        for excess in count_deviation.EXCESS.tolist():
            other = w["total"] * min(ratio + excess, 1.0)
            log = negative_binomial(w["bad"], other, size)
            log -= negative_binomial(w["bad"], null, size)
            factors.append(math.exp(min(log, 5.5)))
        return factors, factors

    def score(self, w):
        if math.isnan(w["bad_ratio"]):
            return math.nan
        return self.onsets.value(self.bets(w))

    def learn(self, w, mask):
        bets = self.bets(w)
        if mask and bets is not None:
            self.onsets.windows.append(bets)


def negative_binomial(k: float, mean: float, size: float) -> float:
    """Log probability of k with this mean and size, gamma functions and all."""
    return (
        math.lgamma(k + size) - math.lgamma(size) - math.lgamma(k + 1)
        + size * math.log(size / (size + mean)) + k * math.log(mean / (size + mean))
    )  # fmt: skip


class TrendTwin:
    def __init__(self) -> None:
        self.block: list[float] = []
        self.before: float | None = None
        self.onsets = Onsets()

    def bets(self, w):
        last = len(self.block) == 3 and self.before is not None
        if not last or math.isnan(w["residual"]) or w["sign"] == 0:
            return None
        drift = (sum(self.block) + w["residual"]) / 4 - self.before
        sd = math.sqrt(2 * (w["noise"] ** 2 / (1 - w["phi"] ** 2) + w["sampling"] / 4))
        z = max(-3.0, min(3.0, (w["sign"] * drift - w["tolerate"]) / sd))
        factors = [math.exp(tilt * z - tilt**2 / 2) for tilt in TILTS]
        return factors, factors

    def score(self, w):
        if self.before is None or w["sign"] == 0:
            return math.nan
        return self.onsets.value(self.bets(w))

    def learn(self, w, mask):
        bets = self.bets(w)
        if mask and bets is not None:
            self.onsets.windows.append(bets)
        if mask and not math.isnan(w["residual"]):
            self.block.append(w["residual"])
        if len(self.block) == 4:
            self.before, self.block = sum(self.block) / 4, []


class RunShiftTwin:
    def __init__(self) -> None:
        self.seen: list[tuple[float, float]] = []
        self.looks = [0.0, 0.0]

    def score(self, w):
        if len(self.seen) < 8:
            return math.nan
        return math.log((math.exp(self.looks[0]) + math.exp(self.looks[1])) / 2)

    def learn(self, w, mask):
        if not mask or math.isnan(w["residual"]) or len(self.seen) >= 32:
            return
        self.seen.append((w["residual"], self.difference(w)))
        if len(self.seen) in (8, 32):
            self.looks[(8, 32).index(len(self.seen))] = self.bet(w)

    def bet(self, w):
        k = len(self.seen)
        values = [residual for residual, _ in self.seen]
        halves = [float(np.median(values[: k // 2])), float(np.median(values[k // 2 :]))]
        fast, slow = (np.full((k, k), rho) ** apart(k) for rho in (w["phi"], self.slow(w)))
        own = w["noise"] ** 2 / (1 - w["phi"] ** 2)
        fast = own * fast + w["sampling"] * np.eye(k)
        of_median = math.pi / 2 * fast.mean() + w["wander"] ** 2 * own * slow.mean()
        sd = math.sqrt(np.mean([difference for _, difference in self.seen]) + of_median)
        worse = min(w["sign"] * half for half in halves)
        if w["sign"] == 0:
            alike = (min(halves) > 0) or (max(halves) < 0)
            worse = min(abs(half) for half in halves) if alike else 0.0
        z = (worse - w["tolerate"]) / sd
        mean = sum(math.exp(t * z - t * t / 2) for t in (1, 2, 3, 4, 6)) / 5
        return math.log(mean / 2 if w["sign"] == 0 else mean)

    def difference(self, w):
        x, both = np.array([w["load"], w["steepness"]]), w["slope_with_shift"]
        line = x @ np.array([[w["slope"] ** 2, both], [both, w["shift"] ** 2]]) @ x
        return w["offset"] ** 2 + line + (w["overload"] * w["beyond"]) ** 2

    def slow(self, w):
        return math.exp(-w["window"] / level_filter.WANDER_SECONDS)


def apart(k: int) -> np.ndarray:
    """How many windows lie between any two of k."""
    at = np.arange(k)
    return np.abs(at[:, np.newaxis] - at)


class AbsenceTwin:
    def __init__(self) -> None:
        self.seen, self.missed = False, 0

    def score(self, w):
        if not w["answered"]:
            return math.nan
        missed = self.missed + 1 if math.isnan(w["value"]) else 0
        patience = absence.LONE_PATIENCE if w["lone"] else absence.PATIENCE
        seen = self.seen or w["shown"]
        return float(w["usual"] and seen and missed >= max(patience, 2 * w["gap"] + 1))

    def learn(self, w, mask):
        if mask and not math.isnan(w["value"]):
            self.seen, self.missed = True, 0
        elif mask and w["answered"]:
            self.missed += 1


def compare(detector: Detector, twin: type, stream, rtol=1e-6, atol=1e-8) -> int:
    """Hold the detector to its twin over a stream; returns how many finite scores agreed."""
    n = len(stream[0].context.value)
    detector.resize(n)
    twins = [twin() for _ in range(n)]
    agreed = 0
    for step in stream:
        for row in step.resets:
            twins[row] = twin()
        detector.reset(np.array(step.resets, dtype=np.intp))
        rows = [row_of(step.context, i) for i in range(n)]
        expected = np.array([t.score(w) for t, w in zip(twins, rows, strict=True)])
        got = detector.score(step.context)
        np.testing.assert_allclose(got, expected, rtol=rtol, atol=atol)
        agreed += int(np.isfinite(expected).sum())
        detector.learn(step.context, step.mask)
        for t, w, mask in zip(twins, rows, step.mask, strict=True):
            t.learn(w, bool(mask))
    return agreed
