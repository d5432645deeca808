"""A signal as PromQL, for environments that a Prometheus serves."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

from anomalyd.model import (
    Gauge,
    HistogramQuantile,
    Matcher,
    PromQL,
    Rate,
    Ratio,
    Selector,
    Signal,
    SpanMetric,
)
from anomalyd.signals.native.names import BUCKET, COUNT, SUM

_MATCHERS = re.compile(r"\$matchers\b")
_MATCHERS_AND_COMMA = re.compile(r"\$matchers\b(\s*,)?")


@dataclass(frozen=True, slots=True)
class Compiled:
    """Instant queries: `value` of a signal, and the `count` of events behind it where known."""

    value: str
    count: str | None = None


def compile(
    signal: Signal,
    *,
    window: float,
    matchers: tuple[Matcher, ...] = (),
    service_labels: Sequence[str] = ("service",),
    rename: Mapping[str, str] | None = None,
    run_label: str | None = None,
    native: Container[str] = (),
) -> Compiled:
    """The queries of `signal` over `window` seconds.

    `matchers` go into every selector. `service` in `by` becomes all `service_labels`; a label that
    `rename` leads to becomes both its names; `run_label`, if any, is always grouped by. native:
    names of histograms that are asked for in that form. No traffic yields no value or NaN, never 0.
    """
    compiler = _Compiler(window, matchers, service_labels, rename or {}, run_label, native)
    return compiler.compile(signal)


def duration(seconds: float) -> str:
    """Seconds as a Prometheus duration: `30s`, or in whole milliseconds `1500ms`."""
    milliseconds = round(seconds * 1000)
    return f"{milliseconds}ms" if milliseconds % 1000 else f"{milliseconds // 1000}s"


@dataclass(frozen=True, slots=True)
class _Compiler:
    window: float
    matchers: tuple[Matcher, ...]
    service_labels: Sequence[str]
    rename: Mapping[str, str]
    run_label: str | None
    native: Container[str]

    def compile(self, signal: Signal) -> Compiled:
        by = self._names(signal)
        match signal.definition:
            case Rate(rate):
                return Compiled(self._sum("rate", rate, by))
            case Ratio(bad, total):
                whole = self._sum("rate", total, by)
                value = f"({self._sum('rate', bad, by)} or 0 * {whole}) / {whole}"
                return Compiled(value, self._sum("increase", total, by))
            case HistogramQuantile(histogram, quantile) if histogram.metric in self.native:
                value = (
                    f"histogram_quantile({quantile!r}, {self._over('sum', 'rate', histogram, by)})"
                )
                return Compiled(value, self._sum("increase", _suffixed(histogram, COUNT), by))
            case HistogramQuantile(histogram, quantile):
                buckets = self._sum("rate", _suffixed(histogram, BUCKET), ("le", *by))
                count = self._sum("increase", _suffixed(histogram, COUNT), by)
                return Compiled(f"histogram_quantile({quantile!r}, {buckets})", count)
            case Gauge(gauge, agg):
                return Compiled(self._over(agg, "avg_over_time", gauge, by))
            case PromQL(promql):
                return Compiled(self._filled(promql))
            case SpanMetric():
                raise ValueError(f"{signal.name} is measured of spans; no server is asked for it")

    def _filled(self, promql: str) -> str:
        inner = ",".join(map(str, self.matchers))
        place = _MATCHERS if inner else _MATCHERS_AND_COMMA
        return place.sub(lambda _: inner, promql.replace("$window", duration(self.window)))

    def _names(self, signal: Signal) -> tuple[str, ...]:
        names: list[str] = []
        for name in signal.by:
            own = [label for label, to in signal.rename if to == name]
            names += own or (self.service_labels if name == "service" else (name,))
            names += (source for source, to in self.rename.items() if to == name)
        if self.run_label:
            names.append(self.run_label)
        return tuple(dict.fromkeys(names))

    def _sum(self, function: str, selector: Selector, by: tuple[str, ...]) -> str:
        """Of a counter; what a native histogram counts is read off the sum of histograms."""
        for suffix in (COUNT, SUM):
            name = selector.metric.removesuffix(suffix)
            if name != selector.metric and name in self.native:
                whole = Selector(name, selector.matchers)
                return f"histogram{suffix}({self._over('sum', function, whole, by)})"
        return self._over("sum", function, selector, by)

    def _over(self, agg: str, function: str, selector: Selector, by: tuple[str, ...]) -> str:
        narrowed = Selector(selector.metric, selector.matchers + self.matchers)
        grouping = f" by ({', '.join(by)}) " if by else " "
        return f"{agg}{grouping}({function}({narrowed}[{duration(self.window)}]))"


def _suffixed(selector: Selector, suffix: str) -> Selector:
    return Selector(selector.metric + suffix, selector.matchers)
