"""Windows made by hand, and random streams of them with all that makes life hard."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st

from anomalyd.detectors.base import Context, Detector, Mask
from anomalyd.model import Floats

WINDOW = 30.0


def window(n: int, t: int = 0, **arrays: object) -> Context:
    """A plain window of n rows with a profile, noise 0.1, worse up; name what shall differ."""
    nan = np.full(n, np.nan)
    plain = Context(
        time=(t + 1) * WINDOW,
        window=WINDOW,
        smear=1,
        value=np.ones(n),
        residual=np.zeros(n),
        season=np.zeros(n),
        sampling=np.zeros(n),
        noise=np.full(n, 0.1),
        phi=np.zeros(n),
        wander=np.full(n, 0.1),
        sure=np.full(n, 200.0),
        offset=np.full(n, 0.2),
        slope=np.full(n, 0.1),
        shift=np.full(n, 0.25),
        slope_with_shift=np.zeros(n),
        load=np.zeros(n),
        steepness=np.zeros(n),
        beyond=np.zeros(n),
        overload=np.full(n, 1.5),
        tolerate=np.full(n, 0.05),
        size=np.ones(n),
        sign=np.ones(n),
        bad=nan,
        total=nan,
        bad_ratio=nan,
        burst=np.full(n, 0.1),
        brief=np.full(n, 5.5),
        answered=np.ones(n, dtype=bool),
        shown=np.zeros(n, dtype=bool),
        lone=np.zeros(n, dtype=bool),
        few=np.zeros(n, dtype=bool),
        ceased=np.zeros(n, dtype=bool),
        usual=np.ones(n, dtype=bool),
        gap=np.zeros(n),
    )
    given = {
        name: np.broadcast_to(np.asarray(value, dtype=getattr(plain, name).dtype), (n,)).copy()
        for name, value in arrays.items()
    }
    return replace(plain, **given)


def counted(n: int, t: int, bad: Floats, total: Floats, ratio: float = 0.01) -> Context:
    """A window of ratios of counts."""
    nan = np.full(n, np.nan)
    return window(
        n, t, value=bad / np.maximum(total, 1), residual=nan, bad=bad, total=total,
        bad_ratio=ratio, tolerate=0.005,
    )  # fmt: skip


@dataclass(frozen=True)
class Step:
    context: Context
    mask: Mask
    resets: list[int]


class Stream(list[Step]):
    """Told by its seed where a test fails."""

    seed: int

    def __repr__(self) -> str:
        return f"stream({self.seed})"


def stream(seed: int, windows: int, n: int) -> Stream:
    """n rows, among them counts, rows without a profile, every sign; shifts, spikes, gaps."""
    rng = np.random.default_rng(seed)
    phi, noise = rng.choice([0.0, 0.4, 0.9], n), rng.choice([0.02, 0.1, 0.5], n)
    sign, tolerate = rng.choice([-1.0, 0.0, 1.0], n), rng.choice([0.0, 0.05, 0.3], n)
    offset, slope = rng.choice([0.0, 0.2], n), rng.choice([0.0, 0.1], n)
    shift, smear = rng.choice([0.0, 0.25], n), int(rng.choice([1, 1, 3]))
    overload = rng.choice([0.0, 1.5], n)
    sampling = rng.choice([0.0, 1e-3], n)
    wander, sure = rng.choice([0.0, 0.4, 0.9], n), rng.choice([24.0, 400.0], n)
    size, burst = rng.choice([0.5, 1.0, 4.0], n), rng.choice([0.01, 0.2], n)
    brief = rng.choice([2.5, 5.5], n)
    counts = rng.random(n) < 0.3
    stranger = rng.random(n) < 0.15
    usual, gap = rng.random(n) < 0.8, rng.choice([0.0, 1.0, 2.5], n)
    ratio, holes = rng.choice([0.001, 0.01, 0.9], n), rng.choice([0.0, 0.1, 0.6])
    jump = rng.choice([0.0, 0.3, 2.0], n) * noise
    onset = rng.integers(0, windows + 1, n)
    steps = Stream()
    steps.seed = seed
    for t in range(windows):
        gone = rng.random(n) < holes
        residual = noise * rng.standard_t(3, n) + np.where(t >= onset, 5 * jump, 0.0)
        total = rng.choice([0.0, 3.0, 400.0], n)
        bad = rng.binomial(total.astype(int), np.where(t >= onset, np.minimum(2 * ratio, 1), ratio))
        known = counts & ~gone
        context = window(
            n,
            t,
            value=np.where(gone, np.nan, np.exp(residual)),
            residual=np.where(gone | counts | stranger, np.nan, residual),
            noise=np.where(stranger, np.nan, noise),
            sampling=sampling * rng.choice([0.5, 1.0], n),
            phi=phi, offset=offset, slope=slope, tolerate=tolerate, sign=sign,
            wander=wander, sure=sure, size=size, burst=burst, brief=brief,
            load=rng.normal(size=n) * 0.3,
            shift=shift, steepness=rng.normal(size=n) * 0.5,
            beyond=np.maximum(rng.normal(size=n) * 0.2, 0.0), overload=overload,
            slope_with_shift=-0.5 * slope * shift,
            bad=np.where(known, bad, np.nan),
            total=np.where(known, total, np.nan),
            bad_ratio=np.where(known & ~stranger, ratio, np.nan),
            answered=rng.random(n) < 0.9,
            usual=usual,
            gap=gap,
            lone=rng.random(n) < 0.3,
            shown=rng.random(n) < 0.3,
        )  # fmt: skip
        context = replace(context, smear=smear)
        resets = np.flatnonzero(rng.random(n) < 0.02).tolist()
        steps.append(Step(context, rng.random(n) < 0.9, resets))
    return steps


def streams(windows: int = 36, n: int = 6) -> st.SearchStrategy[Stream]:
    return st.integers(0, 2**32 - 1).map(lambda seed: stream(seed, windows, n))


def noisy(
    phi: float,
    windows: int,
    *,
    step: tuple[int, float] = (0, 0.0),
    spike: tuple[int, float | list[float]] = (0, 0.0),
    sign: float = 1.0,
    seed: int = 4,
) -> list[Context]:
    """One row of AR(1) with innovations of sd 0.1, a step from a window on, and a spike at one (or
    as many as the list is long)."""
    rng = np.random.default_rng(seed)
    residual, last = np.zeros(windows), 0.0
    for t in range(windows):
        last = phi * last + 0.1 * rng.standard_normal()
        residual[t] = last
    residual[step[0] :] += step[1]
    spikes = np.atleast_1d(np.array(spike[1]))
    residual[spike[0] : spike[0] + len(spikes)] += spikes
    return [window(1, t, residual=r, phi=phi, sign=sign) for t, r in enumerate(residual)]


def first_above(
    detector: Detector, windows: list[Context], level: float = float(np.log(1e4))
) -> int | None:
    """The first window at which the log e-value of row 0 reaches `level`; None if it never does."""
    everyone = np.ones(len(windows[0].value), dtype=bool)
    detector.resize(len(everyone))
    for t, context in enumerate(windows):
        if detector.score(context)[0] >= level:
            return t
        detector.learn(context, everyone)
    return None
