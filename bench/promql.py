"""The same question put to a Prometheus: bands by recording rules, over a day of history.

The expressions are in the manner of grafana/promql-anomaly-detection. Adaptive: the mean and the
standard deviation of an hour, the latter smoothed over 26 hours, and the comparison. Robust: the
median of a day, the median of a day of distances from it, and the comparison of the last hour's
median.
"""

from __future__ import annotations

import subprocess
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from anomalyd.model import Batch
from anomalyd.query import decode_vector
from bench import bank, worlds
from bench.instant import body
from bench.measure import Figure, Spread, Target, alternate
from bench.tick import READY
from bench.worlds import START, WINDOW, residuals
from tests.servers import prometheus
from tests.tools import binary

END = 1_700_000_040
HOURS = 27
LEAST_RATIO = 500
RECORDED = (("level", 1.0), ("mean", 1.0), ("spread", 0.1), ("median", 1.0), ("distance", 0.1))
"""What the rules would have recorded by the minute, and of what size."""
RULES = {
    "adaptive": (
        "avg_over_time(level[1h])",
        "stddev_over_time(level[1h])",
        "avg_over_time(spread[26h])",
        "level > last_over_time(mean[2m]) + 2 * last_over_time(spread[2m])",
        "level < last_over_time(mean[2m]) - 2 * last_over_time(spread[2m])",
    ),
    "robust": (
        "quantile_over_time(0.5, level[1d])",
        "abs(level - last_over_time(median[2m]))",
        "quantile_over_time(0.5, distance[1d])",
        "quantile_over_time(0.5, level[1h])",
        "level > last_over_time(median[2m]) + 2 * last_over_time(distance[2m])",
        "level < last_over_time(median[2m]) - 2 * last_over_time(distance[2m])",
    ),
}


def run(quick: bool) -> Iterator[Figure]:
    if binary("prometheus") is None or binary("promtool") is None:
        print("promql: left out, there is no Prometheus; `make tools` fetches one")
        return
    series, repeats = (10, 2) if quick else (200, 7)
    judged = judged_per_series(500 if quick else 10_000, repeats).times(1e6)
    banked = bank.ns_per_series(1_000 if quick else 10_000, repeats).times(1e-3)
    theirs = of_a_prometheus(series, repeats, hours=3 if quick else HOURS)
    whole = (
        "one evaluation of a signal series: an instant query's answer decoded and a window judged"
    )
    for name, spread in theirs.items():
        peer = f"{name} rules over {series} series by minute in a real Prometheus"
        target = Target(LEAST_RATIO, of_ratio=True) if name == "adaptive" else None
        yield Figure(f"promql.{name}", whole, "us per series", judged, peer, spread, target)
        yield Figure(
            f"promql.{name}.bank",
            "the detector bank alone, one disjoint window of a signal series",
            "us per series",
            banked,
            peer,
            spread,
        )


def of_a_prometheus(series: int, repeats: int, hours: int) -> dict[str, Spread]:
    """Microseconds of its CPU per series and evaluation, by the manner of the rules."""
    with tempfile.TemporaryDirectory() as folder:
        backfill(Path(folder), series, hours)
        config = "global: {scrape_interval: 1h}\n"
        keep = "--storage.tsdb.retention.time=100y"
        with prometheus(Path(folder), config, keep) as url:
            taken: dict[str, list[float]] = {name: [] for name in RULES}
            for expressions in RULES.values():
                evaluate(url, expressions)
            for _ in range(repeats):
                for name, expressions in RULES.items():
                    taken[name].append(rules_per_series(url, series, 5, expressions))
    return {name: Spread.of(seconds, 1e6) for name, seconds in taken.items()}


def judged_per_series(series: int, repeats: int) -> Spread:
    """CPU seconds from the bytes of an answer to the incidents of a window."""
    table = worlds.table(series)
    baseline = worlds.baseline(table)
    pipeline = worlds.judging(table, baseline)
    good = worlds.GoodRun(table, baseline)
    batches = [good.batch(START + i * WINDOW) for i in range(READY + repeats)]
    answer = body(series)
    known = {key: row for row, key in enumerate(decode_vector(answer).keys, start=1)}
    for batch in batches[:READY]:
        pipeline.process(batch)
    feed = iter(batches[READY:])

    def judge() -> None:
        batch: Batch = next(feed)
        rows = np.array([known[key] for key in decode_vector(answer).keys], dtype=np.intp)
        if len(rows) != series:
            raise RuntimeError("the answer was not read whole")
        pipeline.process(batch)

    (spread,) = alternate(repeats, judge)
    return spread.times(1 / series)


def backfill(folder: Path, series: int, hours: int) -> None:
    """More than a day by the minute of the level, and of what the rules would have recorded."""
    minutes = hours * 60
    values = np.exp(residuals(series, minutes)).T.tolist()
    text = folder / "history.om"
    with text.open("w", encoding="utf-8") as file:
        for name, scale in RECORDED:
            file.write(f"# TYPE {name} gauge\n")
            for i, row in enumerate(values):
                for t, value in enumerate(row):
                    time = END - 60 * (minutes - 1 - t)
                    file.write(f'{name}{{service="{i}"}} {value * scale!r} {time}\n')
        file.write("# EOF\n")
    command = [
        str(binary("promtool")),
        *("tsdb", "create-blocks-from", "openmetrics", str(text), str(folder / "data")),
    ]
    subprocess.run(command, check=True, capture_output=True)
    text.unlink()


def rules_per_series(url: str, series: int, times: int, expressions: Sequence[str]) -> float:
    """CPU seconds of the server per series, for evaluating all expressions once."""
    begun = cpu_seconds(url)
    for _ in range(times):
        evaluate(url, expressions)
    return (cpu_seconds(url) - begun) / (times * series)


def evaluate(url: str, expressions: Sequence[str]) -> None:
    for expression in expressions:
        query = urllib.parse.urlencode({"query": f"count({expression})", "time": END})
        get(f"{url}/api/v1/query?{query}")


def cpu_seconds(url: str) -> float:
    lines = get(f"{url}/metrics").splitlines()
    return next(float(x.split()[1]) for x in lines if x.startswith("process_cpu_seconds_total"))


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310
        return str(answer.read().decode())
