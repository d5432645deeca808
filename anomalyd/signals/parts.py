"""What a raw series is to the signals: the plan that is asked once per new series."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from anomalyd.model import Gauge, HistogramQuantile, Matcher, PromQL, Rate, Ratio, Selector, Signal


class Role(StrEnum):
    """What a raw series adds to a signal series; the last four are a gauge's aggregations."""

    RATE = "rate"
    BAD = "bad"
    TOTAL = "total"
    BUCKET = "bucket"
    COUNT = "count"
    SUM = "sum"
    AVG = "avg"
    MAX = "max"
    MIN = "min"

    @property
    def gauge(self) -> bool:
        return self in GAUGES


GAUGES = (Role.SUM, Role.AVG, Role.MAX, Role.MIN)


class Selection:
    """Matchers, ready to be asked."""

    def __init__(self, matchers: Iterable[Matcher]) -> None:
        self._tests = tuple(map(_test, matchers))

    def selects(self, labels: Mapping[str, str]) -> bool:
        return all(
            (pattern.fullmatch(labels.get(name, "")) is not None) is wanted
            for name, wanted, pattern in self._tests
        )


@dataclass(frozen=True, slots=True)
class Part:
    """A selector of a signal, ready to be asked. `signal` is its index."""

    signal: int
    role: Role
    selection: Selection

    def wants(self, labels: Mapping[str, str]) -> bool:
        return self.selection.selects(labels)


def plan(
    signals: Sequence[Signal], matchers: Sequence[Matcher], answered: Container[str]
) -> dict[str, list[Part]]:
    """Metric name to the parts it may be of signals so named; `matchers` narrow every selector."""
    parts: dict[str, list[Part]] = {}
    for index, signal in enumerate(signals):
        if signal.name not in answered:
            continue
        for role, selector, suffix in _selectors(signal):
            selection = Selection((*selector.matchers, *matchers))
            parts.setdefault(selector.metric + suffix, []).append(Part(index, role, selection))
    return parts


def _selectors(signal: Signal) -> Iterator[tuple[Role, Selector, str]]:
    match signal.definition:
        case Rate(rate):
            yield Role.RATE, rate, ""
        case Ratio(bad, total):
            yield Role.BAD, bad, ""
            yield Role.TOTAL, total, ""
        case HistogramQuantile(histogram, _):
            yield Role.BUCKET, histogram, "_bucket"
            yield Role.COUNT, histogram, "_count"
        case Gauge(gauge, agg):
            yield Role(agg), gauge, ""
        case PromQL():
            return


def _test(matcher: Matcher) -> tuple[str, bool, re.Pattern[str]]:
    pattern = matcher.value if matcher.op.endswith("~") else re.escape(matcher.value)
    return matcher.label, not matcher.op.startswith("!"), re.compile(pattern, re.DOTALL)
