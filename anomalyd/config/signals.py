"""What is judged, under which names, at which load."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, Self

from pydantic import (
    Field,
)
from pydantic import model_validator as whole

from anomalyd import model
from anomalyd.config.types import Change, Regex, Section, Selector
from anomalyd.signals.identity import Canonical
from anomalyd.signals.presets import PRESETS


class Rewrite(Section):
    match: Regex
    to: str

    @whole(mode="after")
    def _check(self) -> Self:
        try:
            Canonical((), [(self.match, self.to)])
        except ValueError as error:
            raise ValueError(
                f"to {self.to!r} does not fit match {self.match!r}: write $1 for what its first "
                "parentheses hold"
            ) from error
        return self


class Identity(Section):
    """One name per service everywhere: the first of `service` that a series carries, rewritten."""

    service: tuple[str, ...] = Field(("service", "service_name", "app", "job"), min_length=1)
    rewrite: tuple[Rewrite, ...] = ()
    entry: str | None = None


class Match(Section):
    """How production's series find staging's: labels to drop, labels to rename (from: to)."""

    drop: tuple[str, ...] = ("cluster", "namespace", "pod", "instance", "env", "environment")
    rename: dict[str, str] = Field(default_factory=dict)


class RatioConfig(Section):
    bad: Selector
    total: Selector


class SignalConfig(Section):
    """One declared signal; exactly one of histogram, ratio, rate, gauge, promql."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)
    kind: model.Kind
    unit: str = ""
    worse: model.Worse | None = None
    tolerate: Change | None = None
    detect: Change | None = None
    limit: float | None = None
    by: tuple[str, ...] = ("service",)
    histogram: Selector | None = None
    quantile: float = Field(0.95, gt=0, lt=1)
    ratio: RatioConfig | None = None
    rate: Selector | None = None
    gauge: Selector | None = None
    agg: Literal["sum", "avg", "max", "min"] = "avg"
    promql: str | None = None

    @whole(mode="after")
    def _check(self) -> Self:
        given = [k for k in ("histogram", "ratio", "rate", "gauge", "promql") if getattr(self, k)]
        if len(given) != 1:
            raise ValueError("set exactly one of histogram, ratio, rate, gauge, promql")
        if self.promql and "$matchers" not in self.promql:
            raise ValueError("promql must contain $matchers, so that it sees one environment only")
        if self.name == model.LOAD_SIGNAL:
            raise ValueError("the name load is taken by the condition; set it under `load`")
        sizes = [size for size in (self.tolerate, self.detect) if size is not None]
        is_ratio = self.ratio is not None or self.unit == "ratio" or self.kind is model.Kind.ERRORS
        if any(size.absolute for size in sizes) and not is_ratio:
            raise ValueError("pp is a change of a ratio; write tolerate and detect like 10%")
        return self

    def signal(self) -> model.Signal:
        """The signal with the defaults of its kind filled in."""
        errors = self.kind is model.Kind.ERRORS
        traffic = self.kind is model.Kind.TRAFFIC
        return model.Signal(
            name=self.name,
            kind=self.kind,
            definition=self._definition(),
            by=self.by,
            unit=self.unit or ("ratio" if self.ratio else ""),
            worse=self.worse or (model.Worse.BOTH if traffic else model.Worse.UP),
            tolerate=self.tolerate or model.Change(absolute=0.005)
            if errors
            else self.tolerate or model.Change(relative=0.05),
            detect=self.detect or (model.Change(absolute=0.05) if errors else model.Change(0.5)),
            limit=self.limit,
        )

    def _definition(self) -> model.Definition:
        if self.histogram:
            return model.HistogramQuantile(self.histogram, self.quantile)
        if self.ratio:
            return model.Ratio(self.ratio.bad, self.ratio.total)
        if self.rate:
            return model.Rate(self.rate)
        if self.gauge:
            return model.Gauge(self.gauge, self.agg)
        return model.PromQL(self.promql or "")


class Override(Section):
    """What to change of a preset's signal; what is left out stays as the preset has it."""

    worse: model.Worse | None = None
    tolerate: Change | None = None
    detect: Change | None = None
    limit: float | None = None

    def of(self, signal: model.Signal) -> model.Signal:
        return replace(
            signal,
            worse=self.worse or signal.worse,
            tolerate=self.tolerate or signal.tolerate,
            detect=self.detect or signal.detect,
            limit=signal.limit if self.limit is None else self.limit,
        )


class Signals(Section):
    presets: tuple[Literal["http", "process", "k6", "locust", "operations", "edges"], ...] = (
        "http",
        "process",
    )
    custom: tuple[SignalConfig, ...] = ()
    override: dict[str, Override] = Field(default_factory=dict)

    @whole(mode="after")
    def _check(self) -> Self:
        names = [signal.name for signal in self.custom]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"signal names must be unique: {', '.join(twice)} is there twice")
        quantities = {one.name for preset in self.presets for one in PRESETS[preset]}
        unknown = sorted(self.override.keys() - (quantities - set(names)))
        if unknown:
            raise ValueError(
                f"override.{unknown[0]} is no signal of the chosen presets; they have "
                f"{', '.join(sorted(quantities)) or 'none'}; a custom signal is changed where it is"
            )
        return self


class Load(Section):
    """Offered load at the entry, 1/s: a counter's rate or an expression that yields one number."""

    rate: Selector | None = None
    promql: str | None = None

    @whole(mode="after")
    def _check(self) -> Self:
        if (self.rate is None) == (self.promql is None):
            raise ValueError("set rate or promql, exactly one of them")
        if self.promql and "$matchers" not in self.promql:
            raise ValueError("promql must contain $matchers, so that it sees one environment only")
        return self
