"""The peer of the whole daemon: a real Prometheus that takes remote_write and evaluates PromQL."""

from __future__ import annotations

import http.client
import tempfile
import time
import urllib.parse
from dataclasses import dataclass
from pathlib import Path

from bench.live_bodies import Recording
from bench.promql import get
from bench.sending import REMOTE_WRITE
from tests.servers import prometheus

WINDOW = "1m"
SCRAPES, WARM = 7, 4
BUCKETS = f"http_request_duration_seconds_bucket[{WINDOW}]"
EXPRESSIONS = (
    f"histogram_quantile(0.95, sum by (app, route, le) (rate({BUCKETS})))",
    f'sum by (app, route) (rate(http_requests_total{{code=~"5.."}}[{WINDOW}]))'
    f" / sum by (app, route) (rate(http_requests_total[{WINDOW}]))",
    f"sum by (app, route) (rate(http_requests_total[{WINDOW}]))",
)


@dataclass(frozen=True, slots=True)
class Measured:
    """cpu_seconds: of one scrape and one evaluation. memory: MB at the end. evaluations: seconds
    on the wall's clock. answers: seconds per body."""

    cpu_seconds: list[float]
    memory: float
    evaluations: list[float]
    answers: list[float]


def measured(recording: Recording, scrape: float) -> Measured:
    """It is sent scrapes that follow one another, as fast as it takes them."""
    bodies = recording.bodies()
    cpu, evaluations, answers = [], [], []
    begin = time.time() - SCRAPES * scrape
    with tempfile.TemporaryDirectory() as folder:
        config = "global: {scrape_interval: 1h}\n"
        with prometheus(Path(folder), config, "--web.enable-remote-write-receiver") as url:
            connection = http.client.HTTPConnection(url.removeprefix("http://"))
            for nth in range(SCRAPES):
                at = begin + scrape * nth
                before = own(url, "process_cpu_seconds_total")
                taken = [_send(connection, body.stamped(at, nth)) for body in bodies]
                evaluating = time.perf_counter()
                found = [evaluate(url, expression, at) for expression in EXPRESSIONS]
                if nth < WARM:
                    continue
                if not all(found):
                    raise RuntimeError("the signals have no value: this measures nothing")
                evaluations.append(time.perf_counter() - evaluating)
                cpu.append(own(url, "process_cpu_seconds_total") - before)
                answers += taken
            memory = own(url, "process_resident_memory_bytes") / 1e6
    return Measured(cpu, memory, evaluations, answers)


def _send(connection: http.client.HTTPConnection, body: bytes) -> float:
    begun = time.perf_counter()
    connection.request("POST", "/api/v1/write", body, REMOTE_WRITE)
    answer = connection.getresponse()
    said = answer.read()
    if answer.status != 204:
        raise RuntimeError(f"HTTP {answer.status}: {said[:200]!r}")
    return time.perf_counter() - begun


def evaluate(url: str, expression: str, at: float) -> bool:
    query = urllib.parse.urlencode({"query": f"count({expression})", "time": at})
    return '"result":[]' not in get(f"{url}/api/v1/query?{query}")


def own(url: str, metric: str) -> float:
    lines = get(f"{url}/metrics").splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(metric))
