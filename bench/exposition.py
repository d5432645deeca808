"""Text exposition to samples, for a body seen before and for one that is new."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.parser import text_string_to_metric_families

from anomalyd.signals.table import SeriesTable
from anomalyd.sources.exposition import Exposition
from bench.measure import Figure, alternate

BUCKETS = ("0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "+Inf")
PEER = "prometheus_client.parser"


def run(quick: bool) -> Iterator[Figure]:
    text = body(20 if quick else 800)
    raw = text.encode()
    samples = sum(not line.startswith("#") for line in text.splitlines())
    known = exposition()
    if len(known.parse(raw, 0.0).samples.rows) != samples:
        raise RuntimeError("the body was not read whole")

    def theirs() -> int:
        return sum(len(family.samples) for family in text_string_to_metric_families(text))

    repeats = 3 if quick else 7
    again, new, peer = alternate(
        repeats,
        lambda: known.parse(raw, 1.0),
        lambda: exposition().parse(raw, 1.0),
        theirs,
    )
    per_line = 1e9 / samples
    for name, what, spread in (
        ("known", "known to the target already", again),
        ("new", "never seen before", new),
    ):
        yield Figure(
            f"exposition.{name}",
            f"Exposition.parse of {samples} samples, {what}",
            "ns per sample",
            spread.times(per_line),
            PEER,
            peer.times(per_line),
        )


def exposition() -> Exposition:
    return Exposition(SeriesTable(limit=1_000_000), {"instance": "127.0.0.1:8080"})


def body(routes: int) -> str:
    """One histogram and one counter per route, as client libraries write them."""
    lines = [
        "# HELP http_request_duration_seconds Duration.",
        "# TYPE http_request_duration_seconds histogram",
    ]
    for route in range(routes):
        labels = f'service="shop",route="/v1/resource/{route}",method="GET"'
        name = "http_request_duration_seconds"
        for i, bound in enumerate(BUCKETS):
            lines.append(f'{name}_bucket{{{labels},le="{bound}"}} {(i + 1) * 37 + route}')
        lines.append(f"{name}_sum{{{labels}}} {route * 0.137 + 1.5}")
        lines.append(f"{name}_count{{{labels}}} {len(BUCKETS) * 37 + route}")
    lines += ["# HELP http_requests_total Requests.", "# TYPE http_requests_total counter"]
    for route in range(routes):
        for code in ("200", "404", "500"):
            labels = f'service="shop",route="/v1/resource/{route}",method="GET",code="{code}"'
            lines.append(f"http_requests_total{{{labels}}} {route * 11 + 3}.0")
    return "\n".join([*lines, ""])
