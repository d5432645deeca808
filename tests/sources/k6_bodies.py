"""Bodies of k6's output `experimental-prometheus-rw`, as its source writes them.

Source: k6, internal/output/prometheusrw (remotewrite.go, trend.go, prometheus.go): names are `k6_`,
the metric, `_total`, `_rate` or the trend's statistic, labels the tags without empty ones; times
become seconds; one sample per series and flush, at the time of its last measurement; native
histograms are client_golang's with a bucket factor of 1.1. `python -m tests.sources.k6_bodies`
writes them into the folder `bodies`.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from tests.fakes import sender
from tests.fakes.sender import double, held, integer, varint

HEADERS = {**sender.HEADERS, "user-agent": "k6-prometheus-rw-output"}
FOLDER = Path(__file__).with_name("bodies")
START = 1_800_000_000.0
FLUSH = 5.0
PER_FLUSH = 200
FAILING = 4
"""Of the requests of a flush; they answer with 503 and are not what the script expects."""
SCHEMA = 3
"""Buckets per doubling, as a power of two: the largest width below a factor of 1.1."""
ZERO_THRESHOLD = 2.0**-128
TRENDS = ("blocked", "connecting", "duration", "receiving", "sending", "tls_handshaking", "waiting")
SCRIPT = {"scenario": "checkout"}
REQUEST = {
    **SCRIPT,
    "expected_response": "true",
    "method": "GET",
    "name": "http://shop/checkout",
    "proto": "HTTP/1.1",
    "status": "200",
    "url": "http://shop/checkout",
}
FAILED = {**REQUEST, "expected_response": "false", "error_code": "1503", "status": "503"}


class Script:
    """A run of one scenario, flush by flush; everything is since its start, as k6 counts."""

    def __init__(self, *, native: bool, statistics: Sequence[int] = (99,)) -> None:
        """statistics: percentiles of trends, as of K6_PROMETHEUS_RW_TREND_STATS."""
        self._drawn = random.Random(7)  # noqa: S311
        self._native, self._statistics = native, statistics
        self._took: dict[str, list[float]] = {"true": [], "false": []}
        self.flushes = 0

    def flush(self) -> bytes:
        """The next WriteRequest, before compression."""
        self.flushes += 1
        for expected, many in (("true", PER_FLUSH - FAILING), ("false", FAILING)):
            took = (math.exp(self._drawn.gauss(math.log(0.08), 0.4)) for _ in range(many))
            self._took[expected] += took
        return sender.request(*self._series())

    def stale(self) -> bytes:
        """What ends all series of gauges and counters, with K6_PROMETHEUS_RW_STALE_MARKERS."""
        time = self._at(1) + 1
        marked = [*self._counters(), *self._trends()]
        return sender.request(
            *(sender.series(labels, [(sender.STALE, time)]) for labels, _ in marked)
        )

    def _at(self, milliseconds: int) -> int:
        return round((START + FLUSH * self.flushes) * 1000) - milliseconds

    def _series(self) -> Iterator[bytes]:
        for nth, (labels, value) in enumerate(self._counters()):
            yield sender.series(labels, [(value, self._at(nth + 1))])
        if self._native:
            for tags in (REQUEST, FAILED):
                took = self._took[tags["expected_response"]]
                labels = _named("http_req_duration_seconds", tags)
                yield sender.series(labels, ()) + histogram(took, self._at(3))
            return
        for labels, value in self._trends():
            yield sender.series(labels, [(value, self._at(3))])

    def _counters(self) -> Iterator[tuple[dict[str, str], float]]:
        done = float(self.flushes * PER_FLUSH)
        yield _named("vus", {}), 20.0
        yield _named("vus_max", {}), 50.0
        yield _named("iterations_total", SCRIPT), done
        yield _named("dropped_iterations_total", SCRIPT), 3.0 * self.flushes
        yield _named("data_sent_total", SCRIPT), 120.0 * done
        yield _named("data_received_total", SCRIPT), 4000.0 * done
        yield _named("checks_rate", {**SCRIPT, "check": "is 200"}), 1 - FAILING / PER_FLUSH
        for tags, many in ((REQUEST, PER_FLUSH - FAILING), (FAILED, FAILING)):
            yield _named("http_reqs_total", tags), float(self.flushes * many)
            failed = float(tags["expected_response"] == "false")
            yield _named("http_req_failed_rate", tags), failed

    def _trends(self) -> Iterator[tuple[dict[str, str], float]]:
        for tags in (REQUEST, FAILED):
            ordered = sorted(self._took[tags["expected_response"]])
            for percent in self._statistics:
                at = ordered[min(len(ordered) * percent // 100, len(ordered) - 1)]
                for trend in TRENDS:
                    share = 1.0 if trend == "duration" else 0.1
                    yield _named(f"http_req_{trend}_p{percent}", tags), share * at


def _named(metric: str, tags: Mapping[str, str]) -> dict[str, str]:
    return {"__name__": f"k6_{metric}", **tags}


def histogram(observed: Sequence[float], time: int) -> bytes:
    """A prometheus.Histogram of whole counts, with its field in the series."""
    buckets = Counter(math.ceil(math.log2(value) * 2**SCHEMA) for value in observed)
    spans, counts = _spans(buckets)
    deltas = [counts[0], *(after - before for before, after in pairwise(counts))]
    inside = integer(1, len(observed)) + double(3, math.fsum(observed))
    inside += integer(4, SCHEMA << 1) + double(5, ZERO_THRESHOLD)
    inside += b"\x30\x00"  # no count of zeros, which is written since it is one of two
    for offset, length in spans:
        inside += held(11, integer(1, offset << 1 ^ offset >> 63) + integer(2, length))
    inside += held(12, b"".join(varint(delta << 1 ^ delta >> 63) for delta in deltas))
    return held(4, inside + integer(15, time))


def _spans(buckets: Mapping[int, int]) -> tuple[list[tuple[int, int]], list[int]]:
    """(offset, length) of runs of buckets, gaps of up to two filled, and the count of each."""
    spans: list[list[int]] = []
    counts: list[int] = []
    last = 0
    for index in sorted(buckets):
        gap = index - last
        if not spans or gap > 2:
            spans.append([gap, 0])
            gap = 0
        counts += [0] * gap + [buckets[index]]
        spans[-1][1] += gap + 1
        last = index + 1
    return [(offset, length) for offset, length in spans], counts


def files() -> dict[str, bytes]:
    """Every body that is kept, by the name of its file."""
    trends, native = Script(native=False, statistics=(95, 99)), Script(native=True)
    made = {"k6-trends": trends.flush(), "k6-native": native.flush(), "k6-stale": trends.stale()}
    return {f"{name}.snappy": sender.packed(plain) for name, plain in made.items()}


if __name__ == "__main__":
    for name, body in files().items():
        (FOLDER / name).write_bytes(body)
