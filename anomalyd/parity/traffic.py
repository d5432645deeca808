"""Who is there and who calls whom; the mix and the range of the load; how much data there is."""

from __future__ import annotations

import re
from collections import defaultdict

from anomalyd.model import Labels, Matcher, Rate, Selector
from anomalyd.parity.asking import Look
from anomalyd.parity.kinds import Part
from anomalyd.signals import presets
from anomalyd.signals.promql import duration

OPERATION = (
    "http_route", "route", "uri", "handler", "endpoint", "span_name", "operation", "path",
    "rpc_method", "grpc_method", "view",
)  # fmt: skip
METHOD = ("http_request_method", "http_method", "method", "verb")
EDGES = (
    ("traces_service_graph_request_total", "client", "server"),
    ("istio_requests_total", "source_workload", "destination_workload"),
)
DATA = re.compile(
    r"(pg_stat_user_tables_n_live_tup|pg_class_reltuples|pg_database_size_bytes"
    r"|mysql_info_schema_table_(rows|size)|redis_db_keys|elasticsearch_indices_docs\w*"
    r"|mongodb_\w*(documents|objects|count)|\w*_rows|\w*_row_count|\w*_documents|\w*_table_size_bytes)$"
)
RATIO = re.compile(r"\w*hit_(ratio|rate)$")
CALLED = "called"
"""Kind of the facts on what a run called: it is recorded with a run, and never compared."""
_LOAD_STEP = 60.0
_LEAST = 1e-9


async def collect(look: Look) -> None:
    await _requests(look)
    await _edges(look)
    await _data(look)
    await _caches(look)


async def _requests(look: Look) -> None:
    """Of the counter that the preset `http` judges by."""
    counted = _counted(look)
    if counted is None:
        return
    look.offers(Part.SERVICES)
    counter, operation, method = counted
    by = _by(look, operation, method)
    selector = look.select(counter.metric, *counter.matchers)
    query = f"sum by ({', '.join(by)}) (rate({selector}[{duration(look.span)}]))"
    known = f"group by ({', '.join(by)}) ({selector})"
    told = await look.ask(Part.SERVICES, known)
    for service in sorted({look.canonical.service(labels) for labels, _ in told} - {""}):
        look.add("service", service, "present", known, service)
    operations = {_operation(look, labels, operation, method) for labels, _ in told}
    for service, name in sorted(operations):
        if name and service:
            look.add("operation", f"{service} {name}", "present", known, service)
    await _mix(look, query, operation, method)
    await _load(look, counter)


async def called(look: Look) -> None:
    """Which operations were called within `span`, by how often; one fact more, of no place, says
    that it is known."""
    counted = _counted(look)
    if counted is None or not counted[1]:
        return
    counter, operation, method = counted
    by = ", ".join(_by(look, operation, method))
    selector = look.select(counter.metric, *counter.matchers)
    query = f"sum by ({by}) (increase({selector}[{duration(look.span)}])) > 0"
    calls: dict[tuple[str, str], float] = defaultdict(float)
    for labels, value in await look.ask(Part.TRAFFIC, query):
        calls[_operation(look, labels, operation, method)] += value
    look.add(CALLED, "", "asked", query)
    for (service, name), count in sorted(calls.items()):
        if service and name:
            look.add(CALLED, f"{service} {name}", f"{count:.0f}", query, service, count)


def _counted(look: Look) -> tuple[Selector, str, str] | None:
    """The counter of requests, and its labels of the operation and the method, '' for none."""
    found = presets.resolve(("http",), look.labels)
    rate = next((s.definition for s in found if isinstance(s.definition, Rate)), None)
    if rate is None:
        return None
    carried = look.labels[rate.rate.metric]
    operation = next((label for label in OPERATION if label in carried), "")
    return rate.rate, operation, next((label for label in METHOD if label in carried), "")


def _by(look: Look, operation: str, method: str) -> list[str]:
    return [*look.canonical.service_labels, *(one for one in (operation, method) if one)]


def _operation(look: Look, labels: Labels, operation: str, method: str) -> tuple[str, str]:
    words = (labels.get(label) for label in (method, operation) if label)
    return look.canonical.service(labels), " ".join(filter(None, words))


