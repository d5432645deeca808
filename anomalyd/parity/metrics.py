"""Metrics and labels that are there, and the boundaries of histograms' buckets."""

from __future__ import annotations

import re
from collections import defaultdict

from anomalyd.model import Labels, Matcher
from anomalyd.parity.asking import Look
from anomalyd.parity.kinds import Part

_PARTS = re.compile(r"(.+)_(bucket|count|sum|created|total|max)$")
_OF_THE_SERVER = ("ALERTS", "ALERTS_FOR_STATE", "scrape_", "up")
"""Made by the server for whatever it scrapes."""

HISTOGRAMS_AT_ONCE = 20


async def collect(look: Look) -> None:
    """Metrics first: what others look for is among them."""
    values = "/api/v1/label/__name__/values"
    everything = Matcher("__name__", "!=", "")
    names = await look.read(Part.METRICS, values, [("match[]", look.any_with(everything))])
    if not isinstance(names, list):
        return
    look.names = frozenset(map(str, names))
    look.offers(Part.METRICS)
    for name in sorted({family(name, look.names) for name in look.names}):
        if not name.startswith(_OF_THE_SERVER[2:]) and name not in _OF_THE_SERVER:
            look.add("metric", name, "present", values)
    await _labels(look)
    await _buckets(look)


def family(name: str, names: frozenset[str]) -> str:
    """The histogram or summary that a series is part of: they come and go together."""
    found = _PARTS.match(name)
    if found and f"{found[1]}_bucket" in names:
        return found[1]
    if found and f"{found[1]}_count" in names and f"{found[1]}_sum" in names:
        return found[1]
    return name


async def _labels(look: Look) -> None:
    """One question per label, answered from the index alone: which metrics carry it."""
    path = "/api/v1/labels"
    everything = look.any_with(Matcher("__name__", "!=", ""))
    told = await look.read(Part.METRICS, path, [("match[]", everything)])
    carried: dict[str, set[str]] = defaultdict(set)
    for label in told if isinstance(told, list) else ():
        if label == "__name__":
            continue
        match = look.any_with(Matcher(str(label), "!=", ""))
        names = await look.read(Part.METRICS, "/api/v1/label/__name__/values", [("match[]", match)])
        for name in names if isinstance(names, list) else ():
            carried[str(name)].add(str(label))
    look.labels = {name: frozenset(labels) for name, labels in carried.items()}
    told_of = {
        (family(name, look.names), label) for name, found in carried.items() for label in found
    }
    for name, label in sorted({(name, _shared(look, label)) for name, label in told_of}):
        if label and not name.startswith(_OF_THE_SERVER):
            look.add("label", f"{name} {label}", "present", f"{path} of {name}")


def _shared(look: Look, label: str) -> str:
    """The label's name in both environments, '' for one that does not tell series apart."""
    renamed = look.canonical.rename.get(label, label)
    if renamed in ("le", "quantile") or not look.canonical.counts(renamed):
        return ""
    return "service" if label in look.canonical.service_labels else renamed


async def _buckets(look: Look) -> None:
    histograms = sorted(name for name in look.names if name.endswith("_bucket"))
    found: dict[tuple[str, str], set[float]] = defaultdict(set)
    by = ", ".join(("__name__", "le", *look.canonical.service_labels))
    for at in range(0, len(histograms), HISTOGRAMS_AT_ONCE):
        some = "|".join(histograms[at : at + HISTOGRAMS_AT_ONCE])
        query = f"group by ({by}) ({look.any_with(Matcher('__name__', '=~', some))})"
        for labels, _ in await look.ask(Part.BUCKETS, query):
            metric = labels.get("__name__").removesuffix("_bucket")
            edge = _edge(labels)
            if edge is not None:
                found[metric, look.canonical.service(labels)].add(edge)
    if found:
        look.offers(Part.BUCKETS)
    for (metric, service), edges in found.items():
        value = " ".join(f"{edge:g}" for edge in sorted(edges))
        how = f"le of {look.select(f'{metric}_bucket')}"
        look.add("buckets", f"{service} {metric}".strip(), value, how, service)


def _edge(labels: Labels) -> float | None:
    """`le` as a number: Prometheus 3 writes `1.0` where 2.x writes `1`."""
    try:
        return float(labels.get("le"))
    except ValueError:
        return None
