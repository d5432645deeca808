"""Faults laid out as IntelligentDDS/Nezha lays them out.

A folder with `*fault_list.json`, `metric/<pod>_metric.csv` by the minute, `trace/*_trace.csv` and,
where there is one, `trace_faultfree/*_trace.csv`. What lies outside all faults is normal.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from anomalyd.explain import traces
from anomalyd.explain.shifts import Series, Spell
from anomalyd.model import Floats, Kind, Labels, Worse
from anomalyd.spans import Spans
from bench.rca.cases import Case, DataError, World

LASTS = 240.0
AFTERMATH = 300.0
BEFORE = 30.0
"""Seconds: an incident is looked at for this long, and what is this long after one that began, or
this long before it, is not normal."""

STEP = 10.0
"""Seconds that spans are summed over."""

METRICS: Mapping[str, tuple[str, Kind, Worse, float]] = {
    "CpuUsage(m)": ("cpu", Kind.SATURATION, Worse.UP, 1e-3),
    "MemoryUsage(Mi)": ("memory", Kind.RESOURCE, Worse.UP, 2.0**20),
    "PodServerLatencyP90(s)": ("latency_p90", Kind.LATENCY, Worse.UP, 1.0),
    "PodServerLatencyP95(s)": ("latency_p95", Kind.LATENCY, Worse.UP, 1.0),
    "PodServerLatencyP99(s)": ("latency_p99", Kind.LATENCY, Worse.UP, 1.0),
    "PodWorkload(Ops)": ("request_rate", Kind.TRAFFIC, Worse.BOTH, 1.0),
}
"""Column to signal, kind, which way is worse, and the factor to the base unit."""


_POD = re.compile(r"(.+?)-(?:[a-z0-9]{6,10}-[a-z0-9]{5}|\d+)")


def folders(data: Path) -> list[Path]:
    return sorted({path.parent for path in data.rglob("*fault_list.json")})


def cases(folder: Path) -> Iterator[Case]:
    faults = _faults(folder)
    world = _world(folder)
    for began, pod, kind in faults:
        spell = Spell(began, began + LASTS, _normal([fault[0] for fault in faults]))
        name = datetime.fromtimestamp(began, UTC).strftime("%H:%M:%S")
        yield Case(f"nezha {folder.name}", name, kind, service_of(pod), spell, world)


def service_of(pod: str) -> str:
    """`cart` of the pods `cart-579f59597d-wc2lz` and `cart-0`."""
    found = _POD.fullmatch(pod)
    return found[1] if found else pod


def _faults(folder: Path) -> list[tuple[float, str, str]]:
    found = []
    for path in sorted(folder.glob("*fault_list.json")):
        listed = json.loads(path.read_text("utf-8"))
        for hour in listed.values() if isinstance(listed, dict) else [listed]:
            for fault in hour:
                began = datetime.strptime(fault["inject_time"], "%Y-%m-%d %H:%M:%S")
                found.append(
                    (
                        began.replace(tzinfo=UTC).timestamp(),
                        str(fault["inject_pod"]),
                        str(fault["inject_type"]),
                    )
                )
    return sorted(found)


def _normal(began: list[float]) -> tuple[tuple[float, float], ...]:
    starts = [-np.inf, *(at + AFTERMATH for at in began)]
    ends = [*(at - BEFORE for at in began), np.inf]
    return tuple((a, b) for a, b in zip(starts, ends, strict=True) if a < b)


def _world(folder: Path) -> World:
    series = [one for path in sorted(folder.glob("metric/*_metric.csv")) for one in _metrics(path)]
    spans, services = read_spans(sorted(folder.glob("trace*/*_trace.csv")))
    series += traces.series(spans, services, STEP)
    calls = _dependencies(folder / "metric" / "dependency.csv")
    for caller, callee in traces.edges(spans, services):
        if callee not in calls.setdefault(caller, []):
            calls[caller].append(callee)
    if not series:
        raise DataError(f"{folder}: neither metric/*_metric.csv nor trace/*_trace.csv has rows")
    return World(series, calls)


def _dependencies(path: Path) -> dict[str, list[str]]:
    calls: dict[str, list[str]] = {}
    if path.exists():
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                calls.setdefault(row["Source"], []).append(row["Target"])
    return calls


def _metrics(path: Path) -> list[Series]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        return []
    service = service_of(rows[0]["PodName"])
    times = np.array([float(row["TimeStamp"]) for row in rows])
    times, first = np.unique(times, return_index=True)
    return [
        Series(signal, service, kind, worse, times, _column(rows, column)[first] * factor)
        for column, (signal, kind, worse, factor) in METRICS.items()
        if column in rows[0]
    ]


def _column(rows: list[dict[str, str]], column: str) -> Floats:
    return np.array([_number(row[column]) for row in rows])


def _number(cell: str | None) -> float:
    try:
        return float(cell or "nan")
    except ValueError:
        return float("nan")


def read_spans(paths: Iterable[Path]) -> tuple[Spans, list[str]]:
    """(spans, the service of each of their resources). Spans that are in two files count once."""
    seen: set[tuple[int, int]] = set()
    ids: list[tuple[int, int, int, int]] = []
    spent: list[tuple[int, int]] = []
    kinds: list[tuple[int, int]] = []
    pods: dict[str, int] = {}
    operations: dict[str, int] = {}
    for path in paths:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                trace, span = _id(row["TraceID"]), _id(row["SpanID"]) & _HALF
                if (trace, span) in seen:
                    continue
                seen.add((trace, span))
                parent = 0 if row["ParentID"] == "root" else _id(row["ParentID"]) & _HALF
                ids.append((trace >> 64 & _HALF, trace & _HALF, span, parent))
                start = int(row["StartTimeUnixNano"])
                spent.append((start, max(int(row["EndTimeUnixNano"]) - start, 0)))
                pod = pods.setdefault(service_of(row["PodName"]), len(pods))
                kinds.append((pod, operations.setdefault(row["OperationName"], len(operations))))
    n = len(ids)
    key = np.array(ids, dtype=np.uint64).reshape(n, 4)
    when = np.array(spent, dtype=np.int64).reshape(n, 2)
    what = np.array(kinds, dtype=np.intp).reshape(n, 2)
    spans = Spans(
        trace=key[:, :2],
        span=key[:, 2],
        parent=key[:, 3],
        start=when[:, 0],
        duration=when[:, 1],
        kind=np.zeros(n, dtype=np.uint8),
        failed=np.zeros(n, dtype=bool),
        weight=np.ones(n),
        resource=what[:, 0],
        operation=what[:, 1],
        peer=np.zeros(n, dtype=np.intp),
        resources=tuple(Labels.of({"service_name": pod}) for pod in pods),
        operations=tuple(operations),
    )
    return spans, list(pods)


_HALF = 2**64 - 1


def _id(text: str) -> int:
    """An id in hex; of one of another form, a digest of it."""
    try:
        return int(text, 16) if text else 0
    except ValueError:
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest())
