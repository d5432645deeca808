"""The same question put to a Prometheus: bands by recording rules, over a day of history.

The expressions are in the manner of the adaptive rules of grafana/promql-anomaly-detection: the
mean and the spread of an hour, the spread smoothed over 26 hours, and the comparison.
"""

from __future__ import annotations

import subprocess
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from anomalyd.model import Batch
from anomalyd.query import decode_vector
from bench import worlds
from bench.instant import body
from bench.measure import Figure, Spread, Target, alternate
from bench.tick import READY
from bench.worlds import START, WINDOW, residuals
from tests.servers import prometheus
from tests.tools import binary

END = 1_700_000_040
HOURS = 27
LEAST_RATIO = 500
EXPRESSIONS = (
    "avg_over_time(level[1h])",
    "stddev_over_time(level[1h])",
    "avg_over_time(spread[26h])",
    "level > last_over_time(mean[2m]) + 2 * last_over_time(spread[2m])",
    "level < last_over_time(mean[2m]) - 2 * last_over_time(spread[2m])",
)


def run(quick: bool) -> Iterator[Figure]:
    if binary("prometheus") is None or binary("promtool") is None:
        print("promql: left out, there is no Prometheus; `make tools` fetches one")
        return
    series, repeats = (10, 2) if quick else (200, 7)
    ours = judged_per_series(500 if quick else 10_000, repeats)
    with tempfile.TemporaryDirectory() as folder:
        backfill(Path(folder), series, hours=3 if quick else HOURS)
        config = "global: {scrape_interval: 1h}\n"
        keep = "--storage.tsdb.retention.time=100y"
        with prometheus(Path(folder), config, keep) as url:
            evaluate(url)
            theirs = [rules_per_series(url, series, 5) for _ in range(repeats)]
    yield Figure(
        "promql.adaptive",
        "one evaluation of a signal series: an instant query's answer decoded and a window judged",
        "us per series",
        ours.times(1e6),
        f"adaptive rules over {series} series by minute in a real Prometheus",
        Spread.of(theirs, 1e6),
        Target(LEAST_RATIO, of_ratio=True),
    )


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
    """A day of level, mean and spread by minute, as the rules would have recorded them."""
    minutes = hours * 60
    values = np.exp(residuals(series, minutes)).T.tolist()
    text = folder / "history.om"
    with text.open("w", encoding="utf-8") as file:
        for name, scale in (("level", 1.0), ("mean", 1.0), ("spread", 0.1)):
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


def rules_per_series(url: str, series: int, times: int) -> float:
    """CPU seconds of the server per series, for evaluating all expressions once."""
    begun = cpu_seconds(url)
    for _ in range(times):
        evaluate(url)
    return (cpu_seconds(url) - begun) / (times * series)


def evaluate(url: str) -> None:
    for expression in EXPRESSIONS:
        query = urllib.parse.urlencode({"query": f"count({expression})", "time": END})
        get(f"{url}/api/v1/query?{query}")


def cpu_seconds(url: str) -> float:
    lines = get(f"{url}/metrics").splitlines()
    return next(float(x.split()[1]) for x in lines if x.startswith("process_cpu_seconds_total"))


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310
        return str(answer.read().decode())