async def _mix(look: Look, query: str, operation: str, method: str) -> None:
    """Shares of the operations among all calls of a service, where it was called at all."""
    rates: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for labels, value in await look.ask(Part.TRAFFIC, query):
        service, name = _operation(look, labels, operation, method)
        if service and name:
            rates[service][name] += value
    for service, of in rates.items():
        whole = sum(of.values())
        if not whole > _LEAST:
            continue
        look.offers(Part.TRAFFIC)
        for name, rate in of.items():
            share = rate / whole
            look.add("traffic-share", f"{service} {name}", f"{share:.1%}", query, service, share)


async def _load(look: Look, counter: Selector) -> None:
    """The load that is reached: 99th percentile of the request rate over the span."""
    entry = counter
    inner = f"sum(rate({look.select(entry.metric, *entry.matchers)}[{duration(_LOAD_STEP * 5)}]))"
    span, step = duration(look.span), duration(_LOAD_STEP)
    query = f"quantile_over_time(0.99, {inner}[{span}:{step}])"
    for _, value in await look.ask(Part.TRAFFIC, query):
        if value > _LEAST:
            look.offers(Part.TRAFFIC)
            look.add("load", "all services", f"{value:.3g} req/s", query, number=value)


async def _edges(look: Look) -> None:
    for metric, client, server in EDGES:
        if metric not in look.names:
            continue
        look.offers(Part.EDGES)
        query = f"group by ({client}, {server}) ({look.select(metric)})"
        edges = set()
        for labels, _ in await look.ask(Part.EDGES, query):
            caller, callee = (look.canonical.named(labels.get(one)) for one in (client, server))
            edges.add((caller or "outside", callee or "outside"))
        for caller, callee in sorted(edges):
            look.add("edge", f"{caller} → {callee}", "present", query, callee)


async def _data(look: Look) -> None:
    """Rows, documents and bytes that are stored; the largest replica counts."""
    for name in sorted(look.names):
        if name.endswith(("_total", "_bucket", "_count", "_sum")):
            continue
        kind = "data" if DATA.match(name) else "hit-ratio" if RATIO.match(name) else ""
        if not kind:
            continue
        look.offers(Part.DATA)
        query = f"avg_over_time({look.select(name)}[{duration(look.span)}])"
        largest: dict[tuple[str, str], float] = {}
        for labels, value in await look.ask(Part.DATA, query):
            key = _place(look, name, labels)
            largest[key] = max(value, largest.get(key, 0.0))
        for (service, place), value in largest.items():
            said = f"{value:.1%}" if kind == "hit-ratio" else f"{value:.6g}"
            look.add(kind, place, said, query, service, value)


def _place(look: Look, name: str, labels: Labels) -> tuple[str, str]:
    service = look.canonical.service(labels)
    of_series = {"__name__", "job", *look.canonical.service_labels}
    of_series |= {matcher.label for matcher in look.matchers}
    kept = {
        renamed: value
        for label, value in labels
        if label not in of_series
        and look.canonical.counts(renamed := look.canonical.rename.get(label, label))
    }
    return service, f"{service} {name}{Labels.of(kept)}".strip()


async def _caches(look: Look) -> None:
    """Hits among all lookups, of pairs of counters and of counters with a `result`."""
    for name in sorted(look.names):
        if name.endswith("_hits_total") and name.replace("_hits_", "_misses_") in look.names:
            missed = look.select(name.replace("_hits_", "_misses_"))
            await _hit_ratio(look, name, look.select(name), missed)
        elif name == "cache_gets_total":
            hit, miss = (look.select(name, Matcher("result", "=", one)) for one in ("hit", "miss"))
            await _hit_ratio(look, name, hit, miss)


async def _hit_ratio(look: Look, name: str, hits: str, misses: str) -> None:
    counts: list[dict[tuple[str, str], float]] = []
    for selector in (hits, misses):
        summed: dict[tuple[str, str], float] = defaultdict(float)
        query = f"increase({selector}[{duration(look.span)}])"
        for labels, value in await look.ask(Part.DATA, query):
            summed[_place(look, name, labels.without(["result"]))] += value
        counts.append(summed)
    hit, missed = counts
    look.offers(Part.DATA)
    how = f"hits of {hits} among all over {duration(look.span)}"
    for key in hit.keys() | missed.keys():
        whole = hit.get(key, 0.0) + missed.get(key, 0.0)
        if whole > 0:
            share = hit.get(key, 0.0) / whole
            look.add("hit-ratio", key[1], f"{share:.1%}", how, key[0], share)
