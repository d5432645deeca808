"""Small labelled incidents, laid out as the public sets are."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

SERVICES = ("web", "cart", "db")
RNG = np.random.default_rng


def write(path: Path, rows) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)


def petshop(folder: Path, issues: int = 2) -> Path:
    """web calls cart, cart calls db; in every issue cart is slower by itself."""
    root = folder / "petshop" / "little_traffic"
    heads = [
        ["microservice", *(s for s in SERVICES for _ in range(3))],
        ["metric", *("latency", "requests", "availability") * 3],
        ["statistic", *("Average", "Sum", "Average") * 3],
        ["unix_timestamp", *[""] * 9],
    ]
    random = RNG(1)

    def row(time: float, slower: float) -> list[float]:
        added = {"web": slower, "cart": slower, "db": 0.0}
        cells = []
        for name in SERVICES:
            latency = 0.1 * random.lognormal(0, 0.05) + added[name]
            cells += [latency, 600, 100.0]
        return [time, *cells]

    write(root / "noissue" / "metrics.csv", heads + [row(300.0 * i, 0) for i in range(60)])
    write(
        root / "graph.csv", [["", *SERVICES], ["web", 0, 1, 0], ["cart", 0, 0, 1], ["db", 0, 0, 0]]
    )
    for number in range(issues):
        start = 100_000.0 + 10_000 * number
        rows = [row(start + 300 * i, 0.3 * (i >= 2)) for i in range(5)]
        at = root / "test" / f"issue_{number}"
        write(at / "metrics.csv", heads + rows)
        target = {"node": "web", "metric": "latency", "timestamp": start + 620}
        truth = {"target": target, "root_cause": {"node": "cart", "metric": None}}
        (at / "target.json").write_text(json.dumps(truth), encoding="utf-8")
    return root


DAY = datetime(2026, 3, 2, 12, tzinfo=UTC)
HEAD = (
    "Time", "TimeStamp", "PodName", "CpuUsage(m)", "PodServerLatencyP95(s)", "PodWorkload(Ops)",
)  # fmt: skip
SPAN_HEAD = (
    "TraceID", "SpanID", "ParentID", "PodName", "OperationName", "StartTimeUnixNano",
    "EndTimeUnixNano", "Duration",
)  # fmt: skip


def pod(service: str) -> str:
    return f"{service}-5f6585d649-fnmft"


def nezha(folder: Path) -> Path:
    """At 12:30 the way to db gets slow, at 12:45 cart burns CPU."""
    root = folder / "nezha" / "shop-2026-03-02"
    faults = [(30, "db", "network_delay"), (45, "cart", "cpu")]
    listed = [
        {
            "inject_time": f"{DAY + timedelta(minutes=at):%Y-%m-%d %H:%M:%S}",
            "inject_timestamp": "0",
            "inject_pod": pod(service),
            "inject_type": kind,
        }
        for at, service, kind in faults
    ]
    root.mkdir(parents=True)
    (root / "2026-03-02-fault_list.json").write_text(json.dumps({"12": listed}), encoding="utf-8")
    write(root / "metric" / "dependency.csv", [("Source", "Target", "Weight"), ("web", "cart", 1)])
    random = RNG(2)
    for service in SERVICES:
        rows = [HEAD]
        for minute in range(60):
            cpu = 10 * random.lognormal(0, 0.05)
            if service == "cart" and 45 <= minute < 48:
                cpu *= 8
            stamp = (DAY + timedelta(minutes=minute, seconds=28)).timestamp()
            rows.append(("", int(stamp), pod(service), cpu, 0.05, 8))
        write(root / "metric" / f"{pod(service)}_metric.csv", rows)
    for minute in (10, 11, 12, 30, 31, 45, 46):
        kind = "trace_faultfree" if minute == 10 else "trace"
        late = 0.2 if minute in (30, 31) else 0.0
        at = f"{DAY + timedelta(minutes=minute):%H_%M}"
        write(root / kind / f"{at}_trace.csv", [SPAN_HEAD, *_minute(minute, late, random)])
    return root


def _minute(minute: int, late: float, random):
    start = int((DAY + timedelta(minutes=minute)).timestamp() * 1e9)
    for i in range(150):
        began = start + int(i * 0.4e9)
        trace = f"{minute:016x}{i:016x}"
        way = int((0.002 * random.lognormal(0, 0.1) + late) * 1e9)
        halves = (
            ("root", "web", "page", 0, 30_000_000 + way),
            ("1", "web", "add", 2_000_000, 25_000_000 + way),
            ("2", "cart", "add", 4_000_000, 23_000_000 + way),
            ("3", "cart", "query", 6_000_000, 15_000_000 + way),
            ("4", "db", "query", 8_000_000, 14_000_000),
        )
        for number, (parent, service, operation, begin, end) in enumerate(halves, 1):
            span, above = f"{i * 8 + number:x}", parent
            if parent != "root":
                above = f"{i * 8 + int(parent):x}"
            yield (
                trace, span, above, pod(service), operation, began + begin, began + end,
                (end - begin) // 1000,
            )  # fmt: skip
