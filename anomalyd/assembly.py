"""Builds the parts that one configuration asks for: signals, window, sources, pipeline settings."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from anomalyd import sources
from anomalyd.config import Config
from anomalyd.explain.suspects import Graph
from anomalyd.judgement.silences import Silence
from anomalyd.model import Environment, PromQL, Rate, Signal
from anomalyd.pipeline import Pipeline, Settings
from anomalyd.signals import presets
from anomalyd.signals.identity import Canonical
from anomalyd.signals.native.names import as_classic
from anomalyd.signals.presets_spans import EDGE_METRICS
from anomalyd.signals.quantities import SPANS
from anomalyd.signals.table import SignalTable
from anomalyd.sources.base import Side, Wanted
from anomalyd.sources.boundaries import Boundaries
from anomalyd.sources.combined import Combined
from anomalyd.sources.metadata import with_units
from anomalyd.sources.queries import metrics_of

Metrics = Mapping[str, frozenset[str]]

LEAST_WINDOW = 30.0
SCRAPES_PER_WINDOW = 4


@dataclass(frozen=True, slots=True)
class Plan:
    """What both environments are asked, in the same words."""

    signals: tuple[Signal, ...]
    window: float
    staging: Side
    production: Side | None


async def look(config: Config, stack: AsyncExitStack) -> Plan:
    """Ask both environments what they have and settle signals and window.

    Sessions are entered on `stack`. An environment that does not answer is described by its
    `trouble`; raises SourceError only for what the user must mend.
    """
    sought = wanted(config)
    environments = config.environments
    staging = await sources.look(Environment.STAGING, environments.staging, sought, stack)
    production = None
    if environments.production is not None:
        production = await sources.look(
            Environment.PRODUCTION, environments.production, sought, stack
        )
    return settle(config, staging, production)


def settle(config: Config, staging: Side, production: Side | None) -> Plan:
    """Signals and window by what the environments have."""
    if production is not None:
        _alike(staging, production)
        _alike(production, staging)
    return Plan(
        signals=tuple(_signals(config, staging, production)),
        window=_window(config, staging, production),
        staging=staging,
        production=production,
    )


def _alike(own: Side, other: Side) -> None:
    """Histograms in the form that both environments have."""
    for part in (own, *own.parts):
        part.classic = as_classic(part.metrics, other.metrics)


def wanted(config: Config) -> Wanted:
    """What its sources look for."""
    return Wanted(
        _names(config).__contains__, config.limits, config.state_dir, config.step, config.otlp
    )


def _names(config: Config) -> frozenset[str]:
    """Of the metrics that signals may read, and of those that tell who calls whom."""
    own = (name for signal in config.signals.custom for name in metrics_of(signal.signal()))
    edges = EDGE_METRICS if config.learn_graph else ()
    return frozenset((*presets.metric_names(config.signals.presets), *edges, *own))


def _signals(config: Config, staging: Side, production: Side | None) -> list[Signal]:
    """Presets as both environments can carry them, the user's own, and the load they go with."""
    shared: Metrics = staging.metrics
    if production is not None and production.metrics:
        both = staging.metrics.keys() & production.metrics.keys()
        both |= {SPANS} & staging.metrics.keys()
        shared = {name: staging.metrics[name] for name in both} or production.metrics
    own = [signal.signal() for signal in config.signals.custom]
    names = {signal.name for signal in own}
    found = [s for s in presets.resolve(config.signals.presets, shared) if s.name not in names]
    if staging.section or staging.parts:
        found = [signal for signal in found if sources.answered(signal, staging)]
    configured: Rate | PromQL | None = None
    if config.load is not None:
        rate, expression = config.load.rate, config.load.promql
        configured = Rate(rate) if rate else PromQL(expression or "")
    load = presets.load_signal(
        [*found, *own], config.identity.entry, config.identity.service, shared, configured
    )
    if load and production is not None and SPANS not in production.metrics:
        load = presets.by_all_requests(load)
    described = {**(production.described if production else {}), **staging.described}
    own = [replace(signal, unit=with_units(signal, described)) for signal in own]
    overrides = config.signals.override
    found = [overrides[s.name].of(s) if s.name in overrides else s for s in found]
    return [*([load] if load else []), *found, *own]


def _window(config: Config, staging: Side, production: Side | None) -> float:
    """`window: auto` is four scrapes of the slower environment, and always a multiple of `step`."""
    sides = [side for side in (staging, production) if side is not None]
    slowest = max((side.interval or 0.0 for side in sides), default=0.0)
    automatic = max(SCRAPES_PER_WINDOW * slowest, LEAST_WINDOW)
    window = automatic if config.window is None else float(config.window)
    return math.ceil(round(window / config.step, 6)) * config.step


def canonical(config: Config, environment: Environment) -> Canonical:
    """Identity of one environment; only staging's series carry the run label."""
    return Canonical(
        config.identity.service,
        [(rule.match, rule.to) for rule in config.identity.rewrite],
        config.match.drop,
        config.match.rename,
        config.runs.label if environment is Environment.STAGING else None,
    )


def source(
    config: Config, plan: Plan, side: Side, bounds: Boundaries | None = None
) -> tuple[Combined, SignalTable]:
    """The source of one environment, with the table that its batches' rows belong to."""
    table = SignalTable(plan.signals, config.limits.series)
    names, sought = canonical(config, side.name), replace(wanted(config), bounds=bounds or {})
    return sources.build(side, table, names, plan.window, sought), table


def pipeline(config: Config, plan: Plan, table: SignalTable) -> Pipeline:
    """The pipeline over staging's table; a capacity that is an expression its source applies."""
    settings = pipeline_settings(config, plan.window)
    built = Pipeline(table, settings, Graph(config.graph))
    built.silences = silences(config)
    return built


def pipeline_settings(config: Config, window: float) -> Settings:
    capacity = config.environments.staging.capacity
    judgement = config.judgement
    return Settings(
        window=window,
        false_fail=judgement.false_fail,
        coverage=judgement.coverage,
        keep_firing_for=judgement.keep_firing_for,
        close_incident_after=judgement.close_incident_after,
        capacity=capacity if isinstance(capacity, float) else 1.0,
        totals=_same_capacity(config),
        run_label=config.runs.label,
        shadow=judgement.shadow,
        blip=judgement.ignore_shorter,
        creep=judgement.creep,
    )


def _same_capacity(config: Config) -> bool:
    """Whether both environments are known to have as much of what serves the load."""
    staging, production = config.environments.staging, config.environments.production
    if production is None:
        return True
    known = isinstance(staging.capacity, float) and isinstance(production.capacity, float)
    return known and staging.capacity == production.capacity


def silences(config: Config) -> tuple[Silence, ...]:
    return tuple(Silence(s.signal, s.match, s.reason, s.until.timestamp()) for s in config.silences)


def digest(config: Config) -> str:
    """Of everything that may change a verdict; secrets are masked in it."""
    return hashlib.sha256(config.model_dump_json().encode()).hexdigest()[:16]
