"""Issues laid out as amazon-science/petshop-root-cause-analysis lays them out.

`<set>/noissue/metrics.csv` is normal, `<set>/{train,test}/issue_N/{metrics.csv,target.json}` are
the incidents, `<set>/graph.csv` is the adjacency of callers and callees. A row is of the five
minutes that begin at its time.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from anomalyd.explain.shifts import Series, Spell
from anomalyd.model import Floats, Kind, Worse
from bench.rca.cases import Case, DataError, World

Key = tuple[str, str, str]
"""Service, metric, statistic."""

QUANTILES = ("p50", "p90", "p95", "p99")


def folders(data: Path) -> list[Path]:
    found = data.glob("petshop/**/noissue/metrics.csv") if data.is_dir() else ()
    return sorted(path.parent.parent for path in found)


def cases(folder: Path) -> Iterator[Case]:
    usual = _table(folder / "noissue" / "metrics.csv")
    calls = _graph(folder / "graph.csv")
    for path in sorted(folder.glob("*/issue_*/target.json"), key=_number):
        target = json.loads(path.read_text("utf-8"))
        yield _case(folder.name, path.parent, target, usual, calls)


def _number(path: Path) -> tuple[str, int]:
    digits = "".join(c for c in path.parent.name if c.isdigit())
    return path.parent.parent.name, int(digits or 0)


def _case(
    set_name: str,
    folder: Path,
    target: Mapping[str, Mapping[str, str]],
    usual: tuple[Floats, Mapping[Key, Floats]],
    calls: Mapping[str, list[str]],
) -> Case:
    times, columns = _table(folder / "metrics.csv")
    since, step = float(target["target"]["timestamp"]), _step(usual[0])
    ends, normal_ends = times + step, usual[0] + step
    spell = Spell(
        since, float(ends[-1]), ((normal_ends[0], normal_ends[-1]), (float(ends[0]), since))
    )
    every = {
        key: np.concatenate([usual[1].get(key, np.full(len(usual[0]), np.nan)), values])
        for key, values in columns.items()
    }
    grid = np.concatenate([normal_ends, ends])
    order = np.argsort(grid, kind="stable")
    world = World(_series(grid[order], {k: v[order] for k, v in every.items()}, step), calls)
    return Case(
        f"petshop {set_name}",
        f"{folder.parent.name}/{folder.name}",
        str(target["target"]["metric"]),
        target["root_cause"]["node"],
        spell,
        world,
    )


def _series(times: Floats, columns: Mapping[Key, Floats], step: float) -> list[Series]:
    found = []
    for service in sorted({service for service, _, _ in columns}):
        requests = columns.get((service, "requests", "Sum"))
        rates = None if requests is None else np.nan_to_num(requests) / step
        means = {
            "latency": (Kind.LATENCY, columns.get((service, "latency", "Average"))),
            "error_ratio": (
                Kind.ERRORS,
                _failed(columns.get((service, "availability", "Average"))),
            ),
        }
        for signal, (kind, values) in means.items():
            if values is not None:
                found.append(Series(signal, service, kind, Worse.UP, times, values, rates))
        for quantile in QUANTILES:
            values = columns.get((service, "latency", quantile))
            if values is not None:
                name = f"latency_{quantile}"
                found.append(Series(name, service, Kind.LATENCY, Worse.UP, times, values))
        if rates is not None:
            found.append(Series("request_rate", service, Kind.TRAFFIC, Worse.BOTH, times, rates))
    return found


def _failed(available: Floats | None) -> Floats | None:
    return None if available is None else 1.0 - available / 100.0


def _step(times: Floats) -> float:
    return float(np.median(np.diff(times))) if len(times) > 1 else 300.0


def _table(path: Path) -> tuple[Floats, Mapping[Key, Floats]]:
    """(float64[n] times, columns) of a file with three header rows."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    if len(rows) < 5 or not rows[0]:
        raise DataError(f"{path}: three header rows and values were expected")
    heads = list(zip(*(row[1:] for row in rows[:3]), strict=True))
    body = [row for row in rows[3:] if len(row) == len(heads) + 1 and _is_number(row[0])]
    times = np.array([float(row[0]) for row in body])
    values = np.array([[float(cell) if cell else np.nan for cell in row[1:]] for row in body])
    return times, {(a, b, c): values[:, i] for i, (a, b, c) in enumerate(heads)}


def _graph(path: Path) -> dict[str, list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    names = rows[0][1:]
    return {
        row[0]: [name for name, cell in zip(names, row[1:], strict=True) if float(cell or 0)]
        for row in rows[1:]
        if row
    }


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
