"""Everything between a scraped body and the incidents, as a share of a core."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from anomalyd.signals.evaluate import Evaluator
from anomalyd.signals.identity import Canonical
from anomalyd.signals.table import SeriesTable, SignalTable
from anomalyd.sources.exposition import Exposition
from bench import worlds
from bench.evaluate import SIGNALS, raw_series
from bench.measure import Figure, Spread, Target
from bench.worlds import START, STEP

SCRAPE, WINDOW = 15.0, 60.0
SCALED_TO = 1_000_000
MOST_PERCENT = 7


def run(quick: bool) -> Iterator[Figure]:
    services, repeats = (20, 2) if quick else (2_000, 5)
    daemon = Daemon(services)
    windows = [daemon.window() for _ in range(2 + repeats)][2:]
    scale = SCALED_TO / len(daemon.rows) / WINDOW * 100
    yield Figure(
        "whole.1M",
        f"1M raw series scraped every {SCRAPE:g} s: parsing, storing, a tick every {STEP:g} s; "
        f"scaled from {len(daemon.rows)} raw and {len(daemon.table)} signal series",
        "% of a core",
        Spread.of([ours for ours, _ in windows], scale),
        "prometheus_client.parser alone",
        Spread.of([theirs for _, theirs in windows], scale),
        Target(MOST_PERCENT),
    )


class Daemon:
    """The parts that a scraped environment goes through, without the network."""

    def __init__(self, services: int) -> None:
        self.table = SignalTable(SIGNALS, 10**6)
        series = SeriesTable(10**6)
        self.evaluator = Evaluator(self.table, series, Canonical(("service",)), WINDOW)
        self.rows, self.is_counter = raw_series(series, services)
        self.exposition = Exposition(series, {})
        self.names = [
            f"{labels.get('__name__')}{labels.without(['__name__'])}" for labels in series.labels
        ]
        self.rng = np.random.default_rng(21)
        self.values = np.full(len(self.rows), 1e3)
        self.now = START
        for _ in range(5):
            self.take(self.scraped())
            self.now += SCRAPE
        first = self.evaluator.evaluate(self.now - SCRAPE)
        baseline = worlds.baseline(self.table, np.maximum(first.values, 1e-3))
        self.pipeline = worlds.judging(self.table, baseline, WINDOW)

    def window(self) -> tuple[float, float]:
        """(ours, the peer's) CPU seconds for one window; the peer reads one scrape of them."""
        scrapes = round(WINDOW / SCRAPE)
        ours = 0.0
        for _ in range(scrapes):
            body = self.scraped()
            begun = time.process_time()
            self.take(body)
            for tick in range(round(SCRAPE / STEP)):
                self.pipeline.process(self.evaluator.evaluate(self.now + tick * STEP))
            ours += time.process_time() - begun
            self.now += SCRAPE
        if not self.pipeline.courses["bench"].record.judged[-1]:
            raise RuntimeError("the run was not judged: this measures nothing")
        text = body.decode()
        begun = time.process_time()
        sum(len(family.samples) for family in text_string_to_metric_families(text))
        return ours, scrapes * (time.process_time() - begun)

    def take(self, body: bytes) -> None:
        parsed = self.exposition.parse(body, self.now)
        if len(parsed.samples.rows) != len(self.rows):
            raise RuntimeError("the body was not read whole")
        self.evaluator.take(parsed.samples)

    def scraped(self) -> bytes:
        """A body in which all counters grew by about as much as ever."""
        self.grow()
        lines = [
            f"{name} {value!r}"
            for name, value in zip(self.names, self.values.tolist(), strict=True)
        ]
        return "\n".join([*lines, ""]).encode()

    def grow(self) -> None:
        grown = self.rng.poisson(1000, size=len(self.rows)).astype(np.float64)
        self.values = np.where(self.is_counter, self.values + grown, 1e8 + 1e4 * grown)
