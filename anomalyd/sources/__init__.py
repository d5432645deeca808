"""Where samples come in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace

from anomalyd.config import EnvironmentConfig
from anomalyd.model import LOAD_SIGNAL, Environment, Signal
from anomalyd.push import Receiver
from anomalyd.signals.identity import Canonical
from anomalyd.signals.table import SignalTable
from anomalyd.sources import discovery, prometheus, remote_write, scrape
from anomalyd.sources.base import Kind, Make, Side, Source, Wanted
from anomalyd.sources.combined import Combined, together
from anomalyd.sources.jaeger import source as jaeger
from anomalyd.sources.otlp import metrics as otlp_metrics
from anomalyd.sources.otlp import source as otlp
from anomalyd.sources.queries import metrics_of
from anomalyd.sources.tempo import source as tempo

SOURCES: tuple[Kind, ...] = (
    Kind("otlp_metrics", otlp_metrics.look, otlp_metrics.build, receiver=otlp_metrics.receiver),
    Kind("otlp", otlp.look, otlp.build, evaluates=otlp.evaluates, receiver=otlp.receiver),
    Kind("tempo", tempo.look, tempo.build, evaluates=tempo.evaluates),
    Kind("jaeger", jaeger.look, jaeger.build, evaluates=otlp.evaluates),
    Kind("remote_write", remote_write.look, remote_write.build, receiver=remote_write.receiver),
    Kind("scrape", scrape.look, scrape.build),
    Kind("url", discovery.look, prometheus.build, evaluates=lambda _: True),
)
"""An environment may have several. A signal is answered by the first that evaluates it and has one
of its metrics; where none has, by the last that evaluates it."""

PUSHED = frozenset(kind.section for kind in SOURCES if kind.receiver is not None)
"""Sections whose samples are sent to us."""


async def look(
    name: Environment, environment: EnvironmentConfig, wanted: Wanted, stack: AsyncExitStack
) -> Side:
    """What an environment has, over all its sources; see `Kind.look`."""
    sides = [
        replace(await kind.look(name, environment, wanted, stack), section=kind.section)
        for kind in SOURCES
        if getattr(environment, kind.section) is not None
    ]
    return together(sides)


def build(
    side: Side, table: SignalTable, canonical: Canonical, window: float, wanted: Wanted
) -> Combined:
    """The sources of one environment as one; rows of its batches belong to `table`."""
    parts = side.parts or (side,)
    answers = assign(table.signals, parts)
    made: dict[str, Source] = {}
    for part in parts:
        make = Make(part, table, canonical, window, wanted, answers[part.section])
        made[part.section] = _kind(part.section).build(make)
    return Combined(side, made)


def assign(signals: Iterable[Signal], parts: Sequence[Side]) -> dict[str, frozenset[str]]:
    """Section to the names of the signals that it answers; each signal is in one at most.

    Offered load goes to the Prometheus where an expression of it says what to divide load by.
    """
    answers: dict[str, set[str]] = {part.section: set() for part in parts}
    for signal in signals:
        able = [part for part in parts if _kind(part.section).evaluates(signal)]
        if signal.name == LOAD_SIGNAL and any(isinstance(p.config.capacity, str) for p in parts):
            able = [part for part in able if part.section == "url"]
        named = metrics_of(signal)
        having = [part for part in able if any(name in part.metrics for name in named)]
        if able:
            answers[(having or able[-1:])[0].section].add(signal.name)
    return {section: frozenset(names) for section, names in answers.items()}


def answered(signal: Signal, side: Side) -> bool:
    """Whether any source of an environment can tell it."""
    sections = [part.section for part in side.parts or (side,)]
    return any(_kind(section).evaluates(signal) for section in sections if section)


def receivers(sources: Mapping[Environment, Combined]) -> dict[str, Receiver]:
    """Of every section that something is pushed to."""
    found = {}
    for kind in SOURCES:
        own = {
            environment: source.parts[kind.section]
            for environment, source in sources.items()
            if kind.section in source.parts
        }
        if own and kind.receiver is not None:
            found[kind.section] = kind.receiver(own)
    return found


def _kind(section: str) -> Kind:
    return next(kind for kind in SOURCES if kind.section == section)
