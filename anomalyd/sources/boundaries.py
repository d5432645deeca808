"""The bucket boundaries of the histograms that production's latencies of spans are read off."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence

from anomalyd.model import HistogramQuantile, Matcher, Selector, Signal, SpanMeasure
from anomalyd.query import QueryError, parse_labels
from anomalyd.signals.presets import over_metrics
from anomalyd.sources.base import Past, Side

log = logging.getLogger(__name__)

Boundaries = Mapping[str, tuple[float, ...]]
"""Signal to finite upper bounds, ascending, in its unit."""


async def boundaries(
    signals: Sequence[Signal], reference: Side | None, service_labels: Sequence[str]
) -> Boundaries:
    """Of the signals that spans are measured for here and that `reference` has a histogram of.

    Both are then read off equal buckets. A server that does not answer tells none.
    """
    if reference is not None and reference.past is not None:
        return _of_past(signals, reference.past)
    if reference is None or reference.api is None or reference.trouble:
        return {}
    found: dict[str, tuple[float, ...]] = {}
    for signal in signals:
        definition = over_metrics(signal, reference.metrics, service_labels).definition
        if signal.measure is None or not isinstance(definition, HistogramQuantile):
            continue
        try:
            answer = await reference.api.instant(_query(definition, reference.config.matchers))
        except QueryError as error:
            log.debug("%s does not tell its buckets: %s", reference.name, error)
            continue
        bounds = sorted({_bound(parse_labels(key).get("le")) for key in answer.keys})
        found[signal.name] = tuple(bound for bound in bounds if 0 < bound < math.inf)
    return {name: bounds for name, bounds in found.items() if bounds}


def _of_past(signals: Sequence[Signal], past: Past) -> Boundaries:
    own = (signal for signal in signals if signal.measure is SpanMeasure.DURATION)
    scale = {"ms": 1000.0}
    bounds = {s.name: tuple(scale.get(s.unit, 1.0) * one for one in past.buckets) for s in own}
    return {name: found for name, found in bounds.items() if found}


def _query(definition: HistogramQuantile, matchers: tuple[Matcher, ...]) -> str:
    histogram = definition.histogram
    buckets = Selector(f"{histogram.metric}_bucket", (*histogram.matchers, *matchers))
    return f"count by (le) ({buckets})"


def _bound(le: str) -> float:
    """Infinite where it is no number."""
    try:
        bound = float(le)
    except ValueError:
        return math.inf
    return math.inf if math.isnan(bound) else bound
