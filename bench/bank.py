"""The detector bank alone: score and learn, per signal series."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from anomalyd.detectors.base import Context
from anomalyd.judgement.evidence import Bank
from bench import river_bank
from bench.measure import Figure, Spread, Target, alternate
from bench.worlds import TICKS_PER_WINDOW, contexts

SIZES = {"1k": 1_000, "10k": 10_000, "100k": 100_000}
READY = 14
"""Windows after which every detector takes part."""

MOST_NS_PER_TICK, LEAST_RATIO = 50, 60


def run(quick: bool) -> Iterator[Figure]:
    peer = river_bank.seconds_per_series(quick).times(1e9)
    for label, series in {"1k": 1_000}.items() if quick else SIZES.items():
        window = ns_per_series(series, repeats=3 if quick else 9)
        yield Figure(
            f"bank.window.{label}",
            f"Bank.score and Bank.learn of one disjoint window, {series} signal series",
            "ns per series and window",
            window,
            river_bank.PEER,
            peer,
            Target(LEAST_RATIO, of_ratio=True),
        )
        yield Figure(
            f"bank.tick.{label}",
            f"the same spread over the {TICKS_PER_WINDOW} ticks of 5 s in a window of 30 s",
            "ns per series and tick",
            window.times(1 / TICKS_PER_WINDOW),
            river_bank.PEER,
            peer.times(1 / TICKS_PER_WINDOW),
            Target(MOST_NS_PER_TICK),
        )


def ns_per_series(series: int, repeats: int) -> Spread:
    feed = iter(contexts(series, READY + repeats))
    bank, everything = Bank(series), np.ones(series, dtype=bool)

    def window(context: Context) -> None:
        bank.score(context, everything)
        bank.learn(context, everything)

    for _ in range(READY):
        window(next(feed))
    (spread,) = alternate(repeats, lambda: window(next(feed)))
    return spread.times(1e9 / series)
